"""What turns speech into motion must look like, and what all of it asks of the sound."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from vasa_core.errors import AudioLengthError, UnreadableAudio, WeightsError
from vasa_core.motion.visemes import VISEMES, VisemeConfig, VisemeNet
from vasa_core.types import SAMPLE_RATE, Controls, Motion
from vasa_core.weights import read_weights

LONGEST_SECONDS = 300.0


class MotionGenerator(Protocol):
    """What turns speech into motion."""

    def __call__(
        self, samples: np.ndarray, controls: Controls = ..., progress: Callable[[float], None] | None = None
    ) -> Motion:
        """float32 (n,) at 16 kHz -> Motion of ceil(seconds * MOTION_RATE) frames."""

    def stream(self, controls: Controls = ...) -> MotionSource:
        """Motion of speech that is still coming. Raises WeightsError when the model cannot hear live."""


class MotionSource(Protocol):
    """One live talker (vasa_core.motion.stream.MotionStream)."""

    lookahead: float  # seconds of sound that a frame waits for

    def push(self, samples: np.ndarray, controls: Controls | None = None) -> Motion:
        """float32 (n,) at 16 kHz, any n -> Motion of the frames that are final now, maybe none."""

    def finish(self) -> Motion:
        """The frames that still waited for sound."""


def check_samples(samples: np.ndarray) -> np.ndarray:
    """float32 (n,) or a named error."""
    samples = np.asarray(samples)
    if samples.ndim != 1 or samples.dtype.kind != "f":
        raise UnreadableAudio("The sound is not a single channel of decimal samples; give mono audio at 16 kHz.")
    if not np.isfinite(samples).all():
        raise UnreadableAudio("The sound holds samples that are not numbers; export the recording again.")
    if not 0 < len(samples) <= LONGEST_SECONDS * SAMPLE_RATE:
        raise AudioLengthError(
            f"The sound lasts {len(samples) / SAMPLE_RATE:.1f} s; give more than none and at most 5 minutes."
        )
    return np.clip(samples, -1, 1).astype(np.float32)


def load_viseme_net(path: Path) -> VisemeNet:
    """The viseme network of a weights file. Raises WeightsError."""
    tensors, metadata = read_weights(path, "visemes", "1")
    try:
        if tuple(json.loads(metadata["classes"])) != VISEMES:
            raise WeightsError(f"{path} names other visemes than this program; install matching weights.")
        net = VisemeNet(VisemeConfig(**json.loads(metadata["config"])))
        net.load_state_dict({name: torch.from_numpy(t.astype(np.float32)) for name, t in tensors.items()})
    except (KeyError, TypeError, RuntimeError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"{path} does not hold a viseme network ({type(error).__name__}); install Candor again."
        ) from None
    return net.eval()
