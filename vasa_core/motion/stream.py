"""Motion while the sound is still coming: for the live page.

    stream = DiffusionMotion.from_pretrained().stream(Controls(seed=3))
    motion = stream.push(samples)                # the frames that became final, 40 ms behind the sound
    motion = stream.push(samples, Controls(gaze=(10, 0)))
    motion = stream.finish()

The mouth of every frame is what the speech encoder hears lips and jaw do. Lips move before they are heard, and the
encoder's come 30 ms early: so those of the frame before are shown, and a frame waits for 40 ms of sound in place of 80.
Head, lids, gaze and brows are planned ahead by the transformer (vasa_core.motion.ahead; docs/decisions/0018).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vasa_core.errors import UnreadableAudio, WeightsError
from vasa_core.motion.ahead import Ahead, mouth_columns
from vasa_core.motion.steering import Steering
from vasa_core.types import MOTION_RATE, POSE_DIM, SAMPLE_RATE, Controls, Motion

if TYPE_CHECKING:
    from vasa_core.motion.diffusion import DiffusionMotion

LOOKAHEAD = 0.04  # seconds of sound that a frame waits for
EARLY = 1  # frames that are shown before the encoder, which wants 80 ms, has heard them
WIDER_MOUTH = 1.2  # the encoder's lips are the mean of what could be meant, and move less than lips do
WIDER_HEAD = 1.2  # few evaluations, and sound that is not heard yet, spread the head less (docs/motion.md)
SAMPLES = SAMPLE_RATE // MOTION_RATE  # in a frame
_HEARD_FOR_CONTACT = 12  # frames that silence and a closure of the lips are judged by


class MotionStream:
    """One live talker. Memory does not grow; not to be shared between threads.

    generator: shared, read only. Raises WeightsError when its encoder cannot hear live or names no lips.
    """

    lookahead = LOOKAHEAD

    def __init__(self, generator: DiffusionMotion, controls: Controls = Controls()) -> None:
        listen, lips = (getattr(generator.encoder, name, None) for name in ("stream", "lips"))
        if listen is None or lips is None or generator.shapes is None:
            raise WeightsError(f"The encoder '{generator.encoder.name}' cannot hear live; load the one that ships.")
        self.frames = 0
        self._generator, self._ear, self._controls = generator, listen(), controls
        self._steering = Steering()
        self._lips, self._shapes = lips, generator.shapes[:, generator.mouth]  # (6, coordinates of the mouth)
        self._ahead = Ahead(generator.pipeline, mouth_columns(generator.mouth), controls.seed)
        self._heard = np.zeros((0, generator.encoder.dim), np.float32)  # the last features
        self._samples = 0
        self._over = False

    def push(self, samples: np.ndarray, controls: Controls | None = None) -> Motion:
        """Sound, float32 (n,) at 16 kHz, any n -> Motion of the frames that are final now, maybe none.

        controls: from now on; the face glides to them. Their seed is not heeded. Raises UnreadableAudio for sound that
        is not finite or not mono, ValueError after `finish`.
        """
        if self._over:
            raise ValueError("the stream is finished; begin another one")
        samples = np.asarray(samples)
        if samples.ndim != 1 or samples.dtype.kind != "f" or not np.isfinite(samples).all():
            raise UnreadableAudio("The sound is not a single channel of finite decimal samples at 16 kHz.")
        if controls is not None:
            self._controls = controls
        self._samples += len(samples)
        heard = self._ear.push(np.clip(samples, -1, 1).astype(np.float32))
        if not len(heard):
            self._ahead.idle()  # nobody waits for a frame now
        return self._answer(heard)

    def finish(self) -> Motion:
        """The frames that still waited for sound, as if silence followed. The stream is over."""
        if self._over:
            raise ValueError("the stream is finished; begin another one")
        self._over = True
        return self._answer(self._ear.flush())

    def _answer(self, heard: np.ndarray) -> Motion:
        """Motion of the frames that newly heard ones, (n, F), tell about."""
        generator = self._generator
        lips = WIDER_MOUTH * self._lips(heard) @ self._shapes
        made: list[Motion] = []
        for row, mouth in zip(heard[:, None], lips, strict=True):
            while self.frames < EARLY:  # what nobody can hear in time
                made.append(self._frame(row[:0], np.zeros_like(mouth), 0.0, 1.0))
            self._heard = np.concatenate([self._heard, row])[-_HEARD_FOR_CONTACT:]
            if self._over and self.frames * SAMPLES >= self._samples:
                break
            touch, rest = (float(f(self._heard)[-1]) for f in (generator.encoder.contact, generator.encoder.rest))
            made.append(self._frame(row, mouth, touch, rest))
        if not made:
            return Motion(np.zeros((0, POSE_DIM), np.float32), np.zeros((0, generator.space.dim), np.float32))
        return Motion(np.concatenate([m.pose for m in made]), np.concatenate([m.dynamics for m in made]))

    def _frame(self, heard: np.ndarray, mouth: np.ndarray, touch: float, rest: float) -> Motion:
        """The next frame. heard: features (n, F) that nothing was planned from yet.   mouth: its code, no emotion."""
        generator = self._generator
        wishes = self._steering.follow([self._controls])
        wish = np.concatenate([wishes.aim, [0.0], wishes.emotion[0], wishes.blinks])  # (12,)
        row = self._ahead.step(heard, wish, mouth)
        pose, code = WIDER_HEAD * row[None, :POSE_DIM], row[None, POSE_DIM:]
        code[0, generator.mouth] = mouth
        code = code + wishes.emotion @ generator.emotions()
        out = generator.finish(pose, code, np.array([touch]), np.array([rest]), wishes, self.frames)
        self.frames += 1
        return out
