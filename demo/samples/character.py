"""A character of the project's own: drawn by this program, shaded like a painting, nobody who exists.

`python -m demo.samples` writes it as `rosalind.jpg`. Everything is laid out on a unit square, drawn twice as large
and scaled down.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

SIZE, OVERSAMPLE = 640, 2
SKIN, SHADE, LIGHT = (226, 178, 150), (158, 98, 78), (250, 216, 192)
HAIR, HAIR_LIGHT = (58, 38, 34), (118, 78, 60)
LIPS, LIPS_DARK = (186, 92, 88), (120, 48, 52)
IRIS, WHITE, DARK = (72, 112, 98), (240, 236, 230), (30, 22, 22)
CLOTH, BACKGROUND, GLOW = (44, 92, 98), (66, 78, 92), (150, 156, 158)


class Canvas:
    """A picture, float32 (H, W, 3) RGB, on which soft shapes are laid."""

    def __init__(self) -> None:
        self.side = SIZE * OVERSAMPLE
        y, x = np.mgrid[: self.side, : self.side] / self.side
        self.x, self.y = x.astype(np.float32), y.astype(np.float32)
        self.pixels = np.empty((self.side, self.side, 3), np.float32)
        self.pixels[:] = BACKGROUND

    def lay(self, mask: np.ndarray, colour: Sequence[int], opacity: float = 1.0) -> None:
        """Blend a colour in. mask: float32 (H, W), 0..1."""
        share = (mask * opacity)[..., None]
        self.pixels += share * (np.array(colour, np.float32) - self.pixels)

    def ellipse(
        self, x: float, y: float, width: float, height: float, soft: float = 0.004, turn: float = 0.0
    ) -> np.ndarray:
        """Mask of an ellipse; soft: width of its edge; turn: radians."""
        across, down = self.x - x, self.y - y
        cos, sin = np.cos(turn), np.sin(turn)
        radius = np.hypot((across * cos + down * sin) / width, (down * cos - across * sin) / height)
        return np.clip((1 - radius) * min(width, height) / soft + 0.5, 0, 1)

    def glow(self, x: float, y: float, width: float, height: float) -> np.ndarray:
        """Mask that fades from the middle on, like light on skin."""
        return np.exp(-(((self.x - x) / width) ** 2) - ((self.y - y) / height) ** 2)

    def line(self, points: Sequence[tuple[float, float]], width: float, soft: float = 0.003) -> np.ndarray:
        """Mask of a smooth stroke through points, thinner at its ends."""
        known = np.linspace(0, 1, len(points))
        steps = np.linspace(0, 1, 160)
        order = min(3, len(points) - 1)
        curve = np.stack([np.polyval(np.polyfit(known, [p[axis] for p in points], order), steps) for axis in (0, 1)], 1)
        mask = np.zeros((self.side, self.side), np.float32)
        for place, step in zip(curve, steps, strict=True):
            radius = width * (0.35 + 0.65 * np.sin(np.pi * (0.08 + 0.84 * step))) * self.side / 2
            cv2.circle(mask, tuple(int(v) for v in place * self.side), max(1, round(radius)), 1.0, -1, cv2.LINE_AA)
        return cv2.GaussianBlur(mask, (0, 0), max(0.5, soft * self.side / 2))

    def finished(self) -> np.ndarray:
        """uint8 (SIZE, SIZE, 3) RGB with a little grain, always the same."""
        small = cv2.resize(self.pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        grain = np.random.default_rng(5).normal(0, 2.0, (SIZE, SIZE, 1))
        return np.clip(small + grain, 0, 255).astype(np.uint8)


def draw() -> np.ndarray:
    """The character, uint8 (640, 640, 3) RGB."""
    board = Canvas()
    board.lay(board.glow(0.62, 0.3, 0.5, 0.5), GLOW, 0.8)
    _hair_behind(board)
    _body(board)
    _skin(board)
    for side in (-1, 1):
        _eye(board, 0.5 + side * 0.092, 0.435, side)
    _nose(board)
    _mouth(board)
    _hair_before(board)
    return board.finished()


def _hair_behind(board: Canvas) -> None:
    board.lay(board.ellipse(0.5, 0.44, 0.265, 0.31), HAIR)
    board.lay(board.ellipse(0.5, 0.62, 0.25, 0.2, 0.02), HAIR)


def _body(board: Canvas) -> None:
    board.lay(board.ellipse(0.5, 1.06, 0.4, 0.27, 0.006), CLOTH)
    board.lay(board.glow(0.32, 0.93, 0.12, 0.1), (96, 150, 152), 0.5)
    neck = np.clip((0.098 - np.abs(board.x - 0.5)) / 0.004, 0, 1) * (board.y > 0.6) * (board.y < 0.83)
    board.lay(np.maximum(neck, board.ellipse(0.5, 0.83, 0.098, 0.05)), SKIN)
    board.lay(board.glow(0.5, 0.715, 0.13, 0.055) * neck, SHADE, 0.85)


def _skin(board: Canvas) -> None:
    for side in (-1, 1):
        board.lay(board.ellipse(0.5 + side * 0.212, 0.47, 0.03, 0.058), SKIN)
        board.lay(board.ellipse(0.5 + side * 0.212, 0.47, 0.016, 0.036, 0.02), SHADE, 0.6)
    jaw = board.ellipse(0.5, 0.5, 0.155, 0.235)
    face = np.maximum.reduce([board.ellipse(0.5, 0.43, 0.205, 0.225), board.ellipse(0.5, 0.5, 0.188, 0.2), jaw])
    board.lay(face, SKIN)
    edge = 1 - np.clip((1.02 - np.hypot((board.x - 0.515) / 0.215, (board.y - 0.46) / 0.285)) / 0.42, 0, 1)
    board.lay(face * edge, SHADE, 0.75)
    board.lay(face * board.glow(0.55, 0.3, 0.12, 0.08), LIGHT, 0.75)
    for side, strength in ((-1, 0.45), (1, 0.75)):
        board.lay(face * board.glow(0.5 + side * 0.1, 0.53, 0.055, 0.04), LIGHT, strength * 0.7)
        board.lay(face * board.glow(0.5 + side * 0.11, 0.55, 0.06, 0.045), (222, 128, 112), 0.3)
    board.lay(face * board.glow(0.505, 0.695, 0.06, 0.03), LIGHT, 0.5)


def _eye(board: Canvas, x: float, y: float, side: int) -> None:
    board.lay(board.glow(x, y - 0.012, 0.062, 0.032), SHADE, 0.55)
    board.lay(board.glow(x, y + 0.03, 0.05, 0.016), SHADE, 0.3)
    opening = np.minimum(
        board.ellipse(x, y + 0.012, 0.046, 0.033, 0.003), board.ellipse(x, y - 0.008, 0.047, 0.03, 0.003)
    )
    board.lay(opening, WHITE)
    board.lay(opening * board.glow(x, y - 0.022, 0.06, 0.014), (150, 140, 140), 0.7)
    board.lay(np.minimum(opening, board.ellipse(x, y, 0.0205, 0.0205, 0.003)), (34, 52, 48))
    board.lay(np.minimum(opening, board.ellipse(x, y, 0.018, 0.018, 0.006)), IRIS)
    board.lay(np.minimum(opening, board.glow(x, y + 0.008, 0.012, 0.008)), (134, 170, 140), 0.7)
    board.lay(np.minimum(opening, board.ellipse(x, y, 0.0085, 0.0085, 0.002)), DARK)
    board.lay(board.ellipse(x + 0.006, y - 0.007, 0.0042, 0.0042, 0.002), (255, 255, 255), 0.95)
    lid = [
        (x - 0.046, y + 0.004),
        (x - 0.024, y - 0.018),
        (x + 0.004, y - 0.0215),
        (x + 0.028, y - 0.015),
        (x + 0.048, y + 0.003),
    ]
    board.lay(board.line(lid, 0.0085), DARK, 0.95)
    fold = [(px, py - 0.016) for px, py in lid]
    board.lay(board.line(fold, 0.004), SHADE, 0.75)
    lower = [(x - 0.042, y + 0.006), (x - 0.018, y + 0.0205), (x + 0.012, y + 0.0215), (x + 0.042, y + 0.006)]
    board.lay(board.line(lower, 0.003), SHADE, 0.8)
    inner, outer = x - side * 0.05, x + side * 0.062
    brow = [(inner, y - 0.052), (x - side * 0.01, y - 0.066), (x + side * 0.03, y - 0.066), (outer, y - 0.048)]
    board.lay(board.line(brow, 0.015, 0.006), HAIR, 0.9)


def _nose(board: Canvas) -> None:
    board.lay(board.glow(0.478, 0.485, 0.013, 0.07), SHADE, 0.4)
    board.lay(board.glow(0.508, 0.49, 0.011, 0.07), LIGHT, 0.8)
    board.lay(board.glow(0.505, 0.545, 0.024, 0.02), LIGHT, 0.75)
    for side in (-1, 1):
        board.lay(board.glow(0.5 + side * 0.036, 0.556, 0.013, 0.017), SHADE, 0.5)
        board.lay(board.ellipse(0.5 + side * 0.018, 0.572, 0.0105, 0.005, 0.006, side * 0.35), LIPS_DARK, 0.9)
    board.lay(board.glow(0.5, 0.582, 0.034, 0.008), SHADE, 0.6)


def _mouth(board: Canvas) -> None:
    upper = np.maximum(
        board.ellipse(0.478, 0.627, 0.045, 0.0145, 0.003, -0.16),
        board.ellipse(0.522, 0.627, 0.045, 0.0145, 0.003, 0.16),
    )
    lower = board.ellipse(0.5, 0.641, 0.056, 0.0215, 0.004)
    board.lay(board.glow(0.5, 0.674, 0.045, 0.01), SHADE, 0.65)
    board.lay(lower, LIPS)
    board.lay(upper, (166, 76, 76))
    board.lay(lower * board.glow(0.505, 0.65, 0.028, 0.006), (236, 164, 154), 0.8)
    seam = [(0.437, 0.631), (0.47, 0.634), (0.5, 0.637), (0.53, 0.634), (0.563, 0.631)]
    board.lay(board.line(seam, 0.0055), LIPS_DARK, 0.95)
    for side in (-1, 1):
        board.lay(board.glow(0.5 + side * 0.066, 0.631, 0.008, 0.01), SHADE, 0.6)


def _hair_before(board: Canvas) -> None:
    crown = np.maximum(board.ellipse(0.5, 0.37, 0.245, 0.235, 0.01), 0)
    brow = np.maximum(board.ellipse(0.545, 0.47, 0.19, 0.22, 0.02), board.ellipse(0.43, 0.5, 0.16, 0.2, 0.02))
    hair = np.clip(crown - brow, 0, 1) * (board.y < 0.5)
    board.lay(hair, HAIR)
    for number in range(26):  # strands catch the light
        start = 0.34 + 0.013 * number
        strand = [
            (start, 0.16 + 0.25 * (start - 0.5) ** 2),
            (start - 0.03 + 0.1 * (start - 0.46), 0.22),
            (start + 0.9 * (start - 0.48), 0.3),
        ]
        board.lay(board.line(strand, 0.004, 0.004) * hair, HAIR_LIGHT, 0.35)
