"""Head, lids, gaze and brows of a live talker, planned ahead by the motion transformer.

What must be in step with the voice is the mouth (vasa_core.motion.stream). The rest answers to it too, but half a
second later nobody minds: so it is planned HOP frames at a time, before they are due, one evaluation of the transformer
after another whenever there is time, and no frame ever waits for a whole plan. What a plan knows is settled when it
begins, so that it does not matter when its evaluations are made.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from vasa_core.motion.pipeline import OVERLAP, MotionPipeline, Track
from vasa_core.types import POSE_DIM

HOP = 10  # frames that a plan adds
BEYOND = 12  # frames that are planned after them and dropped, if the window is long enough
STEPS = 6  # evaluations of a plan
BEGIN = 7  # frames before they are due that a plan begins; more than STEPS, less than HOP


class Ahead:
    """The motion of one live talker, normalised as the transformer has it. Memory does not grow.

    mouth: bool (M,), the columns that `know` replaces by what the lips did.   seed: of the noise.
    """

    def __init__(self, pipeline: MotionPipeline, mouth: np.ndarray, seed: int) -> None:
        model = pipeline.transformer
        self._pipeline, self._mouth = pipeline, torch.from_numpy(mouth)
        self._random = torch.Generator().manual_seed(seed)
        self._keep = model.config["previous"] + OVERLAP
        self._hop = min(HOP, model.config["window"] - OVERLAP - 1)
        self._beyond = min(BEYOND, model.config["window"] - OVERLAP - self._hop)
        self._scheduler = pipeline.fresh_scheduler()
        dim = model.motion_mean.shape[0]
        self._motion = torch.zeros(0, dim)  # frames made, the last of them not due yet
        self._due = 0  # row of _motion that is due next
        self._audio = np.zeros((0, model.audio_mean.shape[0]), np.float32)  # heard, from row 0 of _motion on
        self._wishes = np.zeros((0, 12), np.float32)  # gaze, distance, emotion, blinks, from row 0 of _motion on
        # The noise belongs to the frame and not to the plan, so that successive plans agree.
        self._noise = torch.randn(self._hop + self._beyond, dim, generator=self._random)
        self._plan: Iterator[torch.Tensor] = iter(())
        self._left = 0  # evaluations of the plan under way

    @torch.inference_mode()
    def step(self, audio: np.ndarray, wish: np.ndarray, lips: np.ndarray) -> np.ndarray:
        """The next frame, (M,) in the units of motion; `lips` fill its mouth for the plans to come.

        audio: features (n, F) of n frames more that are heard, maybe none.   wish: gaze, distance, emotion, blinks of
        this frame, (12,).   lips: code of its mouth without emotion.
        """
        model = self._pipeline.transformer
        self._audio = np.concatenate([self._audio, audio])
        self._wishes = np.concatenate([self._wishes, wish[None].astype(np.float32)])
        self._prepare()
        made = self._motion[self._due] * model.motion_std + model.motion_mean
        mean, spread = (t[self._mouth] for t in (model.motion_mean, model.motion_std))
        self._motion[self._due, self._mouth] = (torch.from_numpy(lips).to(mean) - mean) / spread
        self._due += 1
        return np.array(made.numpy())

    @torch.inference_mode()
    def idle(self) -> None:
        """Work ahead, by one evaluation at most: for moments in which nobody waits."""
        if self._left:
            self._evaluate()

    def _prepare(self) -> None:
        """Whatever must be done before this frame."""
        ahead = len(self._motion) - self._due
        if not self._left and ahead <= BEGIN:
            self._left = STEPS
            self._plan = self._pipeline.evaluations(
                self._motion.clone(), self._track(), self._noise, self._scheduler, {}, STEPS, mouth=False
            )
        while self._left and (not ahead or self._left > ahead):  # due now, or late for one evaluation a frame
            self._evaluate()
            if ahead:
                break

    def _evaluate(self) -> None:
        made = next(self._plan)
        self._left -= 1
        if not self._left:
            self._finish(made)

    def _finish(self, made: torch.Tensor) -> None:
        """Keep the first frames of a plan."""
        self._motion = torch.cat([self._motion, made[: self._hop]])
        fresh = torch.randn(self._hop, self._noise.shape[1], generator=self._random)
        self._noise = torch.cat([self._noise[self._hop :], fresh])
        drop = max(0, min(self._due, len(self._motion) - self._hop - self._keep))
        self._motion, self._due = self._motion[drop:], self._due - drop
        self._audio, self._wishes = self._audio[drop:], self._wishes[drop:]

    def _track(self) -> Track:
        """Conditions of the frames made and of those to be planned; what is not heard yet is unknown."""
        total = len(self._motion) + len(self._noise)
        heard = self._audio if len(self._audio) else np.zeros((1, self._audio.shape[1]), np.float32)
        rows = np.minimum(np.arange(total), len(heard) - 1)
        told = self._wishes[np.minimum(np.arange(total), len(self._wishes) - 1)]
        names = {"gaze": told[:, :2], "distance": told[:, 2:3], "emotion": told[:, 3:11], "blinks": told[:, 11:12]}
        track = self._pipeline.track(heard[rows], names)
        track.known[len(self._audio) :, 0] = False
        return track


def mouth_columns(mouth: np.ndarray) -> np.ndarray:
    """Which columns of [pose, dynamics] belong to the mouth, from which of the code's do."""
    return np.concatenate([np.zeros(POSE_DIM, bool), mouth])
