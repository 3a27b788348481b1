"""From viseme posteriors to lip shapes: targets, coarticulation, and lips that really close.

Coarticulation follows Cohen and Massaro, "Modeling coarticulation in synthetic visual speech" (1993): every viseme
pulls every articulator towards its target with a dominance that grows before and fades after it; what is seen is the
mean of all targets, weighted by dominance. Here a viseme's presence is the posterior of the viseme network instead of a
hard segment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter1d

from vasa_core.errors import WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.visemes import VISEME_RATE, VISEMES
from vasa_core.types import MOTION_RATE
from vasa_core.weights import FOLDER, read_weights

# What lips and jaw do, as linear measures of a face (see `measure_patterns`), in face widths.
ARTICULATORS = ("opening", "jaw", "width", "forward", "upper", "corners")
REACH = 20  # frames of VISEME_RATE to each side over which a viseme is felt
_HILL = 4  # frames of VISEME_RATE around a moment in which the top of its hill is sought
_BILABIAL, _LABIODENTAL = VISEMES.index("bilabial"), VISEMES.index("labiodental")


def measures(shape: np.ndarray) -> np.ndarray:
    """The articulators' measures of faces or displacements, (N, 478, 3) -> (N, 6), in face widths."""
    x, y, z = shape[..., 0], shape[..., 1], shape[..., 2]
    return np.stack(
        [
            y[:, 14] - y[:, 13],  # inner lips apart
            y[:, 152],  # chin down
            x[:, 291] - x[:, 61],  # corners apart
            -z[:, [0, 17, 13, 14]].mean(1),  # lips towards the viewer
            -y[:, [0, 37, 267, 13]].mean(1),  # upper lip up
            -y[:, [61, 291]].mean(1),  # corners up
        ],
        1,
    )


@dataclass(frozen=True)
class Articulation:
    """The fitted model of coarticulation.

    targets:   float32 (classes, 6), where each viseme wants each articulator, in face widths.
    dominance: float32 (classes, 6), how strongly.
    onset, release: float32 (classes,), seconds in which the pull grows before and fades after the viseme (1 / e).
    shapes:    float32 (6, D), facial code per unit of each articulator with the others held still.
    seal:      float32 (D,), facial code that brings the inner lips together by one face width, jaw still.
    """

    targets: np.ndarray
    dominance: np.ndarray
    onset: np.ndarray
    release: np.ndarray
    shapes: np.ndarray
    seal: np.ndarray

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> Articulation:
        """The shipped model or the one in the file `path`. Raises WeightsError."""
        path = path or FOLDER / "motion.safetensors"
        tensors, _ = read_weights(path, "motion", "1")
        names = [field.name for field in fields(cls)]
        if any(name not in tensors for name in names):
            raise WeightsError(f"{path} holds no articulation; install Candor again.")
        return cls(**{name: tensors[name] for name in names})

    def kernels(self) -> np.ndarray:
        """How a viseme's pull spreads over time, (classes, 2 * REACH + 1), each summing to 1."""
        lag = np.arange(-REACH, REACH + 1) / VISEME_RATE  # s after the viseme
        scale = np.where(lag[None] < 0, self.onset[:, None], self.release[:, None])
        kernel = np.exp(-np.abs(lag)[None] / scale)
        return kernel / kernel.sum(1, keepdims=True)

    def trajectories(self, posteriors: np.ndarray) -> np.ndarray:
        """Posteriors (T, classes) at VISEME_RATE -> articulators (T, 6), in face widths."""
        padded = np.pad(posteriors, ((REACH, REACH), (0, 0)))
        padded[:REACH, 0] = padded[len(padded) - REACH :, 0] = 1  # rest before and after
        size = 1 << math.ceil(math.log2(len(padded) + 2 * REACH + 1))
        spread = np.fft.irfft(
            np.fft.rfft(padded, size, axis=0) * np.fft.rfft(self.kernels().T, size, axis=0), size, axis=0
        )
        presence = np.clip(spread[2 * REACH : 2 * REACH + len(posteriors)], 0, None)  # (T, classes)
        pull = presence @ self.dominance + 1e-6
        return (presence @ (self.dominance * self.targets)) / pull


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Hann-weighted running mean over `width` frames on each side, (T, ...) -> (T, ...)."""
    window = np.hanning(2 * width + 3)[1:-1]
    window /= window.sum()
    padded = np.pad(values, ((width, width),) + ((0, 0),) * (values.ndim - 1), mode="edge")
    return sum(w * padded[i : i + len(values)] for i, w in enumerate(window))  # type: ignore[return-value]


def to_motion_rate(values: np.ndarray, count: int) -> np.ndarray:
    """Frames at VISEME_RATE -> `count` frames at MOTION_RATE: the mean of the two that fall into each."""
    assert VISEME_RATE == 2 * MOTION_RATE
    padded = np.pad(values, ((0, max(0, 2 * count - len(values))),) + ((0, 0),) * (values.ndim - 1), mode="edge")
    return padded[: 2 * count].reshape(count, 2, *values.shape[1:]).mean(1)


@dataclass(frozen=True)
class Closing:
    """When the lips are believed to touch.

    doubtful, certain: heights of a bilabial's hill below which it is ignored, from which it closes the lips.
    foot, summit: shares of that height between which the lips come together.   beside: how much of what is heard just
    outside a frame counts in it.
    """

    doubtful: float = 0.08
    certain: float = 0.18
    foot: float = 0.35
    summit: float = 0.85
    beside: float = 0.75


def closure(posteriors: np.ndarray, count: int, closing: Closing = Closing()) -> np.ndarray:
    """How tightly the lips are pressed together, (T, classes) at VISEME_RATE -> (count,) in 0..1 at MOTION_RATE.

    A bilabial is heard in its burst and its neighbours as much as in itself, so its posterior is often a low, narrow
    hill: where a hill is worth believing, the lips close fully at its top. A closure may be shorter than a frame of
    motion, so the firmest moment within the frame counts, and some of the one just outside.
    """
    heard = smooth(posteriors[:, _BILABIAL], 1)
    top = maximum_filter1d(heard, 2 * _HILL + 1)
    belief = np.clip((top - closing.doubtful) / (closing.certain - closing.doubtful), 0, 1)
    share = heard / np.maximum(top, 1e-6)
    firm = belief * np.clip((share - closing.foot) / (closing.summit - closing.foot), 0, 1)
    firm = np.pad(firm, (1, max(1, 2 * count + 1 - len(firm))))
    around = np.stack([firm[i : i + 2 * count : 2] for i in range(4)])  # 20 ms before, the frame's two, 20 ms after
    firm = np.maximum(around[1:3].max(0), closing.beside * around.max(0))
    return firm * firm * (3 - 2 * firm)


def close_lips(code: np.ndarray, pressed: np.ndarray, space: FaceSpace, seal: np.ndarray, margin: float) -> np.ndarray:
    """Bring the inner lips together where `pressed`, and never let them pass through each other.

    code: (N, D); pressed: (N,) in 0..1; margin: face widths by which the rest face's lips may come closer.
    """
    per_unit = measures(space.basis)[:, 0]  # opening per unit of every coordinate, (D,)
    opening = code @ per_unit
    wanted = np.maximum(opening * (1 - pressed) - margin * pressed, -margin)
    return code + (opening - wanted)[:, None] * seal
