"""What the sound of a file says: whose mark it carries, and whether it is still the one a video was sealed with."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import or_, select

from safety.keys import mark_key_id
from safety.ledger.log import stored_bytes
from safety.media import SOUND_RATE, read_sound
from safety.sound_mark import NOTHING, SoundEvidence, SoundMark
from safety.sound_print import OTHER, SAME, bit_error_rate, sound_print
from safety.tables import sound_prints, watermark_ids
from safety.vault import Vault
from safety.watermark import format_id

MOST_IDS = 200_000  # newest issued ids that a faint mark is compared with


@dataclass(frozen=True)
class SoundRow:
    """state: "same" as the video was sealed with, "other", "unsure", "none" (no sound in the file) or "unknown" (no
    video of ours to compare with, or one from before sounds were remembered).

    difference: share of differing fingerprint bits, 0 to about 0.5.
    mark: the watermark id that the sound itself carries, None when none was read; score: standard deviations.
    assisted: too faint to read alone, matched against the issued ids.
    """

    state: str
    difference: float | None = None
    mark: str | None = None
    score: float | None = None
    assisted: bool = False


def listen(vault: Vault, path: Path, mark_id: str) -> tuple[SoundRow, str]:
    """Read the mark in a file's sound, and compare the sound with that of a video; and the mark's record id.

    mark_id: of the video to compare with, "" to compare with the one that the sound itself names.
    """
    samples = read_sound(path)
    if samples is None:
        state, difference = _compare(vault, b"", mark_id)
        return SoundRow(state, difference), ""
    own, score, assisted, record_id = _read_mark(vault, samples)
    state, difference = _compare(vault, sound_print(samples, SOUND_RATE), mark_id or own or "")
    if state in ("other", "unsure") and own is not None and own == mark_id:
        state = "unsure"  # ours at least in part: something was laid over it, or a piece of it exchanged
    return SoundRow(state, difference, own, score, assisted), record_id


def carries_mark(vault: Vault, path: Path) -> bool:
    """Whether there is a sound, and a mark of this installation in it."""
    samples = read_sound(path)
    return samples is not None and _read_mark(vault, samples)[0] is not None


def issued_ids(vault: Vault, key_id: str) -> dict[int, str]:
    """Watermark id -> record id, of the ids given out under a key (and of those from before keys had names)."""
    query = (
        select(watermark_ids.c.watermark_id, watermark_ids.c.record_id)
        .where(or_(watermark_ids.c.key_id == key_id, watermark_ids.c.key_id.is_(None)))
        .order_by(watermark_ids.c.created_at.desc())
        .limit(MOST_IDS)
    )
    with vault.ledger.transaction() as connection:
        return {int(mark_id): str(record_id) for mark_id, record_id in connection.execute(query)}


def _read_mark(vault: Vault, samples: np.ndarray) -> tuple[str | None, float, bool, str]:
    """Id, score, whether it was matched, record id; tried with every key of the installation."""
    evidence = SoundEvidence(samples, SOUND_RATE)
    best = NOTHING
    for key in vault.mark_keys:
        issued = issued_ids(vault, mark_key_id(key))
        reading = SoundMark(key).find(evidence, list(issued))
        if reading.found and reading.id in issued:
            return format_id(reading.id), round(reading.score, 2), reading.assisted, issued[reading.id]
        best = reading if reading.score > best.score else best
    return None, round(best.score, 2), False, ""


def _compare(vault: Vault, heard: bytes, mark_id: str) -> tuple[str, float | None]:
    """State and difference of a fingerprint against that of the video which carries `mark_id`."""
    if not mark_id:
        return ("unknown", None)
    query = select(sound_prints.c.print).where(sound_prints.c.watermark_id == int(mark_id, 16))
    with vault.ledger.transaction() as connection:
        stored = connection.execute(query).scalar_one_or_none()
    if stored is None:
        return ("unknown", None)
    sealed = stored_bytes(stored)
    entries = vault.ledger.entries("output", mark_id)
    if not entries or entries[-1].body.get("sound_sha256") != hashlib.sha256(sealed).hexdigest():
        return ("unknown", None)  # the ledger's audit names who was edited; nothing is built on it here
    if not heard:
        return ("none", None)
    if not sealed:
        return ("other", None)  # it was sealed silent
    rate = bit_error_rate(sealed, heard)
    if rate is None:
        return ("unsure", None)
    return ("same" if rate <= SAME else "other" if rate >= OTHER else "unsure", round(rate, 3))


__all__ = ["SoundRow", "carries_mark", "issued_ids", "listen"]
