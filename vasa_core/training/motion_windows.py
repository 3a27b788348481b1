"""What the motion transformer learns from, one step at a time: windows drawn from the motion corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vasa_core.motion.transformer import (
    BLINKS_UNIT,
    CONDITIONS,
    DISTANCE_UNIT,
    GAZE_UNIT,
    Conditions,
    MotionTransformer,
)
from vasa_core.training.motion_corpus import MotionTrack, load_motion
from vasa_core.training.visemes import CorpusMissing


@dataclass(frozen=True)
class TrainingConfig:
    """One training run."""

    size: str = "live"
    steps: int = 6000
    batch: int = 32  # windows per process
    rate: float = 1e-3  # reached after `warmup` steps, held, and brought to zero in the last fifth
    warmup: int = 200
    decay: float = 0.01
    dropout: float = 0.0  # the corpus is larger than what a small model can learn by heart
    average: float = 0.998  # of the weights (EMA)
    drop: float = 0.1  # probability that a condition is unknown (VASA-1)
    drop_end: float = 0.3  # the same of the end of the sound: what a listener has not heard yet
    drop_previous: float = 0.5  # the same of the previous window
    real_share: float = 0.12  # of the windows come from video
    real_lips: float = 0.1  # weight of tracked lips: they are blurred and personal
    lips: float = 1.0  # weight of the articulators' error
    speed: float = 0.3  # weight of the error of frame-to-frame change, also across the seam
    seam: float = 4.0  # how much more the change counts where new frames join known ones
    share_held: float = 0.5  # of the windows begin with frames that are known already, at most half of them
    previous_noise: float = 0.03  # standard deviations by which known motion is off, as generated motion will be
    seed: int = 0
    checkpoint_every: int = 250


@dataclass(frozen=True)
class MotionCorpus:
    """Tracks in memory; `held_out` are spoken tracks that no step sees."""

    spoken: list[MotionTrack]
    real: list[MotionTrack]
    held_out: list[MotionTrack]
    features: str

    @classmethod
    def load(cls, folder: Path, held_out: int = 24) -> MotionCorpus:
        """Raises CorpusMissing when there is nothing to train on or the parts were heard by different encoders."""
        spoken: list[MotionTrack] = []
        real: list[MotionTrack] = []
        names: set[str] = set()
        for path in sorted(p for p in folder.glob("*.npz") if ".part" not in p.name):
            tracks, name = load_motion(path)
            names.add(name)
            (real if path.name == "real.npz" else spoken).extend(tracks)
        if not spoken or len(names) != 1:
            raise CorpusMissing(
                f"{folder} holds {'no motion' if not spoken else 'features of different encoders'}; "
                f"run: python -m vasa_core.training.motion_corpus (see docs/motion.md)"
            )
        held_out = min(held_out, len(spoken) // 8)
        return cls(spoken[held_out:], real, spoken[:held_out], names.pop())


@dataclass(frozen=True)
class Windows:
    """What one step learns from: B windows.

    clean: (B, W, M) normalised motion.   conditions: what is told of them.   mouth: (B,) weight of the lips.
    held: int (B,), frames at the start of each window that are told as well.
    """

    clean: torch.Tensor
    conditions: Conditions
    mouth: torch.Tensor
    held: torch.Tensor

    def to(self, device: torch.device) -> Windows:
        conditions = Conditions(**{k: v.to(device) for k, v in self.conditions.tensors().items()})
        return Windows(self.clean.to(device), conditions, self.mouth.to(device), self.held.to(device))


@dataclass(frozen=True)
class Spreads:
    """The means, spreads and sizes of a model, on the CPU, where batches are made."""

    motion_mean: torch.Tensor
    motion_std: torch.Tensor
    audio_mean: torch.Tensor
    audio_std: torch.Tensor
    window: int
    previous: int

    @classmethod
    def of(cls, model: MotionTransformer) -> Spreads:
        names = ("motion_mean", "motion_std", "audio_mean", "audio_std")
        tensors = {name: getattr(model, name).detach().cpu().clone() for name in names}
        return cls(**tensors, window=model.config["window"], previous=model.config["previous"])


def batch(
    tracks: tuple[list[MotionTrack], list[MotionTrack]], model: Spreads, config: TrainingConfig, key: list[int]
) -> Windows:
    """The windows of one step.

    tracks: spoken and real ones.   key: seeds the draw.
    """
    rng = np.random.default_rng(key)
    window, before = model.window, model.previous
    held: dict[str, list[np.ndarray]] = {name: [] for name in ("motion", "heard", "known", "mouth", *CONDITIONS[1:])}
    for _ in range(config.batch):
        spoken, real = tracks
        pool = real if real and rng.random() < config.real_share else spoken
        track = pool[rng.integers(len(pool))]
        length = window + before
        start = int(rng.integers(0, max(1, len(track.motion) - length + 1)))
        rows = np.clip(np.arange(start, start + length), 0, len(track.motion) - 1)  # a short track holds its last frame
        held["motion"].append(track.motion[rows])
        held["heard"].append(track.audio[rows])
        told = {
            "gaze": np.asarray(track.gaze) / GAZE_UNIT,
            "distance": np.array([track.distance]) / DISTANCE_UNIT,
            "emotion": np.asarray(track.emotion),
            "blinks": np.array([track.blinks]) / BLINKS_UNIT,
        }
        known = np.tile(rng.random(len(CONDITIONS)) >= config.drop, (window, 1))
        for index, name in enumerate(CONDITIONS):
            if name == "audio":
                known[:, index] &= bool(track.heard)
                if rng.random() < config.drop_end:  # sound may end before the window does, or not be heard yet
                    known[rng.integers(window) :, index] = False
            else:
                known[:, index] &= bool(np.isfinite(told[name]).all())
                held[name].append(np.tile(np.nan_to_num(told[name]), (window, 1)))
        held["known"].append(known)
        held["mouth"].append(np.array(config.real_lips if track.real else 1.0))
    motion = (torch.from_numpy(np.stack(held["motion"])).float() - model.motion_mean) / model.motion_std
    audio = (torch.from_numpy(np.stack(held["heard"])).float() - model.audio_mean) / model.audio_std
    noise = torch.from_numpy(rng.normal(0, config.previous_noise, (config.batch, before, motion.shape[2]))).float()
    conditions = Conditions(
        audio=audio[:, before:],
        previous_motion=motion[:, :before] + noise,
        previous_audio=audio[:, :before],
        known=torch.from_numpy(np.stack(held["known"])),
        known_previous=torch.from_numpy(rng.random(config.batch) >= config.drop_previous),
        **{name: torch.from_numpy(np.stack(held[name])).float() for name in CONDITIONS[1:]},
    )
    begun = np.where(rng.random(config.batch) < config.share_held, rng.integers(1, window // 2 + 1, config.batch), 0)
    return Windows(
        motion[:, before:], conditions, torch.from_numpy(np.stack(held["mouth"])).float(), torch.from_numpy(begun)
    )
