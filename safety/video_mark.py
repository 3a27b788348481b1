"""Both marks of a frame as one: what the seal writes and the audit reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safety.chroma_mark import ChromaMark
from safety.luma_mark import LumaMark
from safety.watermark import FrameWriter, MarkReading, Watermark


@dataclass(frozen=True)
class VideoReading:
    """luma: the robust, keyed witness.  chroma: the public one, meaningful only in copies of the original size."""

    luma: MarkReading
    chroma: MarkReading

    @property
    def agree(self) -> bool:
        """Both marks were found and carry the same id."""
        return self.luma.found and self.chroma.found and self.luma.id == self.chroma.id


class VideoMark(Watermark):
    """The luma and the chroma mark of one installation, with the same id."""

    def __init__(self, key: bytes) -> None:
        self.luma = LumaMark(key)
        self.chroma = ChromaMark()

    def writer(self, mark_id: int, height: int, width: int) -> FrameWriter:
        mark_luma = self.luma.writer(mark_id, height, width)
        mark_chroma = self.chroma.writer(mark_id, height, width)

        def mark(i420: np.ndarray) -> None:
            mark_luma(i420)
            mark_chroma(i420)

        return mark

    def read(self, frames: Sequence[np.ndarray]) -> MarkReading:
        return self.luma.read(frames)

    def read_both(self, frames: Sequence[np.ndarray]) -> VideoReading:
        """As `read`, with the chroma mark as second witness. It costs more per frame: twelve are enough."""
        return VideoReading(self.luma.read(frames), self.chroma.read(frames[:: max(1, len(frames) // 12)]))
