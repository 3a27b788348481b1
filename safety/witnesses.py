"""What the pixels of a file say, before anybody compares it with sound, manifest and ledger."""

from __future__ import annotations

from dataclasses import dataclass

from safety.keys import mark_key_id
from safety.luma_search import Evidence
from safety.media import Sample
from safety.picture_witness import PictureRow, compare_picture
from safety.sound_witness import issued_ids
from safety.vault import Vault
from safety.video_mark import VideoMark
from safety.watermark import MarkReading

TRACE_SCORE = 9.0  # a pilot whose id was not given out counts only this far above the detector's threshold
PRESENT = 4.5  # standard deviations at which one window of time carries the mark: chance, 3e-6 each


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


def look(vault: Vault, sample: Sample) -> tuple[WatermarkRow, str]:
    """The watermark, tried with every key of the installation; and the record id of the mark, "" when none."""
    if not sample.frames:
        return WatermarkRow(False, None, 0.0), ""
    groups = sample.windows()
    height = sample.frames[0].shape[0] * 2 // 3
    evidence = Evidence([[sample.frames[index][:height] for index in group] for group in groups])
    best = MarkReading(False, 0, 0.0)
    for key in vault.mark_keys:
        issued = issued_ids(vault, mark_key_id(key))
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


__all__ = ["WatermarkRow", "look"]
