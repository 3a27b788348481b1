"""Keyed luma watermark: block-DCT spread spectrum with a pilot and an error-correcting code.

A periodic tile synchronised by correlation is the idea of Philips' JAWS (Kalker, Depovere, Haitsma, Maes, SPIE 3657,
1999); adding only what the host lacks is improved spread spectrum (Malvar & Florencio, IEEE Trans. Signal Processing
51(4), 2003). Every 8 x 8 block carries one keyed low-frequency DCT coefficient of keyed sign: energy in a single
coefficient is what passes the dead zone of H.264's quantiser. 67 of the tile's 256 blocks are the pilot, whose signs
are fixed; the other 189 carry the 63 bits of a BCH word, three blocks each. The tile repeats over the frame and over
all frames, so any crop of any frames at any rate can be averaged and read.

Amplitudes are of one orthonormal 8 x 8 DCT coefficient, in luma levels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from safety import bch
from safety.watermark import FrameWriter, MarkReading, Watermark
from vasa_core.types import FRAME_SIZE

BLOCK = 8  # pixels
TILE = 128  # pixels, period of the pattern
GRID = TILE // BLOCK  # blocks per tile side
PILOT_BLOCKS = 67  # a quarter, rounded so that every code bit gets the same number of the rest
SCALES = tuple(np.exp(np.arange(np.log(0.7), np.log(1.42), 0.005)))  # tried within each octave
SMALLEST, LARGEST = 180, 1400  # pixels, shorter side of what is searched
COEFFICIENTS = ((1, 1), (2, 0), (0, 2), (1, 2), (2, 1))  # (vertical, horizontal) frequency


@dataclass(frozen=True)
class LumaConfig:
    """How strong the mark is, and when a detector may speak.

    Every block is brought to an amplitude between `flat` and `strongest`: flat skin and backdrops show more than
    texture does, and encoders keep more of them. The scores are standard deviations of the pilot's correlation:
    `threshold` for the best of all offsets and scales, `aligned_threshold` for the one place where an uncropped copy
    must have it (chance that an unmarked clip passes: 1e-6 and less).
    """

    flat: float = 9.0
    texture_gain: float = 3.0  # amplitude per level of mean |luma - local mean|
    strongest: float = 14.0
    most_added: float = 30.0  # where the host itself points the other way
    dark_level: float = 45.0  # luma below which the eye sees most
    dark_gain: float = 0.7
    threshold: float = 7.0
    aligned_threshold: float = 5.0


class LumaMark(Watermark):
    """The mark of one secret key (32 bytes)."""

    def __init__(self, key: bytes, config: LumaConfig = LumaConfig()) -> None:
        self.config = config
        blocks = GRID * GRID
        order = np.argsort(_keyed_words(key, b"order", blocks), kind="stable")
        signs = np.where(_keyed_words(key, b"sign", blocks) & 1, 1.0, -1.0).astype(np.float32)
        which = _keyed_words(key, b"coefficient", blocks) % len(COEFFICIENTS)
        self._bit_of = np.full(blocks, -1)  # code bit carried by each block, -1 for the pilot
        self._bit_of[order[PILOT_BLOCKS:]] = np.arange(blocks - PILOT_BLOCKS) % bch.LENGTH
        basis = np.stack([_dct_basis(*frequency) for frequency in COEFFICIENTS])
        self._tile = _assemble(basis[which] * signs[:, None, None])  # (TILE, TILE)
        pilot = self._tile * _spread((self._bit_of < 0).astype(np.float32))
        self._pilot_spectrum = np.conj(np.fft.rfft2(pilot))

    def writer(self, mark_id: int, height: int, width: int) -> FrameWriter:
        if height % BLOCK or width % BLOCK:
            raise ValueError(f"{width} x {height} is not a multiple of {BLOCK}")
        code = 2.0 * bch.encode(mark_id) - 1.0
        signs = np.append(code, 1.0).astype(np.float32)[self._bit_of]  # -1 picks the last entry: the pilot is +1
        repeats = (-(-height // TILE), -(-width // TILE))
        pattern = np.ascontiguousarray(np.tile(self._tile * _spread(signs), repeats)[:height, :width])
        size, grid = (width, height), (width // BLOCK, height // BLOCK)
        config = self.config

        # Scratch planes, reused: fresh megabyte arrays for every frame cost more in page faults than the arithmetic.
        one, two = np.empty((2, height, width), np.float32)

        def mark(i420: np.ndarray) -> None:
            luma = i420[:height]
            # Block sums as area-averaging resizes, the fastest way to take them.
            host = _block_means(cv2.multiply(luma, pattern, dst=one, dtype=cv2.CV_32F), grid) * float(BLOCK * BLOCK)
            level = _block_means(luma, grid).astype(np.float32)
            np.copyto(two, luma)
            detail = cv2.absdiff(two, cv2.resize(level, size, dst=one, interpolation=cv2.INTER_LINEAR), dst=one)
            texture = _block_means(detail, grid)
            target = np.minimum(config.flat + config.texture_gain * texture, config.strongest)
            cap = np.minimum(target + 2 * texture, config.most_added)
            amount = np.clip(target - host, 0, cap)  # add only what is missing
            amount[level < config.dark_level] *= config.dark_gain
            spread = cv2.resize(amount, size, dst=two, interpolation=cv2.INTER_NEAREST)
            cv2.add(luma, cv2.multiply(pattern, spread, dst=one), dst=luma, dtype=cv2.CV_8U)

        return mark

    def read(self, frames: Sequence[np.ndarray]) -> MarkReading:
        if not frames:
            return MarkReading(False, 0, 0.0)
        lumas = [frame[: frame.shape[0] * 2 // 3] for frame in frames]
        residual = mean_residual(lumas)
        best = self._search(residual, (1.0,))
        short = min(lumas[0].shape)
        for octave in (1.0, 2.0, 0.5):
            if best.found or not SMALLEST <= short * octave <= LARGEST:
                continue
            if octave != 1.0:  # half of the frames: the search is for copies, not for the last decibel
                residual = mean_residual([_rescale(luma, octave) for luma in lumas[::2]])
            natural = FRAME_SIZE / (short * octave)  # where an uncropped copy of ours must be
            scales = [*SCALES, natural] if SCALES[0] < natural < SCALES[-1] else SCALES
            reading = self._search(residual, scales)
            if reading.found or reading.score > best.score:
                best = replace(reading, scale=reading.scale * octave)
        return best

    def _search(self, residual: np.ndarray, scales: Iterable[float]) -> MarkReading:
        """Best reading over scales, mirror and all offsets, by circular correlation with the pilot.

        Dividing the spectrum by the root of its magnitude takes weight from what the picture itself repeats.
        """
        natural = FRAME_SIZE / min(residual.shape)
        best, aligned = _NOWHERE, _NOWHERE
        for scale in scales:
            folded = _fold(residual if scale == 1.0 else _rescale(residual, scale))
            for flipped in (False, True):
                tile = folded[:, ::-1] if flipped else folded
                spectrum = np.fft.rfft2(tile)
                spectrum /= np.sqrt(np.abs(spectrum)) + 1e-9
                spectrum[0, 0] = 0.0  # the surface has mean zero
                surface = np.fft.irfft2(spectrum * self._pilot_spectrum, s=(TILE, TILE))
                peak, unit = int(surface.argmax()), 1 / (float(surface.std()) + 1e-9)
                if surface.flat[peak] * unit > best.score:
                    score = float(surface.flat[peak]) * unit
                    best = _Place(score, float(scale), flipped, *divmod(peak, TILE), tile)
                if abs(scale / natural - 1) < 1e-3 and not flipped and surface[0, 0] * unit > aligned.score:
                    aligned = _Place(float(surface[0, 0]) * unit, float(scale), False, 0, 0, tile)
        config = self.config
        if best.score < config.threshold and aligned.score >= config.aligned_threshold:
            return self._decode(aligned, True)
        return self._decode(best, best.score >= config.threshold)

    def _decode(self, place: _Place, found: bool) -> MarkReading:
        aligned = np.roll(place.tile, (-place.dy, -place.dx), (0, 1)) * self._tile
        blocks = aligned.reshape(GRID, BLOCK, GRID, BLOCK).sum((1, 3)).ravel()
        data = self._bit_of >= 0
        soft = np.bincount(self._bit_of[data], blocks[data], bch.LENGTH)
        mark_id, errors = bch.decode(soft)
        offset = (place.dy, place.dx)
        return MarkReading(found, mark_id, place.score, errors, place.scale, place.flipped, offset)


@dataclass(frozen=True)
class _Place:
    """Where and how well the pilot fits. tile: the folded residual there, (TILE, TILE)."""

    score: float
    scale: float
    flipped: bool
    dy: int
    dx: int
    tile: np.ndarray


_NOWHERE = _Place(-np.inf, 1.0, False, 0, 0, np.zeros((TILE, TILE), np.float32))


def mean_residual(lumas: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over frames of high-passed, locally normalised luma. uint8 (H, W) each -> float32 (H, W).

    Clipping to 1.5 local deviations keeps edges of the picture from outvoting the mark.
    """
    total = np.zeros(lumas[0].shape, np.float32)
    for luma in lumas:
        detail = luma.astype(np.float32)
        detail -= cv2.blur(detail, (17, 17))
        deviation = cv2.sqrt(np.maximum(cv2.blur(detail * detail, (33, 33)), 0.0)) + 2.0
        total += np.clip(detail / deviation, -1.5, 1.5)
    return total / len(lumas)


def _keyed_words(key: bytes, label: bytes, count: int) -> np.ndarray:
    """uint64 (count,) from SHA-256 in counter mode: the same on every machine and every version of NumPy."""
    prefix = key + b"|luma-mark/1|" + label
    digests = [hashlib.sha256(prefix + i.to_bytes(4, "big")).digest() for i in range(count // 4 + 1)]
    return np.frombuffer(b"".join(digests), ">u8")[:count].astype(np.uint64)


def _dct_basis(vertical: int, horizontal: int) -> np.ndarray:
    """Unit-norm DCT-II basis function, float32 (BLOCK, BLOCK)."""
    position = (2 * np.arange(BLOCK) + 1) * np.pi / (2 * BLOCK)

    def wave(frequency: int) -> np.ndarray:
        return np.cos(frequency * position) * np.sqrt((1 if frequency == 0 else 2) / BLOCK)

    return np.outer(wave(vertical), wave(horizontal)).astype(np.float32)


def _assemble(blocks: np.ndarray) -> np.ndarray:
    """(GRID * GRID, BLOCK, BLOCK) -> (TILE, TILE)."""
    return np.ascontiguousarray(blocks.reshape(GRID, GRID, BLOCK, BLOCK).transpose(0, 2, 1, 3).reshape(TILE, TILE))


def _spread(per_block: np.ndarray) -> np.ndarray:
    """(GRID * GRID,) -> (TILE, TILE), constant over each block."""
    return np.kron(per_block.reshape(GRID, GRID), np.ones((BLOCK, BLOCK), np.float32))


def _block_means(plane: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    return cv2.resize(plane, grid, interpolation=cv2.INTER_AREA)


def _rescale(plane: np.ndarray, scale: float) -> np.ndarray:
    size = (round(plane.shape[1] * scale), round(plane.shape[0] * scale))
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA if scale <= 0.5 else cv2.INTER_LINEAR)


def _fold(residual: np.ndarray) -> np.ndarray:
    """Sum of all tiles of a plane of any size -> (TILE, TILE)."""
    height, width = residual.shape
    padded = np.zeros((-(-height // TILE) * TILE, -(-width // TILE) * TILE), np.float32)
    padded[:height, :width] = residual
    return padded.reshape(padded.shape[0] // TILE, TILE, -1, TILE).sum((0, 2))
