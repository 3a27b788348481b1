"""What the motion transformer hears: audio features in step with the motion, 25 a second, for sound of any length."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from vasa_core.errors import WeightsError
from vasa_core.motion.articulation import ARTICULATORS, Closing, closure
from vasa_core.motion.encoder import AHEAD, LOOK_AHEAD, MOMENTS, STEM_BEFORE, Heard, SpeechEncoder, mels_between
from vasa_core.motion.generator import load_viseme_net
from vasa_core.motion.incremental import Listener, Past
from vasa_core.motion.listening import LOUDNESS_FRAME, RunningLoudness, RunningProsody
from vasa_core.motion.prosody import FRAME, Prosody, analyse
from vasa_core.motion.visemes import VISEME_RATE, VISEMES, VisemeNet, log_mel, normalise_loudness
from vasa_core.types import MOTION_RATE, SAMPLE_RATE
from vasa_core.weights import FOLDER

SPEECH = "speech"  # name of the encoder that ships
SHIPPED = "visemes"  # name of the first one, which older motion models hear
LIP_UNIT = 0.05  # face widths
_CHUNK, _CONTEXT = 20, 2  # seconds a network sees at once, and around them
# For this encoder's posteriors (docs/motion.md). Its hills are low, so low ones are believed; they are wide, so only
# their upper half counts: else lips would be shut for twice as much of the speech as those of real talkers.
_CLOSING = Closing(doubtful=0.06, certain=0.14, foot=0.5, summit=0.9, beside=0.6)
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

    def rest(self, features: np.ndarray) -> np.ndarray:
        """How surely nobody speaks, (N, dim) -> (N,) in 0..1; zeros when the features do not tell."""
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
        return np.concatenate([heard, voice(tone)], 1).astype(np.float32)

    def contact(self, features: np.ndarray) -> np.ndarray:
        """Bilabials that are worth believing, (N, dim) -> (N,)."""
        posteriors = np.exp(features[:, : 2 * len(VISEMES)]).reshape(-1, len(VISEMES))  # (2 N, classes)
        return closure(posteriors, len(features))

    def rest(self, features: np.ndarray) -> np.ndarray:
        return quiet(features, len(VISEMES))

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


class SpeechFeatures:
    """The encoder that ships: what is said (two viseme posteriors per frame), what lips and jaw do, and prosody.

    Columns: 28 log-posteriors (visemes of the first, then of the second 20 ms), lips (ARTICULATORS, in LIP_UNIT face
    widths), prosody (activity, energy, pitch / 6, accents). Holds no state between calls; threads may share it.
    """

    name = SPEECH
    dim = MOMENTS * len(VISEMES) + len(ARTICULATORS) + 4

    def __init__(self, encoder: SpeechEncoder) -> None:
        self.encoder = encoder.eval()

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> SpeechFeatures:
        """The shipped encoder or the one in the folder `path`. Raises WeightsError."""
        return cls(SpeechEncoder.load(path or FOLDER / "speech_encoder"))

    def __call__(self, samples: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """The whole sound is known: attention looks ahead."""
        return np.concatenate([self._heard(samples, progress), voice(analyse(samples, frames_of(samples)))], 1)

    def live(self, samples: np.ndarray) -> np.ndarray:
        """The same sound as a live listener hears it, (N, dim): little look-ahead, loudness as known so far."""
        stream = self.stream()
        parts = [
            stream.push(samples[i : i + _CHUNK * SAMPLE_RATE]) for i in range(0, len(samples), _CHUNK * SAMPLE_RATE)
        ]
        return np.concatenate([*parts, stream.flush()])

    def stream(self) -> SpeechStream:
        """A live listener of its own."""
        return SpeechStream(self.encoder)

    def contact(self, features: np.ndarray) -> np.ndarray:
        """Bilabials that are worth believing, (N, dim) -> (N,)."""
        return closure(self.visemes_of(features), len(features), _CLOSING)

    def rest(self, features: np.ndarray) -> np.ndarray:
        """Frames of silence, (N, dim) -> (N,)."""
        return quiet(features, len(VISEMES))

    @staticmethod
    def lips(features: np.ndarray) -> np.ndarray:
        """What lips and jaw do, ARTICULATORS in face widths, (N, dim) -> (N, 6)."""
        first = MOMENTS * len(VISEMES)
        return features[:, first : first + len(ARTICULATORS)].astype(np.float64) * LIP_UNIT

    @staticmethod
    def visemes_of(features: np.ndarray) -> np.ndarray:
        """Viseme posteriors (2 N, classes) at VISEME_RATE in features (N, dim)."""
        return np.exp(features[:, : MOMENTS * len(VISEMES)]).reshape(-1, len(VISEMES))

    def posteriors(self, samples: np.ndarray, live: bool = False, progress: Progress | None = None) -> np.ndarray:
        """Viseme posteriors (2 N, classes) at VISEME_RATE."""
        return self.visemes_of(self.live(samples) if live else self._heard(samples, progress))

    @torch.inference_mode()
    def _heard(self, samples: np.ndarray, progress: Progress | None) -> np.ndarray:
        """All columns but the prosody. Cut into chunks with all the context that can matter around them."""
        sound = torch.from_numpy(normalise_loudness(samples))
        count, chunk = frames_of(samples), _CHUNK * MOTION_RATE
        before, after = self.encoder.reach, AHEAD * self.encoder.config.num_hidden_layers
        parts = []
        for start in range(0, count, chunk):
            first, last = max(0, start - before), min(count, start + chunk) + after
            heard = self.encoder(mels_between(sound, first, last)[:, STEM_BEFORE:])
            parts.append(columns(heard, self.encoder)[start - first : min(count, start + chunk) - first])
            if progress is not None:
                progress(min(1.0, (start + chunk) / count))
        return np.concatenate(parts)


def quiet(features: np.ndarray, classes: int) -> np.ndarray:
    """Silence (N,) in 0..1 from features that begin with two log-posteriors per frame and end with the prosody.

    No voice and no viseme from two frames before to one after: pauses between words do not count.
    """
    said = np.exp(features[:, [0, classes]]).min(1) * (1 - features[:, -4])  # rest is the first viseme
    sure = np.pad(np.clip((said - 0.5) / 0.3, 0, 1), (3, 2), mode="edge")
    least = np.min([sure[k : k + len(features) + 2] for k in range(4)], axis=0)  # frames -1 .. N
    return np.array(0.25 * least[:-2] + 0.5 * least[1:-1] + 0.25 * least[2:])


def columns(heard: Heard, encoder: SpeechEncoder) -> np.ndarray:
    """Log-posteriors and lips of one item, (T, MOMENTS * classes + articulators)."""
    said = heard.visemes[0].log_softmax(-1).clamp(min=_FAINTEST).flatten(1)  # (T, MOMENTS * classes)
    rest = heard.visemes[0].softmax(-1)[..., 0].mean(1, keepdim=True)  # (T, 1): in silence the lips are at rest
    lips = heard.lips[0] * (encoder.lip_spread / LIP_UNIT) * (1 - rest)
    return torch.cat([said, lips], 1).float().numpy()


def voice(tone: Prosody) -> np.ndarray:
    """Prosody as features, float32 (N, 4)."""
    return np.stack([tone.activity, tone.energy, tone.pitch / 6, tone.accents], 1).astype(np.float32)


class SpeechStream:
    """One live listener: samples in, features of the frames that are final out, LOOK_AHEAD samples behind.

    However the sound is cut into pushes, the features are the same. Not to be shared between threads.
    """

    def __init__(self, encoder: SpeechEncoder) -> None:
        self.encoder, self._listener = encoder, Listener(encoder)
        self.loudness, self.prosody = RunningLoudness(), RunningProsody()
        self._raw = np.zeros(0, np.float32)  # samples that do not fill a frame of loudness yet
        self._sound = np.zeros(0, np.float32)  # normalised samples from frame `_begin` on
        self._begin = self._done = 0  # frames of motion
        self._past: list[Past] | None = None

    def push(self, samples: np.ndarray) -> np.ndarray:
        """float32 (n,) at 16 kHz, any n -> float32 (frames, dim)."""
        raw = np.concatenate([self._raw, samples.astype(np.float32)])
        whole = len(raw) // LOUDNESS_FRAME * LOUDNESS_FRAME
        self._raw = raw[whole:]
        self.prosody.push(raw[:whole])
        self._sound = np.concatenate([self._sound, self.loudness.normalise(raw[:whole])])
        ready = (self._begin * FRAME + len(self._sound) - LOOK_AHEAD) // FRAME
        return self._hear(ready)

    def flush(self) -> np.ndarray:
        """The frames that are left, as if silence followed. The stream is at its end."""
        rest = len(self._raw)
        total = math.ceil((self._begin * FRAME + len(self._sound) + rest) / FRAME)
        silence = np.zeros(3 * FRAME + LOUDNESS_FRAME - rest % LOUDNESS_FRAME, np.float32)
        padded = np.concatenate([self._raw, silence])
        self._raw = np.zeros(0, np.float32)
        self.prosody.push(padded)
        self._sound = np.concatenate([self._sound, self.loudness.normalise(padded)])
        return self._hear(total)

    @torch.inference_mode()
    def _hear(self, ready: int) -> np.ndarray:
        """Features of the frames up to `ready`."""
        if ready <= self._done:
            return np.zeros((0, SpeechFeatures.dim), np.float32)
        first, last = self._done - self._begin, ready - self._begin
        mels = mels_between(torch.from_numpy(self._sound), first, last)
        said, lips, self._past = self._listener.extend(mels[0].numpy(), self._past)
        heard = Heard(torch.from_numpy(said)[None], torch.from_numpy(lips)[None])
        out = np.concatenate([columns(heard, self.encoder), voice(self.prosody.frames(ready - self._done))], 1)
        self._done = ready
        drop = max(0, ready - 2 - self._begin)  # a log-mel window of the next frame reaches back
        self._sound, self._begin = self._sound[drop * FRAME :], self._begin + drop
        return out


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

    def rest(self, features: np.ndarray) -> np.ndarray:
        return np.zeros(len(features))


def load_encoder(name: str, folder: Path | None = None) -> AudioEncoder:
    """The shipped encoder (of the weights in `folder`) or one of the hub by its name. Raises WeightsError."""
    if name == SPEECH:
        return SpeechFeatures.from_pretrained(folder and folder / "speech_encoder")
    if name == SHIPPED:
        return VisemeFeatures.from_pretrained(folder and folder / "visemes.safetensors")
    return HubFeatures(name)
