"""Whether the lips do what the voice says.

The project's speech network hears which mouth shapes are being made; a small linear model, learned from real talkers
only, says how far lips usually open for them. Agreement is the best correlation of that with the lips in the picture
over shifts of up to 0.4 s. Both ends are unusual: lips that disagree with the voice, and lips that agree better than
people's do, because they were driven by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

from vasa_core.motion.features import VisemeFeatures
from vasa_core.motion.visemes import VISEME_RATE, VISEMES
from vasa_core.types import MOTION_RATE

CONTEXT = 4  # frames of MOTION_RATE to each side
LONGEST_SHIFT = 10  # frames of MOTION_RATE
LEAST_SPEECH = 0.35  # of the time somebody must be speaking
LEAST_SECONDS = 1.8
COLUMNS = len(VISEMES) * (2 * CONTEXT + 1)
FEATURES = 6


@dataclass(frozen=True)
class Agreement:
    """correlation: best over shifts, -1..1.  offset: seconds by which the lips come late there.
    still: correlation without a shift.  spread: standard deviation of the lips, share of the face's height.
    second: best correlation at shifts that are no neighbours of the best one.  speech: share of time with speech.
    """

    correlation: float
    offset: float
    still: float
    spread: float
    second: float
    speech: float

    def vector(self) -> np.ndarray:
        """float32 (FEATURES,)."""
        return np.array(
            [
                self.correlation,
                abs(self.offset) * 5,
                self.still,
                np.log(self.spread + 1e-3) + 4,
                self.correlation - self.second,
                self.speech,
            ],
            np.float32,
        )


@lru_cache(maxsize=1)
def _listener() -> VisemeFeatures:
    return VisemeFeatures.from_pretrained()


def voice(samples: np.ndarray) -> np.ndarray:
    """Viseme posteriors at MOTION_RATE, float32 (N, 14). samples: float32 (n,) mono at 16 kHz."""
    if len(samples) < 3200:
        return np.zeros((0, len(VISEMES)), np.float32)
    posteriors = np.exp(_listener().log_posteriors(samples))
    pairs = posteriors[: len(posteriors) // 2 * 2].reshape(-1, VISEME_RATE // MOTION_RATE, len(VISEMES))
    return pairs.mean(1).astype(np.float32)


def context(posteriors: np.ndarray) -> np.ndarray:
    """Each frame with its neighbours, float32 (N, COLUMNS)."""
    padded = np.pad(posteriors, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
    return np.concatenate([padded[k : k + len(posteriors)] for k in range(2 * CONTEXT + 1)], 1)


def agreement(clock: np.ndarray, lips: np.ndarray, posteriors: np.ndarray, weights: np.ndarray) -> Agreement | None:
    """How lips (M,) at times `clock` (M,) go with a voice, posteriors (N, 14) since second 0.

    weights: (COLUMNS,) of the linear model. None when there is too little speech to say.
    """
    if len(clock) < LEAST_SECONDS * MOTION_RATE or not len(posteriors):
        return None
    first = round(clock[0] * MOTION_RATE)
    expected = context(posteriors) @ weights
    speech = 1 - posteriors[:, 0]
    here = speech[max(first, 0) : first + len(lips)]
    share = float((here > 0.5).mean()) if len(here) else 0.0
    if share < LEAST_SPEECH:
        return None
    seen = gaussian_filter1d(lips, 0.8)
    scores = np.full(2 * LONGEST_SHIFT + 1, np.nan)
    for index, shift in enumerate(range(-LONGEST_SHIFT, LONGEST_SHIFT + 1)):
        low, high = max(first - shift, 0), min(first - shift + len(lips), len(expected))
        if high - low < 0.8 * LEAST_SECONDS * MOTION_RATE:
            continue
        mine = seen[low - first + shift : high - first + shift]
        scores[index] = _correlation(mine, expected[low:high])
    if np.isnan(scores).all():
        return None
    best = int(np.nanargmax(scores))
    others = np.where(np.abs(np.arange(len(scores)) - best) > 4, scores, np.nan)
    second = float(np.nanmax(others)) if not np.isnan(others).all() else 0.0
    still = float(np.nan_to_num(scores[LONGEST_SHIFT]))
    offset = (best - LONGEST_SHIFT) / MOTION_RATE
    return Agreement(float(scores[best]), offset, still, float(lips.std()), second, share)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / norm) if norm > 1e-9 else 0.0


def fit_listener(pairs: list[tuple[np.ndarray, np.ndarray]], ridge: float = 30.0) -> np.ndarray:
    """Weights (COLUMNS,) that say how far lips open, by ridge regression on real talkers.

    pairs: (posteriors (N, 14), lips (N,)) in step with each other; every talker's lips are brought to unit spread.
    """
    gram = np.eye(COLUMNS) * ridge
    target = np.zeros(COLUMNS)
    for posteriors, lips in pairs:
        x = context(posteriors)
        x = x - x.mean(0)
        y = gaussian_filter1d(lips, 0.8)
        y = (y - y.mean()) / max(float(y.std()), 1e-4)
        gram += x.T @ x
        target += x.T @ y
    return np.linalg.solve(gram, target).astype(np.float32)
