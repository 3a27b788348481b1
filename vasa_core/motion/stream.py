"""Motion while the sound is still coming: for the live page.

    stream = DiffusionMotion.from_pretrained().stream(Controls(seed=3))
    motion = stream.push(samples)                # the frames that became final, 80 ms behind the sound
    motion = stream.push(samples, Controls(gaze=(10, 0)))
    motion = stream.finish()

Every hop plans a whole stretch of motion from the frames before it, gives out the first frames of it and drops the
rest. The noise a frame is made of stays the frame's own from plan to plan, so that successive plans agree on where the
head is going although each knows a little more sound than the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from vasa_core.errors import ControlError, UnreadableAudio, WeightsError
from vasa_core.motion.pipeline import OVERLAP, Track
from vasa_core.motion.steering import Steering
from vasa_core.types import POSE_DIM, Controls, Motion

if TYPE_CHECKING:
    from vasa_core.motion.diffusion import DiffusionMotion

LOOKAHEAD = 0.08  # seconds of sound that a frame waits for
HOPS = (1, 5)  # frames made together, at least and at most
STEPS = 3  # evaluations per hop
PLANNED = 10  # frames beyond the hop that are planned and dropped, if the window is long enough
WIDER_HEAD, WIDER_MOUTH = 1.4, 1.1  # three evaluations spread head and lips less than eight do (docs/motion.md)
_HEARD_FOR_CONTACT = 12  # frames that a closure of the lips is judged by


class MotionStream:
    """One live talker. Memory does not grow; not to be shared between threads.

    generator: shared, read only.   hop: frames made together, 1 to 5; fewer give less delay and cost more.
    least: frames that must have been heard before any is made, 1 to hop; None waits for the whole hop. With 1 a frame
    comes as soon as it can, and one who falls behind makes up to `hop` of them for the price of one.
    Raises WeightsError when the generator's encoder cannot hear live, ControlError for another hop or least.
    """

    lookahead = LOOKAHEAD

    def __init__(
        self,
        generator: DiffusionMotion,
        controls: Controls = Controls(),
        hop: int = 3,
        steps: int = STEPS,
        least: int | None = None,
    ) -> None:
        for frames, most in ((hop, HOPS[1]), (hop if least is None else least, hop)):
            if not HOPS[0] <= frames <= most:
                raise ControlError(f"The hop is {frames} frames; choose one from {HOPS[0]} to {most}.")
        listen = getattr(generator.encoder, "stream", None)
        if listen is None:
            raise WeightsError(f"The encoder '{generator.encoder.name}' cannot hear live; load the one that ships.")
        self.hop, self.steps, self.frames = hop, steps, 0
        self.least = hop if least is None else least
        self._generator, self._ear, self._controls = generator, listen(), controls
        self._steering = Steering()
        self._random = torch.Generator().manual_seed(controls.seed)
        model = generator.pipeline.transformer
        self._keep = model.config["previous"] + OVERLAP
        self._motion = torch.zeros(0, model.motion_mean.shape[0])  # the last frames, normalised
        self._planned = min(PLANNED, model.config["window"] - OVERLAP - hop)
        self._noise = torch.randn(hop + self._planned, model.motion_mean.shape[0], generator=self._random)
        self._heard = np.zeros((0, generator.encoder.dim), np.float32)  # their features, and those still to be answered
        self._wishes = np.zeros((0, 12), np.float32)  # gaze, distance, emotion, blinks of the frames in _motion
        self._scheduler = generator.pipeline.fresh_scheduler()
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
        return self._answer(self._ear.push(np.clip(samples, -1, 1).astype(np.float32)), self.least)

    def finish(self) -> Motion:
        """The frames that still waited for sound, as if silence followed. The stream is over."""
        if self._over:
            raise ValueError("the stream is finished; begin another one")
        self._over = True
        return self._answer(self._ear.flush(), 1)

    def _answer(self, features: np.ndarray, least: int) -> Motion:
        """Motion for all features, made `least` frames at a time or more."""
        self._heard = np.concatenate([self._heard, features])
        made = []
        while (waiting := len(self._heard) - len(self._motion)) >= least and waiting > 0:
            made.append(self._make(min(self.hop, waiting)))
        if not made:
            dim = self._generator.space.dim
            return Motion(np.zeros((0, POSE_DIM), np.float32), np.zeros((0, dim), np.float32))
        return Motion(np.concatenate([m.pose for m in made]), np.concatenate([m.dynamics for m in made]))

    @torch.inference_mode()
    def _make(self, count: int) -> Motion:
        """The next `count` frames; their features are known."""
        generator, pipeline = self._generator, self._generator.pipeline
        model = pipeline.transformer
        past = len(self._motion)
        wishes = self._steering.follow([self._controls] * count)
        aim = np.tile(wishes.aim, (count, 1))
        told = np.column_stack([aim, np.zeros(count), wishes.emotion, wishes.blinks])  # (count, 12)
        self._wishes = np.concatenate([self._wishes, told.astype(np.float32)])
        track = self._track(past + count)
        clean = pipeline.window(self._motion, track, self._noise, self._scheduler, {}, self.steps, mouth=False)[:count]
        made = clean * model.motion_std + model.motion_mean
        made[:, POSE_DIM:] += track.offset[past : past + count]
        raw = made.numpy()
        raw[:, :POSE_DIM] *= WIDER_HEAD
        raw[:, POSE_DIM:][:, generator.mouth] *= WIDER_MOUTH
        recent = self._heard[max(0, past - _HEARD_FOR_CONTACT) : past + count]
        at = past - max(0, past - _HEARD_FOR_CONTACT)
        contact, rest = (tell(recent)[at:] for tell in (generator.encoder.contact, generator.encoder.rest))
        out = generator.finish(raw[:, :POSE_DIM], raw[:, POSE_DIM:], contact, rest, wishes, self.frames)
        self.frames += count
        self._motion = torch.cat([self._motion, clean])
        drop = max(0, len(self._motion) - self._keep)
        self._motion, self._heard, self._wishes = self._motion[drop:], self._heard[drop:], self._wishes[drop:]
        fresh = torch.randn(count, self._noise.shape[1], generator=self._random)
        self._noise = torch.cat([self._noise[count:], fresh])
        return out

    def _track(self, known: int) -> Track:
        """Conditions of the frames kept, of the next ones, and of what is planned beyond; `known` rows are heard."""
        rows = np.minimum(np.arange(known + self._planned + self.hop), known - 1)
        told = self._wishes[rows]
        names = {"gaze": told[:, :2], "distance": told[:, 2:3], "emotion": told[:, 3:11], "blinks": told[:, 11:12]}
        track = self._generator.pipeline.track(self._heard[rows], names)
        track.known[known:, 0] = False
        return track
