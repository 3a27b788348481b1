"""Live motion from a generator that only knows whole recordings: the last seconds are heard again for every frame."""

from __future__ import annotations

from typing import Any

import numpy as np

from demo.live.session import SAMPLES_A_FRAME
from vasa_core.motion.prosody import analyse
from vasa_core.types import POSE_DIM, SAMPLE_RATE, Controls, Motion

HISTORY = SAMPLE_RATE  # samples heard again
LOOKAHEAD = 2  # frames of sound that a frame waits for
HOP = 2  # frames made together


class WindowStream:
    """Lips only; head and eyes rest."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        self._sound = np.zeros(0, np.float32)
        self._first = 0  # number of the first sample in `_sound`
        self.frames = 0

    def push(self, samples: np.ndarray, controls: Controls | None = None) -> Motion:
        self._sound = np.concatenate([self._sound, samples])
        heard = self._first + len(self._sound)
        ready = max(0, heard // SAMPLES_A_FRAME - LOOKAHEAD) - self.frames
        dim = self._generator.space.dim
        if ready < HOP:
            return Motion(np.zeros((0, POSE_DIM), np.float32), np.zeros((0, dim), np.float32))
        count = len(self._sound) // SAMPLES_A_FRAME
        window = self._sound[: count * SAMPLES_A_FRAME]
        posteriors = self._generator.posteriors(window)
        lips = self._generator.lips(
            posteriors, np.zeros((count, dim)), analyse(window, count), (controls or Controls()).mouth
        )
        first = self.frames - self._first // SAMPLES_A_FRAME
        self.frames += ready
        surplus = max(0, len(self._sound) - HISTORY) // SAMPLES_A_FRAME * SAMPLES_A_FRAME
        self._sound, self._first = self._sound[surplus:], self._first + surplus
        return Motion(np.zeros((ready, POSE_DIM), np.float32), lips[first : first + ready].astype(np.float32))
