"""The invisible watermark: one 30-bit id, written twice into every frame.

`LumaMark` carries the robustness: keyed, synchronised, error-corrected (safety/luma_mark.py). `ChromaMark` is what
the public package `invisible-watermark` reads (safety/chroma_mark.py). `VideoMark` writes both.

Frames here are I420 as the encoder takes them: uint8 (H * 3 // 2, W); rows 0..H are luma, limited range 16..235, then
U and V at half size. H and W are even.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

ID_BITS = 30
FrameWriter = Callable[[np.ndarray], None]  # marks one I420 frame in place


@dataclass(frozen=True)
class MarkReading:
    """What a detector saw.

    found:  the score is above the detector's threshold and the id decodes.
    score:  standard deviations above chance (luma: of the pilot correlation; chroma: of the bit votes).
    errors: code bits that had to be corrected.
    scale:  size of the original over size of this copy; flipped: the copy is mirrored.
    offset: (dy, dx) of the mark's tile in the rescaled copy, pixels.
    angle:  how far the copy had to be turned back, degrees.  assisted: the id was matched against issued ones.
    """

    found: bool
    id: int
    score: float
    errors: int = 0
    scale: float = 1.0
    flipped: bool = False
    offset: tuple[int, int] = (0, 0)
    angle: float = 0.0
    assisted: bool = False

    @property
    def hex(self) -> str:
        return format_id(self.id)


class Watermark(ABC):
    """A mark that carries one id through a clip."""

    @abstractmethod
    def writer(self, mark_id: int, height: int, width: int) -> FrameWriter:
        """Function that marks one I420 frame (height * 3 // 2, width) in place; build it once per clip.

        It may keep scratch memory: call it from one thread at a time.
        Raises ValueError when the id has more than 30 bits or the size is not supported.
        """

    @abstractmethod
    def read(self, frames: Sequence[np.ndarray]) -> MarkReading:
        """Detect in I420 frames of one clip, all of one shape; 40 to 120 spread over the clip are best."""


def format_id(mark_id: int) -> str:
    """30-bit id -> 8 hex digits."""
    return f"{mark_id:08x}"


def random_id() -> int:
    """Uniform over the 30-bit ids, without 0 (which unmarked chroma tends to read as)."""
    return 1 + secrets.randbelow((1 << ID_BITS) - 1)


def rgb_to_i420(rgb: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB -> I420, BT.601 matrix, limited range. H and W even.

    Chroma is averaged over each 2 x 2 pixels (OpenCV's own conversion takes one of the four, which aliases on lips).
    """
    height, width = rgb.shape[:2]
    i420 = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    small = cv2.resize(rgb, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    chroma = cv2.transform(small, _CHROMA)  # (H / 2, W / 2, 2)
    i420[height:] = np.moveaxis(chroma, 2, 0).reshape(height // 2, width)
    return i420


# U and V of BT.601 limited range from full-range RGB (ITU-R BT.601-7, section 2.5), offset in the last column.
_CHROMA = np.array([[-0.148223, -0.290993, 0.439216, 128.0], [0.439216, -0.367788, -0.071427, 128.0]], np.float32)
