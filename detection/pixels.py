"""The pixel branch: a small network, trained from scratch, that looks at crops and at the skin laid flat."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from detection.skin import CHANNELS

# Residual filters that hide the picture and keep its fine structure (Fridrich and Kodovsky, IEEE TIFS 7(3), 2012).
_RESIDUALS = np.zeros((3, 5, 5), np.float32)
_RESIDUALS[0, 2, 1:4] = (0.5, -1, 0.5)
_RESIDUALS[1, 1:4, 1:4] = np.array([[-1, 2, -1], [2, -4, 2], [-1, 2, -1]]) / 4
_RESIDUALS[2] = (
    np.array([[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]) / 12
)
_LOUDNESS = 12.0  # grey levels at which a residual is cut off


@dataclass(frozen=True)
class PixelConfig:
    """Widths of the five stages of either tower. residual: grey levels at which a residual counts as 1."""

    crop_widths: tuple[int, ...] = (16, 32, 48, 64, 96)
    skin_widths: tuple[int, ...] = (16, 32, 48, 64)
    dropout: float = 0.3
    residual: float = 4.0

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


class _Stage(nn.Module):
    """Depthwise-separable convolution that halves the sides, then one with a residual path."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.down = nn.Sequential(
            nn.Conv2d(inside, inside, 3, stride=2, padding=1, groups=inside, bias=False),
            nn.Conv2d(inside, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(),
        )
        self.stay = nn.Sequential(
            nn.Conv2d(outside, outside, 3, padding=1, groups=outside, bias=False),
            nn.Conv2d(outside, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.down(x)
        return nn.functional.relu(x + self.stay(x))


class _Tower(nn.Module):
    """Pictures (B, C, S, S) -> feature maps (B, widths[-1], S / 2**n, S / 2**n)."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        self.stages = nn.Sequential(*(_Stage(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.stages(self.stem(x))


class PixelNet(nn.Module):
    """Two towers, each with a logit of its own; a window's logit is their sum.

    A tower ends in global average pooling and one linear layer, so its feature maps weighted by that layer are the
    class activation map (Zhou et al., CVPR 2016): where in the face the evidence lies.
    """

    def __init__(self, config: PixelConfig = PixelConfig()) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("residuals", torch.from_numpy(_RESIDUALS)[:, None], persistent=False)
        self.crop_tower = _Tower(6, config.crop_widths)
        self.skin_tower = _Tower(len(CHANNELS), config.skin_widths)
        self.dropout = nn.Dropout(config.dropout)
        self.crop_head = nn.Linear(config.crop_widths[-1], 1)
        self.skin_head = nn.Linear(config.skin_widths[-1], 1)

    def see(self, crops: torch.Tensor) -> torch.Tensor:
        """float (B, 3, S, S) in 0..255 -> (B, 6, S, S): colours about zero, and three residuals of the luma."""
        luma = (crops * crops.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
        residual = nn.functional.conv2d(luma, self.residuals, padding=2)  # type: ignore[arg-type]  # a buffer
        residual = residual.clamp(-_LOUDNESS, _LOUDNESS) / self.config.residual
        return torch.cat([(crops - 128) / 64, residual], 1)

    def forward(self, crops: torch.Tensor, skin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """crops (B, F, 3, S, S) in 0..255, skin (B, 5, M, M) -> logits of crops and of skin (B,), and the embedding of
        the skin (B, E), by which it is told what is unlike anything seen."""
        batch, count = crops.shape[:2]
        seen = self.crop_tower(self.see(crops.flatten(0, 1)))  # (B F, W, s, s)
        pooled = seen.mean((2, 3)).view(batch, count, -1).mean(1)  # (B, W)
        flat = self.skin_tower(skin).mean((2, 3))
        crop_logit = self.crop_head(self.dropout(pooled))[:, 0]
        skin_logit = self.skin_head(self.dropout(flat))[:, 0]
        return crop_logit, skin_logit, flat

    @torch.inference_mode()
    def activation(self, skin: torch.Tensor) -> np.ndarray:
        """Class activation maps float32 (N, s, s) of skin maps (N, 5, M, M); positive speaks for generated."""
        seen = self.skin_tower(skin)
        return torch.einsum("nchw,c->nhw", seen, self.skin_head.weight[0]).numpy()


def as_tensor(crops: np.ndarray) -> torch.Tensor:
    """uint8 (..., S, S, 3) -> float32 (..., 3, S, S)."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(crops, -1, -3))).float()
