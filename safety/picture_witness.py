"""Whether the picture under a watermark is the one it was made for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from safety.ledger.log import stored_bytes
from safety.picture_print import OTHER, SAME, PicturePrint, agreement
from safety.tables import picture_prints
from safety.vault import Vault
from safety.watermark import MarkReading

MOST_FRAMES = 12  # compared with every sketch


@dataclass(frozen=True)
class PictureRow:
    """state: "same" as sealed, "other" (the mark was copied), "unsure", or "unknown" (nothing to compare with, or too
    little of the picture to be seen).

    agreement: with the sealed picture, about 0 for another one, at most 1.
    """

    state: str
    agreement: float | None = None


def compare_picture(vault: Vault, lumas: Sequence[np.ndarray], reading: MarkReading) -> PictureRow:
    """Compare frames that carry a mark with what the ledger remembers of the video it was made for.

    lumas: uint8 (H, W) of the copy, all of one shape.  reading: of its mark, with scale, mirror, turn and offset.
    """
    query = select(picture_prints.c.print).where(picture_prints.c.watermark_id == reading.id)
    with vault.ledger.transaction() as connection:
        stored = connection.execute(query).scalar_one_or_none()
    entries = vault.ledger.entries("output", reading.hex)
    kept = stored_bytes(stored) if stored is not None else b""
    if not kept or not entries or entries[-1].body.get("pictures_sha256") != hashlib.sha256(kept).hexdigest():
        return PictureRow("unknown")  # of an edited one the ledger's audit tells; nothing is built on it here
    few = lumas[:: max(1, -(-len(lumas) // MOST_FRAMES))]
    fit = agreement(PicturePrint.from_bytes(kept), few, reading)
    if fit is None:
        return PictureRow("unknown")
    return PictureRow("same" if fit >= SAME else "other" if fit < OTHER else "unsure", round(fit, 3))
