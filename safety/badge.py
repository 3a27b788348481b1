"""The visible sign: "AI-generated", small, in a bottom corner of every frame, drawn before the watermark.

The words are those of the field and the same in every language. White letters on a dark, rounded plate: on a white
picture the plate is dark enough for a contrast of 4.5 to 1 (WCAG 2.2, success criterion 1.4.3), on a black one the
letters stand out by themselves. It can be cropped off, so it replaces neither the watermark nor the manifest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from safety.watermark import FrameWriter

TEXT = "AI-generated"
LETTERS, SMALLEST = 0.029, 11  # height of the letters: share of the frame's shorter side, and pixels at least
MARGIN = 0.02  # of the shorter side
PLATE, PLATE_OPACITY, INK = 20, 0.74, 235  # luma of plate and letters (limited range), opacity of the plate
OVERSAMPLE = 4


@dataclass(frozen=True)
class Badge:
    """The sign for frames of one size, ready to be drawn.

    box: left, top, width, height in pixels, all even.
    """

    box: tuple[int, int, int, int]
    _opacity: np.ndarray  # uint16 (h, w), 0..256
    _ink: np.ndarray  # uint16 (h, w), luma times opacity
    _chroma_opacity: np.ndarray  # uint16 (h / 2, w / 2)

    def draw(self, i420: np.ndarray) -> None:
        """Draw into one I420 frame of that size, uint8 (H * 3 // 2, W), in place."""
        left, top, width, height = self.box
        luma = i420[top : top + height, left : left + width]
        luma[:] = (luma * (256 - self._opacity) + self._ink) >> 8
        rows = i420.shape[0] * 2 // 3
        planes = i420[rows:].reshape(2, rows // 2, -1)  # U and V, (2, H / 2, W / 2)
        colour = planes[:, top // 2 : (top + height) // 2, left // 2 : (left + width) // 2]
        opacity = self._chroma_opacity
        colour[:] = (colour * (256 - opacity) + 128 * opacity) >> 8  # plate and letters are grey

    def to_dict(self) -> dict[str, object]:
        """What the manifest says about it."""
        return {"shown": True, "text": TEXT, "box": list(self.box)}


def badge(height: int, width: int) -> Badge:
    """The sign for frames of height x width pixels, both even, at the bottom left."""
    side = min(height, width)
    letters = max(SMALLEST, round(side * LETTERS))
    font = ImageFont.load_default(letters * OVERSAMPLE)
    edges = font.getbbox(TEXT)
    text_width, text_height = (edges[2] - edges[0]) / OVERSAMPLE, (edges[3] - edges[1]) / OVERSAMPLE
    box_width = min(_even(text_width + 1.3 * letters), width)
    box_height = min(_even(text_height + 0.9 * letters), height)
    margin = _even(side * MARGIN)
    left, top = min(margin, width - box_width), max(0, height - box_height - margin)
    top -= top % 2
    plate = Image.new("L", (box_width * OVERSAMPLE, box_height * OVERSAMPLE), 0)
    corners = (0, 0, plate.width - 1, plate.height - 1)
    ImageDraw.Draw(plate).rounded_rectangle(corners, plate.height // 2, fill=255)
    words = Image.new("L", plate.size, 0)
    place = ((plate.width - edges[2] - edges[0]) / 2, (plate.height - edges[3] - edges[1]) / 2)
    ImageDraw.Draw(words).text(place, TEXT, fill=255, font=font)
    plate_share, ink_share = (
        np.asarray(picture.resize((box_width, box_height), Image.Resampling.BOX), np.float32) / 255
        for picture in (plate, words)
    )
    opacity = plate_share * PLATE_OPACITY * (1 - ink_share) + ink_share
    luma = PLATE * plate_share * PLATE_OPACITY * (1 - ink_share) + INK * ink_share
    quarter = opacity.reshape(box_height // 2, 2, box_width // 2, 2).mean((1, 3))
    return Badge(
        (left, top, box_width, box_height),
        np.round(opacity * 256).astype(np.uint16),
        np.round(luma * 256).astype(np.uint16),
        np.round(quarter * 256).astype(np.uint16),
    )


def badge_writer(height: int, width: int) -> FrameWriter:
    """Function that draws the sign into one I420 frame in place."""
    return badge(height, width).draw


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)
