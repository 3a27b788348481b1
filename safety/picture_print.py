"""What the pictures of a video are like, in a few hundred bytes a second: to tell whose picture a mark lies on.

A watermark can be lifted: whoever averages many frames of one clip and adds what is left to another picture has put
the clip's id there. The id alone cannot tell, but the ledger remembers what the clip looked like. One frame a second,
and up to eight while the picture changes much, are kept as the signs (-1, 0, 1) of their coarse luma detail: means over
cells of 16 pixels, less those around them. That is enough to recognise the frame and too coarse to recognise a stranger
by.

The mark itself says how a copy was scaled, mirrored, turned and cropped (the latter up to whole tiles of 128 pixels),
so only a handful of positions have to be compared.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from safety.luma_search import TILE, rescale
from safety.watermark import MarkReading

CELL = 16  # pixels; divides TILE. Larger for videos with a side above MOST_CELLS cells
MOST_CELLS = 64  # a side
MOST_SKETCHES = 240  # kept of one video, spread over it
LOOKS = 8  # a second, for changes
CHANGED = 0.7  # agreement with the last kept one; below it another one is kept
SURROUNDINGS = 5  # cells whose mean is taken away
FAINT = 1.0  # grey levels; smaller detail is an encoder's noise and counts as none
OVERLAP = 0.3  # of the original's cells must be seen
SAME, OTHER = 0.55, 0.42  # agreement: from the first the same picture, below the second another one
HEADER = struct.Struct(">HHBH")  # rows, columns, cell / 16, sketches


@dataclass(frozen=True)
class PicturePrint:
    """sketches: int8 (n, rows, columns) of -1, 0, 1.  cell: side of a cell in pixels of the original."""

    sketches: np.ndarray
    cell: int

    def to_bytes(self) -> bytes:
        """Two bits a cell: detail above the surroundings, detail below them."""
        count, rows, columns = self.sketches.shape
        bits = np.stack([self.sketches > 0, self.sketches < 0])
        return HEADER.pack(rows, columns, self.cell // CELL, count) + np.packbits(bits).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> PicturePrint:
        """Inverse of `to_bytes`. Raises ValueError."""
        try:
            rows, columns, cell, count = HEADER.unpack_from(data)
        except struct.error as error:
            raise ValueError("no picture print") from error
        size = 2 * count * rows * columns
        if len(data) != HEADER.size + -(-size // 8):
            raise ValueError("a picture print of another length")
        bits = np.unpackbits(np.frombuffer(data, np.uint8, offset=HEADER.size), count=size)
        above, below = bits.reshape(2, count, rows, columns).astype(np.int8)
        return cls(above - below, cell * CELL)


class PicturePrinter:
    """Collects sketches while a video is made. `look` is called with every I420 frame, in order."""

    def __init__(self, height: int, width: int, fps: int) -> None:
        self.cell = cell_of(height, width)
        self._fps, self._height = fps, height
        self._every = 1  # of the looks below, and of the seconds; doubled when there are too many sketches
        self._seen = 0
        self._due = 0  # frame from which one is kept whatever it shows
        self._sketches: list[np.ndarray] = []

    def look(self, i420: np.ndarray) -> None:
        frame, self._seen = self._seen, self._seen + 1
        due = frame >= self._due
        if not due and frame % (self._every * max(1, self._fps // LOOKS)):
            return
        luma = i420[: self._height]
        seen = sketch(luma, np.ones(luma.shape, np.uint8), self.cell)[0]
        if not due and _alike(seen, self._sketches[-1]) >= CHANGED:
            return
        if len(self._sketches) == MOST_SKETCHES:  # every other one goes
            self._sketches, self._every = self._sketches[::2], self._every * 2
        self._sketches.append(seen)
        self._due = frame + self._every * self._fps

    def result(self) -> bytes:
        """The print as bytes; empty when no frame was seen."""
        return PicturePrint(np.stack(self._sketches), self.cell).to_bytes() if self._sketches else b""


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of the signs of two sketches; two empty ones are alike."""
    strength = float(np.count_nonzero(a)) * float(np.count_nonzero(b))
    return float((a * b).sum(dtype=np.int64)) / strength**0.5 if strength else float(a.any() == b.any())


def cell_of(height: int, width: int) -> int:
    """Side of a cell in pixels for videos of this size: 16, 32, 64 or 128."""
    cell = CELL
    while max(height, width) > cell * MOST_CELLS and cell < TILE:
        cell *= 2
    return cell


def sketch(luma: np.ndarray, mask: np.ndarray, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Signs of coarse detail, int8 (rows, columns), and which cells are wholly inside the picture, bool.

    luma, mask: uint8 (H, W); mask is 1 where there is picture. Cells that do not fit are cut off.
    """
    rows, columns = luma.shape[0] // cell, luma.shape[1] // cell
    if not rows or not columns:
        return np.zeros((rows, columns), np.int8), np.zeros((rows, columns), bool)
    size = (columns, rows)
    cut = np.s_[: rows * cell, : columns * cell]
    inside = cv2.resize(mask[cut].astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.98
    means = cv2.resize(luma[cut], size, interpolation=cv2.INTER_AREA).astype(np.float32) * inside
    window = (SURROUNDINGS, SURROUNDINGS)
    share = cv2.blur(inside.astype(np.float32), window, borderType=cv2.BORDER_CONSTANT)
    around = cv2.blur(means, window, borderType=cv2.BORDER_CONSTANT) / np.maximum(share, 1e-6)
    detail = (means - around) * inside
    return ((detail > FAINT).astype(np.int8) - (detail < -FAINT).astype(np.int8)), inside


def agreement(kept: PicturePrint, lumas: Sequence[np.ndarray], reading: MarkReading) -> float | None:
    """How well frames of a copy fit the kept sketches where the mark was read: about 0 for another picture, at most 1.

    lumas: uint8 (H, W) of the copy, all of one shape. Each frame counts with the sketch it fits best, since nobody
    knows which second it is of. None when too little of the original can be seen.
    """
    stack = kept.sketches.astype(np.float32)  # (n, rows, columns)
    scores = []
    for luma in lumas:
        seen, inside, (row, column) = _straightened(luma, reading, kept.cell)
        best = None
        for top in _positions(row, stack.shape[1], seen.shape[0], kept.cell):
            for left in _positions(column, stack.shape[2], seen.shape[1], kept.cell):
                score = _fit(stack, seen, inside, top, left)
                best = score if best is None or (score is not None and score > best) else best
        if best is not None:
            scores.append(best)
    return float(np.median(scores)) if scores else None


def _straightened(luma: np.ndarray, reading: MarkReading, cell: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """The copy at the original's scale, turned and mirrored back, on the original's cells.

    Returns signs float32 (r, c), inside bool (r, c), and the row and column of one tile's corner.
    """
    plane = rescale(luma, reading.scale)
    height, width = plane.shape
    tall, wide = -(-height // TILE) * TILE, -(-width // TILE) * TILE
    canvas, mask = np.zeros((tall, wide), np.uint8), np.zeros((tall, wide), np.uint8)
    if reading.angle:
        turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), reading.angle, 1.0)
        plane = cv2.warpAffine(plane, turn, (width, height), flags=cv2.INTER_LINEAR)
    canvas[:height, :width], mask[:height, :width] = plane, 1
    if reading.flipped:
        canvas, mask = canvas[:, ::-1], mask[:, ::-1]
    dy, dx = reading.offset
    top, left = dy % cell, dx % cell
    seen, inside = sketch(np.ascontiguousarray(canvas[top:, left:]), np.ascontiguousarray(mask[top:, left:]), cell)
    return seen.astype(np.float32), inside, ((dy - top) // cell, (dx - left) // cell)


def _positions(corner: int, kept: int, seen: int, cell: int) -> range:
    """Where the original may begin in the copy, in cells: whole tiles from a tile's corner, with enough overlap."""
    step = TILE // cell
    first = corner - step * ((kept + corner) // step)
    return range(first, seen, step)


def _fit(stack: np.ndarray, seen: np.ndarray, inside: np.ndarray, top: int, left: int) -> float | None:
    """Correlation of signs where both pictures are, best over the sketches; None when that is too little."""
    _, rows, columns = stack.shape
    upper, lower = max(0, -top), min(rows, seen.shape[0] - top)
    first, last = max(0, -left), min(columns, seen.shape[1] - left)
    if upper >= lower or first >= last:
        return None
    there = np.s_[top + upper : top + lower, left + first : left + last]
    mine, theirs, both = stack[:, upper:lower, first:last], seen[there], inside[there]
    if both.sum() < OVERLAP * rows * columns:
        return None
    mine = mine * both
    norm = np.sqrt((mine * mine).sum((1, 2)) * float((theirs * theirs).sum()))
    return float(((mine * theirs).sum((1, 2)) / np.maximum(norm, 1.0)).max())
