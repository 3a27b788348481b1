"""Chroma watermark that the public package `invisible-watermark` 0.2.0 decodes unchanged (method "dwtDctSvd").

    WatermarkDecoder("bits", 32).decode(bgr, "dwtDctSvd")

The package quantises the largest singular value of the DCT of each 4 x 4 block of the Haar low band of U. Written
straight into the half-size U plane of an I420 frame that is cheap: the low band is twice that plane, and an
orthonormal DCT leaves singular values alone, so neither transform is needed; three power iterations replace the SVD.
Unkeyed on purpose: anybody can read it. It is the second witness; the luma mark is the robust one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from safety.watermark import ID_BITS, FrameWriter, MarkReading, Watermark

BLOCK = 4  # samples of the U plane
STEP = 36.0  # quantiser step in singular values, the package's default
VERSION_BITS = (0, 1)  # follow the 30 id bits
BITS = ID_BITS + len(VERSION_BITS)
ITERATIONS = 2


class ChromaMark(Watermark):
    """30 id bits and 2 version bits, repeated over the blocks in raster order."""

    def writer(self, mark_id: int, height: int, width: int) -> FrameWriter:
        if not 0 <= mark_id < 1 << ID_BITS:
            raise ValueError(f"{mark_id} is not a {ID_BITS}-bit number")
        if height % (2 * BLOCK) or width % (2 * BLOCK):
            raise ValueError(f"{width} x {height} is not a multiple of {2 * BLOCK}")
        rows, columns = height // 2, width // 2
        bits = np.resize(np.array(id_bits(mark_id), np.float32), rows * columns // BLOCK**2)
        offset = (0.25 + 0.5 * bits) * STEP  # centre of the half cell that means the bit

        def mark(i420: np.ndarray) -> None:
            plane = i420[height : height + height // 4].reshape(rows, columns)
            blocks = _blocks(plane)
            left, value, right = _leading_triple(blocks)
            change = np.floor(value / STEP) * STEP + offset - value
            change -= STEP * np.rint(change / STEP)  # the nearest cell that means the bit, not the one below
            blocks += (left * (change * 0.5))[:, None] * right  # half: the low band is twice the plane
            marked = blocks.reshape(BLOCK, BLOCK, rows // BLOCK, columns // BLOCK).transpose(2, 0, 3, 1)
            plane[:] = np.clip(np.rint(marked), 0, 255).reshape(rows, columns)

        return mark

    def read(self, frames: Sequence[np.ndarray]) -> MarkReading:
        """The package's decision per block, averaged over blocks and frames. `errors` counts wrong version bits."""
        if not frames:
            return MarkReading(False, 0, 0.0)
        votes = np.mean([self._votes(frame) for frame in frames], axis=0)  # (32,)
        bits = (votes > 0.5).astype(int)
        wrong = int((bits[ID_BITS:] != VERSION_BITS).sum())
        height, width = frames[0].shape[0] * 2 // 3, frames[0].shape[1]
        per_bit = (height // 2 // BLOCK) * (width // 2 // BLOCK) / BITS
        score = float(np.abs(votes - 0.5).mean() * 2 * np.sqrt(per_bit))
        return MarkReading(wrong == 0 and score > 3, int("".join(map(str, bits[:ID_BITS])), 2), score, wrong)

    @staticmethod
    def _votes(frame: np.ndarray) -> np.ndarray:
        height, width = frame.shape[0] * 2 // 3, frame.shape[1]
        plane = frame[height:].reshape(-1)[: (height // 2) * (width // 2)].reshape(height // 2, width // 2)
        plane = plane[: height // 2 // BLOCK * BLOCK, : width // 2 // BLOCK * BLOCK]
        _, value, _ = _leading_triple(_blocks(plane))
        vote = value % STEP > STEP / 2
        which = np.arange(len(vote)) % BITS
        return np.bincount(which, vote, BITS) / np.bincount(which, minlength=BITS)


def id_bits(mark_id: int) -> tuple[int, ...]:
    """The 32 bits as the package returns them: id, most significant first, then the version."""
    return (*(mark_id >> bit & 1 for bit in range(ID_BITS - 1, -1, -1)), *VERSION_BITS)


def _blocks(plane: np.ndarray) -> np.ndarray:
    """uint8 (H, W) -> float32 (BLOCK, BLOCK, blocks): one contiguous vector per position, blocks in raster order."""
    height, width = plane.shape
    split = plane.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(1, 3, 0, 2)
    return split.reshape(BLOCK, BLOCK, -1).astype(np.float32)


def _leading_triple(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Largest singular triple of twice every block, by power iteration.

    blocks: (BLOCK, BLOCK, n) -> left (BLOCK, n), value (n,), right (BLOCK, n). Chroma blocks are nearly constant, so
    the constant vector is a close start.
    """
    right = np.full((BLOCK, blocks.shape[2]), 0.5, np.float32)
    for _ in range(ITERATIONS):
        left = np.einsum("ijn,jn->in", blocks, right)
        left /= np.sqrt(np.einsum("in,in->n", left, left)) + 1e-9
        right = np.einsum("ijn,in->jn", blocks, left)
        norm = np.sqrt(np.einsum("jn,jn->n", right, right)) + 1e-9
        right /= norm
    return left, 2 * norm, right
