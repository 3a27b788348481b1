"""Where in a copy the luma mark lies: scale, mirror, small rotation, offset, and which seconds carry it.

`Evidence` holds what of the frames does not depend on a key, so that several keys can be tried on one file.
Correlation with the periodic pilot finds every offset of a scale at once (Kalker et al., SPIE 3657, 1999).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.fft import irfft2, rfft2

from vasa_core.types import FRAME_SIZE

TILE = 128  # pixels, period of the pattern
OCTAVES = (1.0, 2.0, 0.5, 4.0)  # the frames are resized by these before they are filtered
SCALES = tuple(float(s) for s in np.exp(np.arange(np.log(0.7), np.log(1.42), 0.005)))  # tried within each octave
ANGLES = tuple(a for a in np.arange(-2.0, 2.01, 0.25) if a)  # degrees; tried at the sizes an uncropped copy can have
TURNED_PLACES = 9 * 2 * len(ANGLES)  # where an uncropped copy may have the pilot after a turn: with a pixel of play
HOST_FLOOR = 0.1  # added to the mean square of a residual before it is divided by it
SMALLEST, LARGEST = 180, 1400  # pixels, shorter side of what is searched


@dataclass(frozen=True)
class Place:
    """Where and how well a pilot fits.

    score: standard deviations of the correlation over all offsets.  octave, scale, angle: how the copy was resized and
    turned [degrees] to get there.  dy, dx: offset of the tile, pixels.  tile: folded residual, float32 (TILE, TILE),
    mirrored where flipped.  aligned: this is where an uncropped copy must have it.
    """

    score: float
    octave: float
    scale: float
    angle: float
    flipped: bool
    dy: int
    dx: int
    tile: np.ndarray
    aligned: bool = False


NOWHERE = Place(-np.inf, 1.0, 1.0, 0.0, False, 0, 0, np.zeros((TILE, TILE), np.float32))


class Evidence:
    """Frames of one clip as the search sees them.

    windows: luma planes, uint8 (H, W) all of one shape, in groups that lie together in time; none empty.
    """

    def __init__(self, windows: Sequence[Sequence[np.ndarray]]) -> None:
        self.windows = windows
        self.shape = windows[0][0].shape
        self._residuals: dict[float, np.ndarray] = {}
        self._tiles: dict[tuple[float, float, float], np.ndarray] = {}

    @classmethod
    def of_residual(cls, residual: np.ndarray) -> Evidence:
        """Evidence of which only the residual is known; no other octave can be tried."""
        made = cls([[np.broadcast_to(np.uint8(0), residual.shape)]])
        made._residuals[1.0] = residual
        return made

    @cached_property
    def parts(self) -> list[np.ndarray]:
        """The residual of every window, at the copy's own size."""
        return [mean_residual(window) for window in self.windows]

    @property
    def octaves(self) -> list[float]:
        return [o for o in OCTAVES if o == 1.0 or SMALLEST <= min(self.shape) * o <= LARGEST]

    def natural(self, octave: float) -> float | None:
        """The scale within an octave at which an uncropped copy of a 512-pixel video fits, if it is in range."""
        scale = FRAME_SIZE / (min(self.shape) * octave)
        return scale if SCALES[0] <= scale <= SCALES[-1] else None

    def residual(self, octave: float) -> np.ndarray:
        if octave not in self._residuals:
            if octave == 1.0:
                weights = [len(window) for window in self.windows]
                total = np.average(self.parts, axis=0, weights=weights)
                self._residuals[octave] = total.astype(np.float32)
            else:  # half of the frames: the search is for copies, not for the last decibel
                lumas = [luma for window in self.windows for luma in window][::2]
                self._residuals[octave] = mean_residual([rescale(luma, octave) for luma in lumas])
        return self._residuals[octave]

    def tile(self, octave: float, scale: float, angle: float = 0.0) -> np.ndarray:
        """The residual resized, turned and folded: float32 (TILE, TILE)."""
        key = (octave, scale, angle)
        if key not in self._tiles:
            self._tiles[key] = fold_at(self.residual(octave), scale, angle)
        return self._tiles[key]


class Pilot:
    """The part of one key's tile that is the same for every id."""

    def __init__(self, tile: np.ndarray) -> None:
        self._spectrum = np.conj(rfft2(tile.astype(np.float32)))

    def places(self, tile: np.ndarray, octave: float, scale: float, angle: float, natural: float) -> Iterator[Place]:
        """The best offset of a folded tile and of its mirror image, and the aligned one.

        Dividing the spectrum by the root of its magnitude takes weight from what the picture itself repeats.
        """
        for flipped in (False, True):
            seen = np.ascontiguousarray(tile[:, ::-1]) if flipped else tile
            surface = correlate(seen, self._spectrum)
            peak, unit = int(surface.argmax()), 1 / (float(surface.std()) + 1e-9)
            yield Place(
                float(surface.flat[peak]) * unit, octave, scale, angle, flipped, peak // TILE, peak % TILE, seen
            )
            if not flipped and abs(scale * octave / natural - 1) < 1e-3:
                play = (-1, 0, 1) if angle else (0,)  # a turn about the centre leaves a pixel of doubt
                score, dy, dx = max((float(surface[dy, dx]) * unit, dy % TILE, dx % TILE) for dy in play for dx in play)
                yield Place(score, octave, scale, angle, False, dy, dx, seen, aligned=True)

    def best(self, evidence: Evidence, tried: Sequence[tuple[float, float, float]]) -> tuple[Place, Place]:
        """Best place over (octave, scale, angle), and the best of those where an uncropped copy must have it."""
        natural = FRAME_SIZE / min(evidence.shape)
        best = aligned = NOWHERE
        for octave, scale, angle in tried:
            for place in self.places(evidence.tile(octave, scale, angle), octave, scale, angle, natural):
                if place.aligned and place.score > aligned.score:
                    aligned = place
                if not place.aligned and place.score > best.score:
                    best = place
        return best, aligned


def steps(evidence: Evidence) -> Iterator[list[tuple[float, float, float]]]:
    """What to try, the likeliest first: as it is, uncropped at another size, slightly turned, any scale."""
    yield [(1.0, 1.0, 0.0)]
    natural = [(octave, n, 0.0) for octave in evidence.octaves if (n := evidence.natural(octave)) is not None]
    yield natural
    likely = [natural[0][:2], (1.0, 1.0)] if natural else [(1.0, 1.0)]
    yield [(octave, scale, angle) for octave, scale in dict.fromkeys(likely) for angle in ANGLES]
    for octave in evidence.octaves:
        yield [(octave, scale, 0.0) for scale in SCALES]


def places_in(step: Sequence[tuple[float, float, float]]) -> int:
    """How many places one step compares: every offset, as it is and mirrored."""
    return 2 * TILE * TILE * len(step)


def correlate(tile: np.ndarray, conjugate: np.ndarray) -> np.ndarray:
    """Circular correlation with a pattern given by its conjugate spectrum: float32 (TILE, TILE), mean zero."""
    spectrum = rfft2(tile)
    spectrum /= np.sqrt(np.abs(spectrum)) + 1e-9
    spectrum[0, 0] = 0.0
    return irfft2(spectrum * conjugate, s=(TILE, TILE))


def presence(parts: Sequence[np.ndarray], place: Place, pattern: np.ndarray) -> list[float]:
    """How strongly each window carries `pattern` at a known place, in standard deviations.

    parts: residuals at the copy's own size.  pattern: the whole tile of the id that was read, float32 (TILE, TILE).
    """
    conjugate = np.conj(rfft2(pattern.astype(np.float32)))
    scores = []
    for part in parts:
        tile = fold_at(rescale(part, place.octave) if place.octave != 1.0 else part, place.scale, place.angle)
        seen = np.ascontiguousarray(tile[:, ::-1]) if place.flipped else tile
        surface = correlate(seen, conjugate)
        near = np.roll(surface, (1 - place.dy, 1 - place.dx), (0, 1))[:3, :3]  # one pixel of play
        scores.append(float(near.max() / (surface.std() + 1e-9)))
    return scores


def mean_residual(lumas: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over frames of high-passed, locally normalised luma. uint8 (H, W) each -> float32 (H, W).

    Clipping to 1.5 local deviations keeps edges of the picture from outvoting the mark. What stands still in the
    picture is left in the mean; places where there is much of it say less about the mark and weigh less, as in a Wiener
    filter.
    """
    total = np.zeros(lumas[0].shape, np.float32)
    for luma in lumas:
        detail = luma.astype(np.float32)
        detail -= cv2.blur(detail, (17, 17))
        deviation = cv2.sqrt(np.maximum(cv2.blur(detail * detail, (17, 17)), 0.0)) + 2.0
        total += np.clip(detail / deviation, -1.5, 1.5)
    total /= len(lumas)
    total /= np.maximum(cv2.blur(total * total, (17, 17)), 0.0) + HOST_FLOOR
    return total


def rescale(plane: np.ndarray, scale: float) -> np.ndarray:
    size = (max(1, round(plane.shape[1] * scale)), max(1, round(plane.shape[0] * scale)))
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA if scale <= 0.5 else cv2.INTER_LINEAR)


def fold_at(residual: np.ndarray, scale: float, angle: float) -> np.ndarray:
    """Resize, turn about the centre, and sum all tiles -> float32 (TILE, TILE)."""
    plane = residual if scale == 1.0 else rescale(residual, scale)
    height, width = plane.shape
    if angle:
        turn = cv2.getRotationMatrix2D((width / 2 - 0.5, height / 2 - 0.5), angle, 1.0)
        plane = cv2.warpAffine(plane, turn, (width, height), flags=cv2.INTER_LINEAR)
    padded = np.zeros((-(-height // TILE) * TILE, -(-width // TILE) * TILE), np.float32)
    padded[:height, :width] = plane
    return padded.reshape(padded.shape[0] // TILE, TILE, -1, TILE).sum((0, 2))
