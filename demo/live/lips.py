"""Live motion of lips and expression alone, for a motion model whose encoder cannot hear live: head and eyes rest."""

from __future__ import annotations

from typing import Any

import numpy as np

from vasa_core.motion.articulation import Articulation
from vasa_core.motion.features import load_encoder
from vasa_core.motion.steering import Steering
from vasa_core.types import POSE_DIM, Controls, Motion

ARTICULATORS = slice(28, 34)  # columns of the speech features: what lips and jaw do
UNIT = 0.05  # face widths


class LipStream:
    """As `vasa_core.motion.stream.MotionStream`, without a model of head and eyes. Not to be shared between threads."""

    def __init__(self, generator: Any, controls: Controls) -> None:
        encoder: Any = load_encoder("speech")
        self._ear = encoder.stream()
        self._encoder, self._generator, self._controls = encoder, generator, controls
        self._shapes = Articulation.from_pretrained().shapes
        self._steering = Steering()
        self.frames = 0

    def push(self, samples: np.ndarray, controls: Controls | None = None) -> Motion:
        self._controls = controls or self._controls
        rows = self._ear.push(samples)  # (n, 38)
        count = len(rows)
        pose = np.zeros((count, POSE_DIM), np.float32)
        if not count:
            return Motion(pose, np.zeros((0, self._shapes.shape[1]), np.float32))
        lips = rows[:, ARTICULATORS] * UNIT @ self._shapes
        wishes = self._steering.follow([self._controls] * count)
        self.frames += count
        return self._generator.finish(pose, lips, self._encoder.contact(rows), wishes, self.frames - count)
