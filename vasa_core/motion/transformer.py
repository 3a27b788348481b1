"""The motion transformer: noisy motion and what is known in, clean motion out.

After VASA-1 (arXiv 2404.10667, section 3.2): a transformer encoder that predicts the clean window X0 of [head pose,
facial dynamics] under the conditions C = [X_pre, A_pre; A, gaze, distance, emotion]. Each condition can be absent,
which is what classifier-free guidance needs. Added here: the blink rate as a condition, conditions per frame instead
of per clip, and the depthwise convolution of Wav2Vec2 (arXiv 2006.11477, section 2) before the encoder, which lets a
small model learn smooth movement from little data.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import nn

from vasa_core.types import POSE_DIM, Controls

# Per-frame conditions, and how many numbers each holds; audio's width depends on its encoder.
CONDITIONS = ("audio", "gaze", "distance", "emotion", "blinks")
EMOTION_DIM = len(Controls.EMOTIONS)
GAZE_UNIT, DISTANCE_UNIT, BLINKS_UNIT = 15.0, 0.25, 30.0  # degrees, log scale, blinks a minute that stand for 1
VERSION = 2  # of the weights: 2 adds emotion_offset and frames that are known
CLEAN = -1.0  # timestep of a frame that holds no noise
SCHEDULE_OFFSET = 0.008  # of the cosine schedule (Nichol and Dhariwal 2021), diffusers' squaredcos_cap_v2


@dataclass(frozen=True)
class TransformerSize:
    """What distinguishes one size of the model from another."""

    layers: int
    width: int
    heads: int
    window: int  # W, frames predicted at once
    previous: int  # K, frames of the window before that are seen


SIZES = {
    "paper": TransformerSize(layers=8, width=512, heads=8, window=100, previous=10),  # as published; W and K are not
    "live": TransformerSize(layers=4, width=192, heads=4, window=50, previous=10),
    "debug": TransformerSize(layers=2, width=32, heads=2, window=20, previous=4),
}


@dataclass(frozen=True)
class Conditions:
    """What a window is generated from; B windows of W frames. Everything is normalised as the pipeline does it.

    audio: (B, W, F).   gaze: (B, W, 2).   distance: (B, W, 1).   emotion: (B, W, EMOTION_DIM).   blinks: (B, W, 1).
    previous_motion: (B, K, pose + dynamics) and previous_audio: (B, K, F), the frames just before the window.
    known: bool (B, W, len(CONDITIONS)), which condition is given in which frame.   known_previous: bool (B,).
    """

    audio: torch.Tensor
    gaze: torch.Tensor
    distance: torch.Tensor
    emotion: torch.Tensor
    blinks: torch.Tensor
    previous_motion: torch.Tensor
    previous_audio: torch.Tensor
    known: torch.Tensor
    known_previous: torch.Tensor

    def without(self, name: str) -> Conditions:
        """The same with one of CONDITIONS unknown in every frame."""
        known = self.known.clone()
        known[..., CONDITIONS.index(name)] = False
        return Conditions(**(self.tensors() | {"known": known}))

    def tensors(self) -> dict[str, torch.Tensor]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def concatenate(cls, parts: list[Conditions]) -> Conditions:
        """Several batches as one."""
        return cls(**{name: torch.cat([p.tensors()[name] for p in parts]) for name in cls.__dataclass_fields__})


class MotionTransformer(ModelMixin, ConfigMixin):  # type: ignore[misc]  # the order diffusers' own models have
    """Transformer encoder over K previous and W current frames that predicts the clean current ones.

    Motion is normalised: `motion_mean` and `motion_std` (pose + dynamics,) are part of the weights, as are `audio_mean`
    and `audio_std` (F,) of the audio features, and `emotion_offset` (EMOTION_DIM, dynamics), the facial code that each
    emotion at full strength adds to what is generated: the transformer models how an emotion moves, not how it looks.
    `features` names the audio encoder the weights were trained with (vasa_core.motion.features).
    """

    @register_to_config
    def __init__(
        self,
        layers: int,
        width: int,
        heads: int,
        window: int,
        previous: int,
        dynamics_dim: int,
        audio_dim: int,
        features: str = "visemes",
        dropout: float = 0.1,
        reach: int = 4,  # frames to each side that the convolution sees
        train_steps: int = 1000,
        version: int = 1,  # of the weights; what a file without this entry is
    ) -> None:
        super().__init__()
        motion_dim = POSE_DIM + dynamics_dim
        sizes = {"audio": audio_dim, "gaze": 2, "distance": 1, "emotion": EMOTION_DIM, "blinks": 1}
        self.motion_in = nn.Linear(motion_dim, width)
        self.previous_in = nn.Linear(motion_dim, width)
        self.condition_in = nn.ModuleDict({name: nn.Linear(sizes[name], width) for name in CONDITIONS})
        self.absent = nn.Parameter(0.02 * torch.randn(len(CONDITIONS), width))
        self.no_previous = nn.Parameter(0.02 * torch.randn(width))
        self.position = nn.Parameter(0.02 * torch.randn(previous + window, width))
        self.time = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))
        self.convolution = nn.Conv1d(width, width, 2 * reach + 1, padding=reach, groups=width)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.motion_out = nn.Linear(width, motion_dim)
        for name, value in (("motion", motion_dim), ("audio", audio_dim)):
            self.register_buffer(f"{name}_mean", torch.zeros(value))
            self.register_buffer(f"{name}_std", torch.ones(value))
        self.register_buffer("emotion_offset", torch.zeros(EMOTION_DIM, dynamics_dim))

    @classmethod
    def of_size(cls, size: str, dynamics_dim: int, audio_dim: int, **options: Any) -> MotionTransformer:
        """A fresh model of one of SIZES. Raises ValueError for another name."""
        if size not in SIZES:
            raise ValueError(f"no size '{size}'; choose one of {', '.join(SIZES)}")
        return cls(**asdict(SIZES[size]), dynamics_dim=dynamics_dim, audio_dim=audio_dim, version=VERSION, **options)

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, conditions: Conditions) -> torch.Tensor:
        """Clean motion of a noisy window.

        sample:   (B, W, pose + dynamics), alpha * clean + sigma * noise with alpha^2 + sigma^2 = 1; W at most `window`.
        timestep: (B,) or, frame by frame, (B, W): 0 .. train_steps - 1 of the cosine schedule; need not be whole.
                  CLEAN says that a frame is known already: so windows overlap without a seam (Diffusion Forcing, arXiv
                  2407.01392, section 3).
        Returns the predicted clean window, (B, W, pose + dynamics).
        """
        levels = timestep[:, None].expand(sample.shape[:2]) if timestep.ndim == 1 else timestep  # (B, W)
        before = self.previous_in(conditions.previous_motion)  # (B, K, width)
        before = before + self.condition_in["audio"](conditions.previous_audio)
        before = torch.where(conditions.known_previous[:, None, None], before, self.no_previous)
        x = self.motion_in(sample)  # (B, W, width)
        for index, name in enumerate(CONDITIONS):
            told = self.condition_in[name](getattr(conditions, name))
            x = x + torch.where(conditions.known[..., index, None], told, self.absent[index])
        # The previous frames are told how noisy the rest is.
        levels_before = levels.max(1, keepdim=True).values.expand(-1, before.shape[1])
        time = self.time(time_features(torch.cat([levels_before, levels], 1)))  # (B, K + W, width)
        x = torch.cat([before, x], 1)
        x = x + self.position[: x.shape[1]] + time
        x = x + nn.functional.gelu(self.convolution(x.transpose(1, 2)).transpose(1, 2))
        x = self.motion_out(self.blocks(x)[:, self.config["previous"] :])  # (B, W, pose + dynamics)
        # What is already clear in a nearly clean window need not pass through the network: its output is what
        # velocity prediction would be, the result is still X0 (Salimans and Ho 2022, appendix D).
        alpha, sigma = cosine_schedule(levels, self.config["train_steps"])
        return alpha[..., None] * sample + sigma[..., None] * x


def cosine_schedule(timestep: torch.Tensor, train_steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """alpha and sigma of timesteps, each of their shape."""
    angle = ((timestep.float() + 1) / train_steps + SCHEDULE_OFFSET) / (1 + SCHEDULE_OFFSET) * math.pi / 2
    return torch.cos(angle), torch.sin(angle)


def time_features(timestep: torch.Tensor) -> torch.Tensor:
    """Sines and cosines of timesteps, (...) -> (..., 64)."""
    rate = torch.exp(-math.log(10_000) * torch.arange(32, device=timestep.device) / 32)
    angle = timestep.float()[..., None] * rate
    return torch.cat([angle.sin(), angle.cos()], -1)
