"""Sampling the motion transformer: audio features in, head pose and facial dynamics out, window after window.

A `diffusers` pipeline: `save_pretrained`, `from_pretrained` and the hub work as usual, and any stock scheduler can take
the default one's place:

    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)

Variance-preserving and variance-exploding schedulers are told that the model predicts the sample; flow-matching ones
get the velocity that follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.utils import BaseOutput

from vasa_core.motion.transformer import (
    BLINKS_UNIT,
    CONDITIONS,
    DISTANCE_UNIT,
    EMOTION_DIM,
    GAZE_UNIT,
    SCHEDULE_OFFSET,
    Conditions,
    MotionTransformer,
)
from vasa_core.types import POSE_DIM

TRAINING_SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "clip_sample": False,
}
STEPS = 8  # evaluations per window (docs/decisions/0008)
GUIDANCE = {"audio": 0.5, "gaze": 1.0}  # VASA-1, section 4.1


@dataclass
class MotionOutput(BaseOutput):
    """pose: float32 (N, 6) as in vasa_core.types.Motion.   dynamics: float32 (N, D)."""

    pose: np.ndarray
    dynamics: np.ndarray


@dataclass(frozen=True)
class _Track:
    """What is known of the whole sound, one row per frame, padded to whole windows. Tensors (frames, width)."""

    values: dict[str, torch.Tensor]
    known: torch.Tensor  # bool (frames, len(CONDITIONS))


class MotionPipeline(DiffusionPipeline):
    """Motion transformer and scheduler. Calls share nothing that changes, so threads may share a pipeline."""

    transformer: MotionTransformer
    scheduler: Any  # of diffusers

    def __init__(self, transformer: MotionTransformer, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(transformer=transformer, scheduler=scheduler)

    @classmethod
    def of(cls, transformer: MotionTransformer) -> MotionPipeline:
        """The transformer with the default scheduler, DPM-Solver++ (arXiv 2211.01095)."""
        return cls(transformer, DPMSolverMultistepScheduler(**{**_plain(TRAINING_SCHEDULE), **_SOLVER}))

    @torch.inference_mode()
    def __call__(
        self,
        audio: np.ndarray,
        gaze: np.ndarray | None = None,
        distance: np.ndarray | None = None,
        emotion: np.ndarray | None = None,
        blinks: np.ndarray | None = None,
        num_inference_steps: int = STEPS,
        guidance: Mapping[str, float] | None = None,
        generator: torch.Generator | None = None,
        previous: tuple[np.ndarray, np.ndarray] | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> MotionOutput:
        """Motion of N frames.

        audio:    (N, F) features of the encoder that the transformer was trained with.
        gaze:     yaw, pitch in degrees, (2,) or (N, 2).   distance: log scale, () or (N,).
        emotion:  strengths in the order of Controls.EMOTIONS, (8,) or (N, 8).   blinks: per minute, () or (N,).
                  None leaves a condition open.
        guidance: condition -> lambda of classifier-free guidance, (1 + sum lambda) H(C) - sum lambda H(C without c).
        generator: of the noise; the same one gives the same motion.
        previous: motion (K, 6 + D) and audio (K, F) that came just before, to go on from.

        Raises ValueError for shapes that do not fit, unknown conditions, or a scheduler of another prediction.
        """
        model, scheduler = self.transformer, self._fresh_scheduler()
        window, before = model.config["window"], model.config["previous"]
        guidance = GUIDANCE if guidance is None else guidance
        if unknown := set(guidance) - set(CONDITIONS):
            raise ValueError(f"no condition is named {', '.join(sorted(unknown))}; there are {', '.join(CONDITIONS)}")
        track = self._track(audio, gaze=gaze, distance=distance, emotion=emotion, blinks=blinks)
        total = len(audio)
        dim = model.motion_mean.shape[0]
        history = _rows(previous[0], dim, "previous motion") if previous is not None else np.zeros((0, dim))
        heard = _rows(previous[1], audio.shape[1], "previous audio") if previous is not None else audio[:0]
        motion = (self._tensor(history) - model.motion_mean) / model.motion_std  # (frames so far, M)
        sound = torch.cat([(self._tensor(heard) - model.audio_mean) / model.audio_std, track.values["audio"]])
        offset = len(motion)
        for start in range(0, total, window):
            noise = torch.randn((1, window, dim), generator=generator, device="cpu").to(self.device)
            end = offset + start
            seen = end >= before
            conditions = Conditions(
                previous_motion=motion[None, end - before : end] if seen else motion.new_zeros(1, before, dim),
                previous_audio=sound[None, end - before : end] if seen else sound.new_zeros(1, before, sound.shape[1]),
                known_previous=torch.tensor([seen], device=self.device),
                known=track.known[None, start : start + window],
                **{name: values[None, start : start + window] for name, values in track.values.items()},
            )
            clean = self._denoise(scheduler, noise, conditions, guidance, num_inference_steps)
            motion = torch.cat([motion, clean[0]])
            if progress is not None:
                progress(min(1.0, (start + window) / total))
        raw = (motion[offset : offset + total] * model.motion_std + model.motion_mean).cpu().numpy()
        raw[:, POSE_DIM - 1] += 0 if distance is None else distance  # the model moves about the asked distance
        return MotionOutput(pose=raw[:, :POSE_DIM], dynamics=raw[:, POSE_DIM:])

    def _denoise(
        self,
        scheduler: Any,
        noise: torch.Tensor,
        conditions: Conditions,
        guidance: Mapping[str, float],
        steps: int,
    ) -> torch.Tensor:
        """One window (1, W, M), normalised, from noise of the same shape."""
        guided = {name: value for name, value in guidance.items() if value}
        batch = Conditions.concatenate([conditions, *(conditions.without(name) for name in guided)])
        scheduler.set_timesteps(steps, device=self.device)
        flow = is_flow(scheduler)
        x = noise if flow else noise * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            if flow:  # x = (1 - s) clean + s noise; the model wants alpha^2 + sigma^2 = 1
                s = float(timestep) / scheduler.config["num_train_timesteps"]
                given, level = x / math.hypot(1 - s, s), flow_timestep(s, self.transformer.config["train_steps"])
            else:
                given, level = scheduler.scale_model_input(x, timestep), float(timestep)
            levels = torch.full((len(batch.known),), level, device=self.device)
            clean = self.transformer(given.expand(len(batch.known), -1, -1), levels, batch)
            result = clean[:1] * (1 + sum(guided.values()))
            for value, without in zip(guided.values(), clean[1:], strict=True):
                result = result - value * without
            x = scheduler.step((x - result) / max(s, 1e-4) if flow else result, timestep, x).prev_sample
        return x

    def _track(self, audio: np.ndarray, **told: np.ndarray | None) -> _Track:
        """Check and normalise the conditions of a whole sound, padded to whole windows with its last frame."""
        model = self.transformer
        audio = _rows(audio, model.audio_mean.shape[0], "audio")
        if not len(audio):
            raise ValueError("there is no sound to move to")
        window = model.config["window"]
        frames = -(-len(audio) // window) * window
        rows = np.minimum(np.arange(frames), len(audio) - 1)
        known = torch.zeros(frames, len(CONDITIONS), dtype=torch.bool, device=self.device)
        known[:, 0] = True
        values = {"audio": ((self._tensor(audio) - model.audio_mean) / model.audio_std)[rows]}
        units = {"gaze": (GAZE_UNIT, 2), "distance": (DISTANCE_UNIT, 1), "emotion": (1.0, EMOTION_DIM)}
        units["blinks"] = (BLINKS_UNIT, 1)
        for index, name in enumerate(CONDITIONS[1:], 1):
            unit, width = units[name]
            asked = told[name]
            if asked is None:
                values[name] = torch.zeros(frames, width, device=self.device)
                continue
            given = np.asarray(asked, np.float32)
            try:
                full = np.broadcast_to(given if width > 1 else given[..., None], (len(audio), width))
            except ValueError:
                raise ValueError(f"{name} has shape {given.shape}, which does not fit {len(audio)} frames") from None
            values[name] = self._tensor(full[rows]) / unit
            known[:, index] = True
        return _Track(values, known)

    def _fresh_scheduler(self) -> Any:
        """A scheduler of this call's own: schedulers remember their steps."""
        unbounded = {"clip_sample": False} if "clip_sample" in self.scheduler.config else {}  # motion is no picture
        scheduler = type(self.scheduler).from_config(self.scheduler.config, **unbounded)
        if not is_flow(scheduler) and scheduler.config.get("prediction_type") != "sample":
            raise ValueError(
                f"{type(scheduler).__name__} expects the prediction of '{scheduler.config.get('prediction_type')}'; "
                "make it with from_config(pipeline.scheduler.config)"
            )
        return scheduler

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)


_SOLVER = {"algorithm_type": "dpmsolver++", "solver_order": 2, "lambda_min_clipped": -5.1}


def _plain(schedule: dict) -> dict:
    """The schedule without what only some schedulers know."""
    return {k: v for k, v in schedule.items() if k != "clip_sample"}


def _rows(values: np.ndarray, width: int, name: str) -> np.ndarray:
    values = np.asarray(values, np.float32)
    if values.ndim != 2 or values.shape[1] != width:
        raise ValueError(f"{name} has shape (frames, {width}), not {values.shape}")
    return values


def is_flow(scheduler: Any) -> bool:
    """Whether a scheduler walks straight lines between noise and data."""
    return "Flow" in type(scheduler).__name__ or scheduler.config.get("prediction_type") == "flow_prediction"


def flow_timestep(s: float, train_steps: int) -> float:
    """Timestep of the cosine schedule with the same ratio of noise to signal as (1 - s) clean + s noise."""
    angle = math.atan2(s, 1 - s)
    return min(
        max((angle * 2 / math.pi * (1 + SCHEDULE_OFFSET) - SCHEDULE_OFFSET) * train_steps - 1, 0), train_steps - 1
    )
