"""From controls, which jump, to what a face can follow: every wish as a smooth track of one value per frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vasa_core.types import MOTION_RATE, Controls

BLINKS = 27.0  # a minute, when nobody asks (26 in conversation, Bentivoglio 1997)
MOST_BLINKS = 50.0  # a minute, the most that training has heard of
GLIDE = 0.12  # seconds, time constant of each of the two stages in which a change fades in
_EMOTIONS = len(Controls.EMOTIONS)


@dataclass(frozen=True)
class Wishes:
    """What is asked of N frames. gaze: (N, 2) degrees.   emotion: (N, 8) strengths.   blinks: (N,) a minute.

    head, mouth: (N,) gains.   aim: (2,) degrees, the gaze that was asked for first. The model is told that one, since
    no face it learned from changed its aim; what is asked later is added to it.
    """

    gaze: np.ndarray
    aim: np.ndarray
    emotion: np.ndarray
    blinks: np.ndarray
    head: np.ndarray
    mouth: np.ndarray


class Steering:
    """Follows controls frame by frame; holds where it is, so one belongs to one clip or one stream.

    A face begins at rest and looks as the photo does; gains hold from the start.
    """

    def __init__(self) -> None:
        self._fast: np.ndarray | None = None  # (13,) first stage of the glide
        self._slow: np.ndarray | None = None
        self._aim = np.zeros(2)

    def follow(self, wanted: Sequence[Controls]) -> Wishes:
        """The next len(wanted) frames."""
        keep = float(np.exp(-1 / (GLIDE * MOTION_RATE)))
        rows = np.zeros((len(wanted), 5 + _EMOTIONS))
        target, last = np.zeros(5 + _EMOTIONS), None
        for i, controls in enumerate(wanted):
            if controls is not last:  # usually the same for many frames
                target, last = _as_row(controls), controls
            if self._fast is None or self._slow is None:
                start, self._aim = target.copy(), target[:2].copy()
                start[:2] = start[5:] = 0
                self._fast, self._slow = start.copy(), start.copy()
            self._fast = target + keep * (self._fast - target)
            self._slow = self._fast + keep * (self._slow - self._fast)
            rows[i] = self._slow
        return Wishes(rows[:, :2], self._aim, rows[:, 5:], rows[:, 2], rows[:, 3], rows[:, 4])


def _as_row(controls: Controls) -> np.ndarray:
    blinks = BLINKS if controls.blinks is None else min(MOST_BLINKS, controls.blinks)
    # Neutral is no feeling of its own: it adds nothing, and no face in training was told to be it.
    feelings = [0.0 if name == "neutral" else controls.emotion.get(name, 0.0) for name in Controls.EMOTIONS]
    return np.array([*controls.gaze, blinks, controls.head_motion, controls.mouth, *feelings])
