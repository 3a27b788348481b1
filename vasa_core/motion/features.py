"""What the motion transformer hears: audio features in step with the motion, 25 a second, for sound of any length."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from vasa_core.errors import WeightsError
from vasa_core.motion.articulation import closure
from vasa_core.motion.generator import load_viseme_net
from vasa_core.motion.prosody import analyse
from vasa_core.motion.visemes import VISEME_RATE, VISEMES, VisemeNet, log_mel, normalise_loudness
from vasa_core.types import MOTION_RATE, SAMPLE_RATE
from vasa_core.weights import FOLDER

SHIPPED = "visemes"  # name of the encoder that ships
_CHUNK, _CONTEXT = 20, 2  # seconds a network sees at once, and around them
_FAINTEST = -8.0  # log-posteriors below it say nothing

Progress = Callable[[float], None]


class AudioEncoder(Protocol):
    """Sound, float32 (n,) at 16 kHz -> features, float32 (ceil(n / 640), dim)."""

    name: str
    dim: int

    def __call__(self, samples: np.ndarray, progress: Progress | None = None) -> np.ndarray: ...

    def contact(self, features: np.ndarray) -> np.ndarray:
        """How surely the lips touch, (N, dim) -> (N,) in 0..1; zeros when the features do not tell."""
        ...


def frames_of(samples: np.ndarray) -> int:
    """Motion frames that a sound (n,) lasts."""
    return math.ceil(len(samples) / SAMPLE_RATE * MOTION_RATE)


class VisemeFeatures:
    """The shipped encoder: log-posteriors of the viseme network, two per frame, and four numbers of prosody."""

    name = SHIPPED
    dim = 2 * len(VISEMES) + 4

    def __init__(self, net: VisemeNet) -> None:
        self.net = net.eval()

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> VisemeFeatures:
        """The shipped network or the one in the file `path`. Raises WeightsError."""
        return cls(load_viseme_net(path or FOLDER / "visemes.safetensors"))

    def __call__(self, samples: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        count = frames_of(samples)
        heard = self.log_posteriors(samples, progress)
        heard = np.pad(heard, ((0, max(0, 2 * count - len(heard))), (0, 0)), mode="edge")[: 2 * count]
        heard = heard.reshape(count, 2 * len(VISEMES))  # (frames, two moments of 20 ms x classes)
        tone = analyse(samples, count)
        voice = np.stack([tone.activity, tone.energy, tone.pitch / 6, tone.accents], 1)
        return np.concatenate([heard, voice], 1).astype(np.float32)

    def contact(self, features: np.ndarray) -> np.ndarray:
        """Bilabials that are worth believing, (N, dim) -> (N,)."""
        posteriors = np.exp(features[:, : 2 * len(VISEMES)]).reshape(-1, len(VISEMES))  # (2 N, classes)
        return closure(posteriors, len(features))

    @torch.inference_mode()
    def log_posteriors(self, samples: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """(ceil(n / 320), classes) at VISEME_RATE, computed in overlapping chunks so that memory stays small."""
        sound = torch.from_numpy(normalise_loudness(samples))[None]
        hop = SAMPLE_RATE // VISEME_RATE
        total = -(-len(samples) // hop)
        chunk, context = _CHUNK * VISEME_RATE, _CONTEXT * VISEME_RATE
        parts = []
        for start in range(0, total, chunk):
            first, last = max(0, start - context), min(total, start + chunk + context)
            p = self.net(log_mel(sound[:, first * hop : last * hop]))[0].log_softmax(-1).clamp(min=_FAINTEST).numpy()
            parts.append(p[start - first : start - first + min(chunk, total - start)])
            if progress is not None:
                progress(min(1.0, (start + chunk) / total))
        return np.concatenate(parts)


class HubFeatures:
    """Last hidden states of a frozen `transformers` speech model of the Wav2Vec2 kind (Wav2Vec2, HuBERT, WavLM).

    name: a model id of the Hugging Face hub or a folder. Raises WeightsError when it cannot be loaded.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoModel

        try:
            self.model = AutoModel.from_pretrained(name).eval()
        except (OSError, ValueError) as error:
            raise WeightsError(f"The audio encoder '{name}' cannot be loaded ({type(error).__name__}).") from None
        if not hasattr(self.model.config, "conv_stride"):
            raise WeightsError(f"'{name}' is not a speech model of the Wav2Vec2 kind; choose another encoder.")
        self.name = name
        self.dim = int(self.model.config.hidden_size)

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        count, hop = frames_of(samples), SAMPLE_RATE // MOTION_RATE
        sound = (samples - samples.mean()) / (samples.std() + 1e-5)
        sound = np.pad(sound, (0, count * hop - len(sound))).astype(np.float32)
        chunk, context = _CHUNK * MOTION_RATE, _CONTEXT * MOTION_RATE
        parts = []
        for start in range(0, count, chunk):
            first, last = max(0, start - context), min(count, start + chunk + context)
            piece = torch.from_numpy(sound[first * hop : last * hop])[None]
            piece = torch.nn.functional.pad(piece, (0, max(0, SAMPLE_RATE // 10 - piece.shape[1])))
            hidden = self.model(piece).last_hidden_state.transpose(1, 2)  # (1, dim, about 50 a second)
            frames = max(last - first, piece.shape[1] // hop)
            hidden = torch.nn.functional.interpolate(hidden, frames, mode="linear")[0].T.numpy()  # (frames, dim)
            parts.append(hidden[start - first : start - first + min(chunk, count - start)])
            if progress is not None:
                progress(min(1.0, (start + chunk) / count))
        return np.concatenate(parts).astype(np.float32)

    def contact(self, features: np.ndarray) -> np.ndarray:
        return np.zeros(len(features))


def load_encoder(name: str, folder: Path | None = None) -> AudioEncoder:
    """The shipped encoder (of the weights in `folder`) or one of the hub by its name. Raises WeightsError."""
    if name == SHIPPED:
        return VisemeFeatures.from_pretrained(folder and folder / "visemes.safetensors")
    return HubFeatures(name)
