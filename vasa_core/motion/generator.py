"""Speech in, motion latents out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from vasa_core.errors import AudioLengthError, UnreadableAudio, WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion import behaviour as behave
from vasa_core.motion.articulation import Articulation, close_lips, closure, smooth, to_motion_rate
from vasa_core.motion.behaviour import Behaviour
from vasa_core.motion.prosody import Prosody, analyse
from vasa_core.motion.visemes import VISEME_RATE, VISEMES, VisemeConfig, VisemeNet, log_mel, normalise_loudness
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls, Motion
from vasa_core.weights import FOLDER, read_weights

LONGEST_SECONDS = 300.0
_CHUNK, _CONTEXT = 20 * VISEME_RATE, 2 * VISEME_RATE  # frames the network sees at once, and around them
_SMOOTHING = 2  # frames of VISEME_RATE to each side: leaves jaw movements below about 6 Hz
_REST_GAP = 0.006  # face widths by which lips of the rest face may be pressed together


class MotionGenerator(Protocol):
    """What turns speech into motion."""

    def __call__(
        self, samples: np.ndarray, controls: Controls = ..., progress: Callable[[float], None] | None = None
    ) -> Motion:
        """float32 (n,) at 16 kHz -> Motion of ceil(seconds * MOTION_RATE) frames."""


class SpeechMotion:
    """Lips from what is said (viseme network, then coarticulation), head and eyes from how it is said.

    Holds no state between calls and may be shared between threads.
    """

    def __init__(self, space: FaceSpace, net: VisemeNet, articulation: Articulation, behaviour: Behaviour) -> None:
        self.space, self.net, self.articulation, self.behaviour = space, net.eval(), articulation, behaviour

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> SpeechMotion:
        """The shipped weights, or face_space, visemes and motion.safetensors of the folder `path`. Raises
        WeightsError."""
        folder = Path(path) if path is not None else FOLDER
        space = FaceSpace.from_pretrained(folder / "face_space.safetensors")
        net = load_viseme_net(folder / "visemes.safetensors")
        tensors, _ = read_weights(folder / "motion.safetensors", "motion", "1")
        names = ("targets", "dominance", "onset", "release", "shapes", "seal")
        if any(n not in tensors for n in names) or tensors["shapes"].shape[1] != space.dim:
            raise WeightsError(f"{folder / 'motion.safetensors'} does not fit the face space; install Candor again.")
        return cls(space, net, Articulation(**{n: tensors[n] for n in names}), Behaviour.from_tensors(tensors))

    def __call__(
        self, samples: np.ndarray, controls: Controls = Controls(), progress: Callable[[float], None] | None = None
    ) -> Motion:
        """Motion of speech, float32 (n,) at 16 kHz in [-1, 1]; the same seed gives the same motion.

        position, rotation and distance of the controls are left to the renderer. Raises UnreadableAudio for sound that
        is not finite or not mono, AudioLengthError for no sound or more than 5 minutes.
        """
        samples = check_samples(samples)
        count = math.ceil(len(samples) / SAMPLE_RATE * MOTION_RATE)
        posteriors = self.posteriors(samples, progress)
        prosody = analyse(samples, count)
        pose = behave.head_pose(prosody, self.behaviour, controls.head_motion, controls.seed)
        upper = behave.upper_face(self.space, prosody, self.behaviour, pose, controls)
        dynamics = self.lips(posteriors, upper, prosody, controls.mouth)
        if progress is not None:
            progress(1.0)
        return Motion(pose, dynamics.astype(np.float32))

    def lips(self, posteriors: np.ndarray, upper: np.ndarray, prosody: Prosody, gain: float) -> np.ndarray:
        """Add lips to the code of the upper face (N, D) and see to it that they close."""
        count = len(upper)
        moves = to_motion_rate(smooth(self.articulation.trajectories(posteriors), _SMOOTHING), count)  # (N, 6)
        effort = 1 + 0.12 * np.clip(prosody.energy, -1.5, 1.5)  # louder speech opens the mouth a little more
        moves *= gain * effort[:, None]
        pressed = closure(posteriors, count) * min(1.0, gain)
        return close_lips(
            upper + moves @ self.articulation.shapes, pressed, self.space, self.articulation.seal, _REST_GAP
        )

    @torch.inference_mode()
    def posteriors(self, samples: np.ndarray, progress: Callable[[float], None] | None = None) -> np.ndarray:
        """Viseme posteriors (T, classes) at VISEME_RATE, computed in overlapping chunks so that memory stays small."""
        sound = torch.from_numpy(normalise_loudness(samples))[None]
        total = -(-len(samples) // 320)
        parts = []
        for start in range(0, total, _CHUNK):
            first, last = max(0, start - _CONTEXT), min(total, start + _CHUNK + _CONTEXT)
            p = self.net(log_mel(sound[:, first * 320 : last * 320]))[0].softmax(-1).numpy()
            parts.append(p[start - first : start - first + min(_CHUNK, total - start)])
            if progress is not None:
                progress(0.9 * min(1.0, (start + _CHUNK) / total))
        return np.concatenate(parts)


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
