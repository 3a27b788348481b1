"""What the pixels and the sound of a file say, before anybody compares it with manifest and ledger."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import or_, select

from safety.keys import mark_key_id
from safety.ledger.log import stored_bytes
from safety.luma_search import Evidence
from safety.media import SOUND_RATE, Sample, read_sound
from safety.sound_print import OTHER, SAME, bit_error_rate, sound_print
from safety.tables import sound_prints, watermark_ids
from safety.picture_witness import PictureRow, compare_picture
from safety.vault import Vault
from safety.video_mark import VideoMark
from safety.watermark import MarkReading

TRACE_SCORE = 9.0  # a pilot whose id was not given out counts only this far above the detector's threshold
PRESENT = 4.5  # standard deviations at which one window of time carries the mark: chance, 3e-6 each
MOST_IDS = 200_000  # newest issued ids that a faint mark is compared with


@dataclass(frozen=True)
class WatermarkRow:
    """found: the mark is there and its id is one this installation issued.  score: standard deviations.

    trace: a mark is clearly there but no issued id could be read.  chroma: the public mark says the same id.
    seconds: from where to where the clip carries the mark, empty for an image.  partial: not everywhere.
    assisted: too faint to read alone, matched against the issued ids.  key_id: of the key it was found with.
    picture: whether the picture under the mark is the one it was made for.
    """

    found: bool
    id: str | None
    score: float
    trace: bool = False
    chroma: bool = False
    errors: int = 0
    seconds: tuple[tuple[float, float], ...] = ()
    partial: bool = False
    assisted: bool = False
    key_id: str = ""
    picture: PictureRow = PictureRow("unknown")


@dataclass(frozen=True)
class SoundRow:
    """state: "same" as the video was sealed with, "other", "unsure", "none" (no sound in the file) or "unknown" (no
    video of ours to compare with, or one from before sounds were remembered).

    difference: share of differing fingerprint bits, 0 to about 0.5.
    """

    state: str
    difference: float | None = None


def look(vault: Vault, sample: Sample) -> tuple[WatermarkRow, str]:
    """The watermark, tried with every key of the installation; and the record id of the mark, "" when none."""
    if not sample.frames:
        return WatermarkRow(False, None, 0.0), ""
    groups = sample.windows()
    height = sample.frames[0].shape[0] * 2 // 3
    evidence = Evidence([[sample.frames[index][:height] for index in group] for group in groups])
    best = MarkReading(False, 0, 0.0)
    for key in vault.mark_keys:
        issued = _issued(vault, mark_key_id(key))
        marker = VideoMark(key)
        reading, place = marker.luma.find(evidence, list(issued))
        if reading.found and reading.id in issued:
            scores = marker.luma.presence(evidence, place, reading.id)
            carried = [score >= PRESENT for score in scores]
            seconds, partial = _ranges(sample, groups, carried)
            windows = [group for group, yes in zip(evidence.windows, carried, strict=True) if yes]
            lumas = [luma for window in windows or evidence.windows for luma in window]
            public = marker.chroma.read(sample.frames[:: max(1, len(sample.frames) // 12)])
            row = WatermarkRow(
                found=True,
                id=reading.hex,
                score=round(reading.score, 2),
                chroma=public.found and public.id == reading.id,
                errors=reading.errors,
                seconds=seconds,
                partial=partial,
                assisted=reading.assisted,
                key_id=mark_key_id(key),
                picture=compare_picture(vault, lumas, reading),
            )
            return row, issued[reading.id]
        best = reading if reading.score > best.score else best
    return WatermarkRow(False, None, round(best.score, 2), trace=best.score >= TRACE_SCORE, errors=best.errors), ""


def listen(vault: Vault, path: Path, mark_id: str) -> SoundRow:
    """Compare the file's sound with that of the video which carries `mark_id`."""
    query = select(sound_prints.c.print).where(sound_prints.c.watermark_id == int(mark_id, 16))
    with vault.ledger.transaction() as connection:
        stored = connection.execute(query).scalar_one_or_none()
    if stored is None:
        return SoundRow("unknown")
    sealed = stored_bytes(stored)
    entries = vault.ledger.entries("output", mark_id)
    if not entries or entries[-1].body.get("sound_sha256") != hashlib.sha256(sealed).hexdigest():
        return SoundRow("unknown")  # the ledger's audit names who was edited; nothing is built on it here
    samples = read_sound(path)
    heard = sound_print(samples, SOUND_RATE) if samples is not None else b""
    if not heard:
        return SoundRow("none")
    if not sealed:
        return SoundRow("other")  # it was sealed silent
    rate = bit_error_rate(sealed, heard)
    if rate is None:
        return SoundRow("unsure")
    return SoundRow("same" if rate <= SAME else "other" if rate >= OTHER else "unsure", round(rate, 3))


def _issued(vault: Vault, key_id: str) -> dict[int, str]:
    """Watermark id -> record id, of the ids given out under a key (and of those from before keys had names)."""
    query = (
        select(watermark_ids.c.watermark_id, watermark_ids.c.record_id)
        .where(or_(watermark_ids.c.key_id == key_id, watermark_ids.c.key_id.is_(None)))
        .order_by(watermark_ids.c.created_at.desc())
        .limit(MOST_IDS)
    )
    with vault.ledger.transaction() as connection:
        return {int(mark_id): str(record_id) for mark_id, record_id in connection.execute(query)}


def _ranges(
    sample: Sample, groups: list[list[int]], carried: list[bool]
) -> tuple[tuple[tuple[float, float], ...], bool]:
    """Windows that carry the mark, joined to (from, to) in seconds; and whether any does not."""
    if not sample.duration:
        return (), False
    starts = [0.0, *(sample.seconds[group[0]] for group in groups[1:]), sample.duration]
    ranges: list[tuple[float, float]] = []
    for index, present in enumerate(carried):
        if not present:
            continue
        start, end = round(starts[index], 2), round(starts[index + 1], 2)
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((start, end))
    return tuple(ranges), not all(carried)


__all__ = ["SoundRow", "WatermarkRow", "listen", "look"]
