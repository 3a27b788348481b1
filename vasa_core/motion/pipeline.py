"""Sampling the motion transformer: audio features in, head pose and facial dynamics out, window after window.

A `diffusers` pipeline: `save_pretrained`, `from_pretrained` and the hub work as usual, and any stock scheduler can take
the default one's place:

    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)

Variance-preserving and variance-exploding schedulers are told that the model predicts the sample; flow-matching ones
get the velocity that follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from diffusers.utils import BaseOutput

from vasa_core.motion.transformer import (
    BLINKS_UNIT,
    CLEAN,
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
OVERLAP = 10  # frames at the start of a window that the one before has made already
FADE, FADE_MOUTH = 12, 4  # frames in which a window's start leads over to what the network says
FIRST_OF_MOUTH = POSE_DIM + 7  # column of [pose, dynamics] (vasa_core.face.space: lids, gaze and brows come first)
GUIDANCE = {"audio": 0.5, "gaze": 1.0}  # VASA-1, section 4.1


@dataclass
class MotionOutput(BaseOutput):
    """pose: float32 (N, 6) as in vasa_core.types.Motion.   dynamics: float32 (N, D)."""

    pose: np.ndarray
    dynamics: np.ndarray


@dataclass(frozen=True)
class Track:
    """What is known of the sound, one row per frame: normalised conditions (N, width), which of them are known, bool
    (N, len(CONDITIONS)), and the facial code (N, D) that the emotions add."""

    values: dict[str, torch.Tensor]
    known: torch.Tensor
    offset: torch.Tensor


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

    @property
    def place(self) -> torch.device:
        """Where the weights are; diffusers' own `device` asks every module, and a live stream asks often."""
        return self.transformer.motion_mean.device

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
        previous: motion (n, 6 + D) and audio (n, F) that came just before, to go on from; n >= K is heeded.

        Raises ValueError for shapes that do not fit, unknown conditions, or a scheduler of another prediction.
        """
        model, scheduler = self.transformer, self.fresh_scheduler()
        guidance = self.checked(guidance)
        total, dim = len(audio), model.motion_mean.shape[0]
        history = _rows(previous[0], dim, "previous motion") if previous is not None else np.zeros((0, dim))
        audio = _rows(audio, model.audio_mean.shape[0], "audio")
        if not total:
            raise ValueError("there is no sound to move to")
        offset = len(history)
        if previous is not None:
            audio = np.concatenate([_rows(previous[1], audio.shape[1], "previous audio"), audio])
            if len(audio) != offset + total:
                raise ValueError("previous motion and previous audio differ in length")
        told = {"gaze": gaze, "distance": distance, "emotion": emotion, "blinks": blinks}
        track = self.track(audio, {name: _all_rows(name, value, total, offset) for name, value in told.items()})
        asked = distance if distance is not None else 0.0
        motion = self._tensor(history)
        motion[:, POSE_DIM - 1] -= float(np.ravel(asked)[0])
        motion = (motion - model.motion_mean) / model.motion_std  # (frames so far, M)
        motion[:, POSE_DIM:] -= track.offset[:offset] / model.motion_std[POSE_DIM:]
        while len(motion) < offset + total:
            new = model.config["window"] - self.held(len(motion))
            noise = torch.randn((new, dim), generator=generator, device="cpu").to(self.place)
            motion = torch.cat([motion, self.window(motion, track, noise, scheduler, guidance, num_inference_steps)])
            if progress is not None:
                progress(min(1.0, (len(motion) - offset) / total))
        made = motion[offset : offset + total] * model.motion_std + model.motion_mean
        made[:, POSE_DIM:] += track.offset[offset : offset + total]
        raw = made.cpu().numpy()
        raw[:, POSE_DIM - 1] += asked  # the model moves about the asked distance
        return MotionOutput(pose=raw[:, :POSE_DIM], dynamics=raw[:, POSE_DIM:])

    def held(self, past: int) -> int:
        """Frames at the start of the next window that are already made, of `past` ones."""
        return max(0, min(OVERLAP, past - self.transformer.config["previous"]))

    def checked(self, guidance: Mapping[str, float] | None) -> Mapping[str, float]:
        """The guidance, or the published one for None. Raises ValueError for an unknown condition."""
        guidance = GUIDANCE if guidance is None else guidance
        if unknown := set(guidance) - set(CONDITIONS):
            raise ValueError(f"no condition is named {', '.join(sorted(unknown))}; there are {', '.join(CONDITIONS)}")
        return guidance

    @torch.inference_mode()
    def window(
        self,
        motion: torch.Tensor,
        track: Track,
        noise: torch.Tensor,
        scheduler: Any,
        guidance: Mapping[str, float],
        steps: int,
        mouth: bool = True,
    ) -> torch.Tensor:
        """The frames that follow `motion`, all normalised: (P, M) and noise (n, M) -> (n, M).

        The window starts with frames that are already made, told to be clean, so that the new ones continue them.
        track: conditions of at least the first P frames; where it ends, its last row goes on.
        scheduler: of `fresh_scheduler`, this caller's own.   mouth: whether the lips, too, are led over from where they
        were; not when only a few frames are kept, which would never get where the sound wants them.
        """
        return [*self.evaluations(motion, track, noise, scheduler, guidance, steps, mouth)][-1]

    def evaluations(
        self,
        motion: torch.Tensor,
        track: Track,
        noise: torch.Tensor,
        scheduler: Any,
        guidance: Mapping[str, float],
        steps: int,
        mouth: bool = True,
    ) -> Iterator[torch.Tensor]:
        """What `window` does, one evaluation of the network at a time: yields `steps` times, at last its result.

        Whoever may not stop for long takes one and does something else in between; in torch.inference_mode.
        """
        model = self.transformer
        before, held = model.config["previous"], self.held(len(motion))
        start = len(motion) - held
        rows = torch.arange(start, len(motion) + len(noise)).clamp(max=len(track.known) - 1)
        seen = start >= before
        past = torch.arange(start - before, start).clamp(min=0)
        conditions = Conditions(
            previous_motion=motion[None, past] if seen else noise.new_zeros(1, before, noise.shape[1]),
            previous_audio=track.values["audio"][None, past].clone()
            if seen
            else noise.new_zeros(1, before, track.values["audio"].shape[1]),
            known_previous=torch.tensor([seen], device=self.place),
            known=track.known[None, rows],
            **{name: values[None, rows] for name, values in track.values.items()},
        )
        for x in self._denoise(scheduler, motion[None, start:], noise[None], conditions, guidance, steps, mouth):
            yield x[0]

    def _denoise(
        self,
        scheduler: Any,
        done: torch.Tensor,
        noise: torch.Tensor,
        conditions: Conditions,
        guidance: Mapping[str, float],
        steps: int,
        mouth: bool,
    ) -> Iterator[torch.Tensor]:
        """The frames after `done` (1, held, M), normalised, from noise (1, n, M), after every evaluation."""
        guided = {name: value for name, value in guidance.items() if value}
        batch = Conditions.concatenate([conditions, *(conditions.without(name) for name in guided)])
        count, held = len(batch.known), done.shape[1]
        scheduler.set_timesteps(steps, device=self.place)
        flow = is_flow(scheduler)
        x = noise if flow else noise * scheduler.init_noise_sigma
        levels = torch.full((count, held + noise.shape[1]), CLEAN, device=self.place)
        for timestep in scheduler.timesteps:
            if flow:  # x = (1 - s) clean + s noise; the model wants alpha^2 + sigma^2 = 1
                s = float(timestep) / scheduler.config["num_train_timesteps"]
                given, level = x / math.hypot(1 - s, s), flow_timestep(s, self.transformer.config["train_steps"])
            else:
                given, level = scheduler.scale_model_input(x, timestep), float(timestep)
            levels[:, held:] = level
            clean = self.transformer(torch.cat([done, given], 1).expand(count, -1, -1), levels, batch)[:, held:]
            result = clean[:1] * (1 + sum(guided.values()))
            for value, without in zip(guided.values(), clean[1:], strict=True):
                result = result - value * without
            result = self._joined(done, result, mouth)
            x = scheduler.step((x - result) / max(s, 1e-4) if flow else result, timestep, x).prev_sample
            yield x

    def _joined(self, done: torch.Tensor, new: torch.Tensor, lips: bool) -> torch.Tensor:
        """`new` (1, n, M), led over from where `done` (1, held, M) ends: that position, mostly its own pace.

        What the network says of the first new frame is off by more than a face moves in a frame; the difference fades
        over FADE frames, over FADE_MOUTH where the sound decides.
        """
        if done.shape[1] < 2 or new.shape[1] < 2:
            return new
        pace = 0.2 * (done[:, -1] - done[:, -2]) + 0.8 * (new[:, 1] - new[:, 0])
        gap = (done[:, -1] + pace - new[:, 0])[:, None]  # (1, 1, M)
        frame = torch.arange(new.shape[1], device=new.device)
        fades = [torch.cos(math.pi / 2 * (frame / length).clamp(max=1)) ** 2 for length in (FADE, FADE_MOUTH)]
        mouth = torch.arange(new.shape[2], device=new.device) >= FIRST_OF_MOUTH
        return new + gap * torch.where(mouth, fades[1][:, None] * lips, fades[0][:, None])

    def track(self, audio: np.ndarray, told: Mapping[str, np.ndarray | None]) -> Track:
        """Normalise what is known of (N, F) audio features and of (N, width) conditions; None: unknown throughout."""
        model = self.transformer
        known = torch.zeros(len(audio), len(CONDITIONS), dtype=torch.bool, device=self.place)
        known[:, 0] = True
        values = {"audio": (self._tensor(audio) - model.audio_mean) / model.audio_std}
        offset = torch.zeros(len(audio), model.config["dynamics_dim"], device=self.place)
        for index, name in enumerate(CONDITIONS[1:], 1):
            unit, width = _UNITS[name]
            given = told[name]
            values[name] = torch.zeros(len(audio), width, device=self.place)
            if given is not None:
                values[name] = self._tensor(given) / unit
                known[:, index] = True
                if name == "emotion":
                    offset = values[name] @ model.emotion_offset
        return Track(values, known, offset)

    def fresh_scheduler(self) -> Any:
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
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.place)


_SOLVER = {"algorithm_type": "dpmsolver++", "solver_order": 2, "lambda_min_clipped": -5.1}


def _plain(schedule: dict) -> dict:
    """The schedule without what only some schedulers know."""
    return {k: v for k, v in schedule.items() if k != "clip_sample"}


_UNITS = {"gaze": (GAZE_UNIT, 2), "distance": (DISTANCE_UNIT, 1), "emotion": (1.0, EMOTION_DIM)}
_UNITS["blinks"] = (BLINKS_UNIT, 1)


def _all_rows(name: str, asked: np.ndarray | None, count: int, before: int) -> np.ndarray | None:
    """A condition for every frame, (before + count, width); what came before has the first frame's."""
    if asked is None:
        return None
    given, width = np.asarray(asked, np.float32), _UNITS[name][1]
    try:
        full = np.broadcast_to(given if width > 1 else given[..., None], (count, width))
    except ValueError:
        raise ValueError(f"{name} has shape {given.shape}, which does not fit {count} frames") from None
    return np.concatenate([np.repeat(full[:1], before, 0), full])


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
