"""What the mouth is saying: log-mel features and a small network that names the viseme, 50 times a second."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import nn

from vasa_core.types import SAMPLE_RATE

VISEME_RATE = 50  # Hz
HOP = SAMPLE_RATE // 100  # samples between log-mel frames (10 ms); the network's first layer halves the rate
WINDOW = 400  # samples (25 ms)
FFT = 512
MELS = 48
LOUDNESS = 0.1  # root mean square that the loud parts of a clip are brought to
MAX_GAIN = 30.0  # silence stays silence: no clip is amplified more than this

# Classes that look alike on the lips, after Fisher (1968) and the groups of MPEG-4 FBA visemes.
VISEMES = (
    "rest",  # silence
    "bilabial",  # m b p: lips closed
    "labiodental",  # f v: lower lip at the upper teeth
    "dental",  # th dh
    "alveolar",  # t d n l
    "sibilant",  # s z
    "postalveolar",  # sh zh ch jh
    "back",  # k g ng h
    "rhotic",  # r er
    "tight_round",  # w uw
    "round",  # ow ao oy uh
    "open",  # aa ay aw
    "mid",  # ae eh ey ah
    "spread",  # iy ih y
)


@dataclass(frozen=True)
class VisemeConfig:
    """Size of the viseme network."""

    mels: int = MELS
    classes: int = len(VISEMES)
    width: int = 128  # channels of the convolutions
    blocks: int = 6  # dilations 1, 2, 4, 8, 1, 2 ...: about +-0.6 s of context
    kernel: int = 7
    gru: int = 96  # units per direction
    dropout: float = 0.1

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


@lru_cache(maxsize=1)
def mel_filters() -> torch.Tensor:
    """Triangular filters, float32 (FFT // 2 + 1, MELS), 60 to 7,600 Hz on the HTK mel scale."""
    edges_mel = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 7600 / 700), MELS + 2)
    edges = 700 * (10 ** (edges_mel / 2595) - 1)
    hz = np.arange(FFT // 2 + 1) * SAMPLE_RATE / FFT
    rise = (hz[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[None, 2:] - hz[:, None]) / (edges[2:] - edges[1:-1])
    return torch.from_numpy(np.clip(np.minimum(rise, fall), 0, None).astype(np.float32))


def normalise_loudness(samples: np.ndarray) -> np.ndarray:
    """Bring the loud tenth of the 20 ms frames to LOUDNESS; silence is left alone. (n,) -> (n,)."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)  # (frames, 320)
    if not len(frames):
        return samples
    loud = float(np.quantile(np.sqrt((frames.astype(np.float64) ** 2).mean(1)), 0.9))
    return (samples * min(MAX_GAIN, LOUDNESS / max(loud, 1e-6))).astype(np.float32)


def log_mel(samples: torch.Tensor) -> torch.Tensor:
    """Log-mel energies. (batch, n) -> (batch, 2 * ceil(n / 320), MELS), about zero mean for speech."""
    count = 2 * -(-samples.shape[-1] // (2 * HOP))  # an even number of frames: two per viseme
    need = (count - 1) * HOP + FFT
    padded = nn.functional.pad(samples, (FFT // 2 - HOP // 2, max(0, need - samples.shape[-1])))
    frames = padded.unfold(-1, FFT, HOP)[:, :count]  # (batch, count, FFT), centred on the hop's middle
    window = nn.functional.pad(torch.hann_window(WINDOW), ((FFT - WINDOW) // 2, FFT - WINDOW - (FFT - WINDOW) // 2))
    power = torch.fft.rfft(frames * window).abs() ** 2  # (batch, count, FFT // 2 + 1)
    return torch.log(power @ mel_filters() + 1e-3) / 3.0


class _Block(nn.Module):
    """Depthwise dilated convolution, then a pointwise bottleneck, with a residual path."""

    def __init__(self, config: VisemeConfig, dilation: int) -> None:
        super().__init__()
        width = config.width
        self.depthwise = nn.Conv1d(
            width, width, config.kernel, padding=dilation * (config.kernel // 2), dilation=dilation, groups=width
        )
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (batch, time, width)
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.dropout(self.down(nn.functional.gelu(self.up(self.norm(y)))))


class VisemeNet(nn.Module):
    """Log-mels (batch, 2 T, MELS) at 100 Hz -> logits (batch, T, classes) at VISEME_RATE."""

    def __init__(self, config: VisemeConfig = VisemeConfig()) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv1d(config.mels, config.width, 6, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block(config, 2 ** (i % 4)) for i in range(config.blocks))
        self.norm = nn.LayerNorm(config.width)
        self.gru = nn.GRU(config.width, config.gru, batch_first=True, bidirectional=True)
        self.head = nn.Linear(config.width + 2 * config.gru, config.classes)

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        x = nn.functional.gelu(self.stem(mels.transpose(1, 2))).transpose(1, 2)  # (batch, T, width)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(torch.cat([x, self.gru(x)[0]], -1))
