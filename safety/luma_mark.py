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
from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from statistics import NormalDist

import cv2
import numpy as np

from safety import bch
from safety.luma_search import NOWHERE, TILE, TURNED_PLACES, Evidence, Pilot, Place, places_in, presence, steps
from safety.watermark import FrameWriter, MarkReading, Watermark

BLOCK = 8  # pixels
GRID = TILE // BLOCK  # blocks per tile side
PILOT_BLOCKS = 67  # a quarter, rounded so that every code bit gets the same number of the rest
COEFFICIENTS = ((1, 1), (2, 0), (0, 2), (1, 2), (2, 1))  # (vertical, horizontal) frequency


@dataclass(frozen=True)
class LumaConfig:
    """How strong the mark is, and when a detector may speak.

    Every block is brought to an amplitude between `flat` and `strongest`: flat skin and backdrops show more than
    texture does, and encoders keep more of them. The scores are standard deviations of the pilot's correlation:
    `threshold` for the best of all offsets and scales, `aligned_threshold` for the one place where an uncropped copy
    must have it (chance that an unmarked clip passes: 1e-6 and less), `turned_threshold` for the few places where one
    turned about its centre must have it. From `assisted_pilot` on at the
    uncropped place, the code bits may help, there and at the best place of all: pilot and bits together must fit an
    issued id so well that chance does it with probability `assisted_chance` each, however many ids there are; and the
    bits alone, for a mark whose id is none of them, with `mistaken_chance`.
    """

    flat: float = 9.0
    texture_gain: float = 3.0  # amplitude per level of mean |luma - local mean|
    strongest: float = 14.0
    most_added: float = 16.0  # where the host itself points the other way
    dark_level: float = 45.0  # luma below which the eye sees most
    dark_gain: float = 0.7
    threshold: float = 7.0
    aligned_threshold: float = 5.0
    turned_threshold: float = 5.7
    assisted_pilot: float = 2.5
    assisted_chance: float = 5e-7
    mistaken_chance: float = 0.01


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
        self._pilot = Pilot(pilot)

    def writer(self, mark_id: int, height: int, width: int) -> FrameWriter:
        if height % BLOCK or width % BLOCK:
            raise ValueError(f"{width} x {height} is not a multiple of {BLOCK}")
        repeats = (-(-height // TILE), -(-width // TILE))
        pattern = np.ascontiguousarray(np.tile(self._pattern(mark_id), repeats)[:height, :width])
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
        return self.find(Evidence([[frame[: frame.shape[0] * 2 // 3] for frame in frames]]))[0]

    def find(self, evidence: Evidence, issued: Sequence[int] = ()) -> tuple[MarkReading, Place]:
        """Search all scales, small angles and mirror images, then single windows of time; and where it was found.

        issued: ids that may be there. With them a copy counts whose pilot is too weak to speak for itself, if the
        code bits agree with one of the ids far better than chance allows.
        """
        best, where = MarkReading(False, 0, -np.inf), NOWHERE
        upright = anywhere = NOWHERE  # the best place of an uncropped copy, and of any, however faint
        known, tried = set(issued), 0
        for step in steps(evidence):
            loose, aligned = self._pilot.best(evidence, step)
            tried += places_in(step)
            upright = aligned if aligned.score > upright.score and not aligned.angle else upright
            anywhere = loose if loose.score > anywhere.score else anywhere
            for place in (aligned, loose):
                if not self._passes(place):
                    if place.score > best.score and not best.found:
                        best, where = self._decode(place), place
                    continue
                reading = self._decode(place)
                if not known or reading.id in known:
                    return reading, place
                # Surely a mark: read with an error too many, or at a place beside the right one. So look on.
                matched = self._match(place, issued, tried)
                if matched is not None:
                    return matched, place
                if not best.found or place.score > best.score:
                    best, where = reading, place
        if len(evidence.parts) > 1 and not best.found:
            found, place = self._search_windows(evidence, issued)
            if found.found:
                return found, place
        for place in (upright, anywhere):
            matched = self._match(place, issued, tried) if place.score >= self.config.assisted_pilot else None
            if matched is not None:
                return matched, place
        return best, where

    def presence(self, evidence: Evidence, place: Place, mark_id: int) -> list[float]:
        """How strongly each window of time carries the mark of `mark_id` at `place`, in standard deviations."""
        return presence(evidence.parts, place, self._pattern(mark_id))

    def _search_windows(self, evidence: Evidence, issued: Sequence[int]) -> tuple[MarkReading, Place]:
        """A few seconds of ours in a longer clip vanish in its average: look at each window alone."""
        best, where = MarkReading(False, 0, -np.inf), NOWHERE
        sizes = [(1.0, 1.0, 0.0)]
        natural = evidence.natural(1.0)
        if natural is not None and abs(natural - 1) > 1e-3:
            sizes.append((1.0, natural, 0.0))
        for part in evidence.parts:
            place, _ = self._pilot.best(Evidence.of_residual(part), sizes)
            if place.score > best.score:
                best, where = self._decode(place), place
        if best.found and len(issued) and best.id not in issued:
            best = self._match(where, issued, places_in(sizes) * len(evidence.parts)) or best
        return best, where

    def _passes(self, place: Place) -> bool:
        config = self.config
        if not place.aligned:
            return place.score >= config.threshold
        return place.score >= (config.turned_threshold if place.angle else config.aligned_threshold)

    def _soft_bits(self, place: Place) -> np.ndarray:
        """float (63,), positive where the code bit is 1."""
        aligned = np.roll(place.tile, (-place.dy, -place.dx), (0, 1)) * self._tile
        blocks = aligned.reshape(GRID, BLOCK, GRID, BLOCK).sum((1, 3)).ravel()
        data = self._bit_of >= 0
        return np.bincount(self._bit_of[data], blocks[data], bch.LENGTH)

    def _decode(self, place: Place) -> MarkReading:
        mark_id, errors = bch.decode(self._soft_bits(place))
        return self._reading(place, self._passes(place), mark_id, errors)

    def _match(self, place: Place, issued: Sequence[int], tried: int) -> MarkReading | None:
        """The issued id whose code word fits best, if chance gives such a fit in `assisted_chance` of unmarked clips.

        tried: places among which this one was the best. The fit of a wrong id is standard normal; so is the pilot
        once the number of places is accounted for, and the two are added as independent witnesses (Stouffer's method).
        """
        if not len(issued) or place is NOWHERE:
            return None
        soft = self._soft_bits(place)
        soft = soft / (float(np.sqrt(np.mean(soft**2))) + 1e-9)
        words = 2.0 * bch.encode_many(np.asarray(issued)) - 1.0  # (n, 63)
        fit = words @ soft / np.sqrt(bch.LENGTH)
        best = int(fit.argmax())
        normal, config = NormalDist(), self.config
        evidence = (fit[best] + _pilot_alone(place, tried)) / np.sqrt(2)
        if evidence < normal.inv_cdf(1 - config.assisted_chance / len(issued)):
            return None
        if fit[best] < normal.inv_cdf(1 - config.mistaken_chance / len(issued)):
            return None  # there is a mark, but whose?
        errors = int(((soft > 0) != (words[best] > 0)).sum())
        return self._reading(place, True, int(issued[best]), errors, assisted=True)

    @staticmethod
    def _reading(place: Place, found: bool, mark_id: int, errors: int, assisted: bool = False) -> MarkReading:
        return MarkReading(
            found=found,
            id=mark_id,
            score=place.score,
            errors=errors,
            scale=place.scale * place.octave,
            flipped=place.flipped,
            offset=(place.dy, place.dx),
            angle=place.angle,
            assisted=assisted,
        )

    def _pattern(self, mark_id: int) -> np.ndarray:
        """The whole tile of one id, float32 (TILE, TILE)."""
        code = 2.0 * bch.encode(mark_id) - 1.0
        signs = np.append(code, 1.0).astype(np.float32)[self._bit_of]  # -1 picks the last entry: the pilot is +1
        return self._tile * _spread(signs)


def _pilot_alone(place: Place, tried: int) -> float:
    """The pilot's score as a standard normal: an upright uncropped copy has one place, any other the best of many."""
    if place.aligned and not place.angle:
        return place.score
    chance = (TURNED_PLACES if place.aligned else tried) * 0.5 * erfc(place.score / sqrt(2))
    return -NormalDist().inv_cdf(min(max(chance, 1e-300), 0.5))


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
