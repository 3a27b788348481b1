"""Lips straight from a speech encoder, and how lips are compared with real talkers and with exact phone times."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

from benchmarks.scores import score_lips
from vasa_core.face.alignment import AlignedTrack, align
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import ARTICULATORS, Articulation, close_lips, measures, smooth, to_motion_rate
from vasa_core.motion.features import LIP_UNIT, AudioEncoder, SpeechFeatures, VisemeFeatures
from vasa_core.motion.prosody import analyse
from vasa_core.motion.visemes import VISEMES
from vasa_core.training.face_space import displacements, parts
from vasa_core.training.media import read_sound
from vasa_core.training.phones import Phone
from vasa_core.training.tracks import load_tracks
from vasa_core.types import MOTION_RATE

Source = Callable[[np.ndarray], np.ndarray]  # float32 (n,) at 16 kHz -> displacement (N, 478, 3) in face widths
REACH = 12  # frames by which a real talker's sound may be off
_REST_GAP = 0.006


class EncoderLips:
    """A Source: lips of an average face by what an encoder hears, without head, lids or a generator.

    by: "visemes", posteriors turned into lips by the articulation model, or "lips", the encoder's own lip targets.
    contact: whether lips are pressed together where the encoder hears a bilabial.
    """

    def __init__(
        self,
        encoder: AudioEncoder,
        space: FaceSpace,
        articulation: Articulation,
        by: str = "visemes",
        live: bool = False,
        contact: bool = True,
    ) -> None:
        self.encoder, self.space, self.articulation, self.by, self.live = encoder, space, articulation, by, live
        self.contact = contact
        self.heard: dict[bytes, np.ndarray] = {}  # sounds that were heard already; shared by both kinds of lips

    def features(self, samples: np.ndarray) -> np.ndarray:
        key = sha256(samples.tobytes()).digest()
        if key not in self.heard:
            if self.live:
                assert isinstance(self.encoder, SpeechFeatures)
                self.heard[key] = self.encoder.live(samples)
            else:
                self.heard[key] = self.encoder(samples)
        return self.heard[key]

    def posteriors(self, features: np.ndarray) -> np.ndarray:
        """(2 N, classes)."""
        return np.exp(features[:, : 2 * len(VISEMES)]).reshape(-1, len(VISEMES))

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        heard = self.features(samples)
        if self.by == "lips":
            first = 2 * len(VISEMES)
            moves = heard[:, first : first + len(ARTICULATORS)].astype(np.float64) * LIP_UNIT
        else:
            moves = to_motion_rate(smooth(self.articulation.trajectories(self.posteriors(heard)), 2), len(heard))
        code = moves @ self.articulation.shapes
        pressed = self.encoder.contact(heard) if self.contact else np.zeros(len(heard))
        code = close_lips(code, pressed, self.space, self.articulation.seal, _REST_GAP)
        return self.space.decode(code)


def encoder_sources(
    space: FaceSpace, articulation: Articulation, encoders: list[AudioEncoder]
) -> dict[str, EncoderLips]:
    """What is compared: each encoder by its visemes; the new one also by its lips, and as heard live."""
    out: dict[str, EncoderLips] = {}
    for encoder in encoders:
        out[encoder.name] = EncoderLips(encoder, space, articulation)
        if not isinstance(encoder, VisemeFeatures):
            out[f"{encoder.name}, live"] = EncoderLips(encoder, space, articulation, live=True)
            for name, live in ((encoder.name, False), (f"{encoder.name}, live", True)):
                lips = EncoderLips(encoder, space, articulation, by="lips", live=live)
                lips.heard = out[name].heard
                out[f"{name}, own lips"] = lips
        free = EncoderLips(
            encoder, space, articulation, by="visemes" if isinstance(encoder, VisemeFeatures) else "lips", contact=False
        )
        free.heard = out[encoder.name].heard
        out[f"{encoder.name}, before contact"] = free
    return out


def phones_of_labels(labels: np.ndarray) -> list[Phone]:
    """Viseme labels (T,) at 50 Hz as phones that the scores know: closures as M, open vowels as AA."""
    names = {VISEMES.index("bilabial"): "M", VISEMES.index("open"): "AA", VISEMES.index("mid"): "AA"}
    edges = np.flatnonzero(np.diff(labels.astype(int), prepend=-1, append=-1))
    return [(names.get(int(labels[a]), "-"), a / 50, b / 50) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def best_shift(real: np.ndarray, made: np.ndarray, reach: int = REACH) -> tuple[float, int]:
    """Highest correlation of two curves within `reach` frames, and the shift of `real` at which it is reached."""
    best, at = -1.0, 0
    for shift in range(-reach, reach + 1):
        a, b = shifted(real, made, shift)
        r = float(np.corrcoef(a, b)[0, 1]) if len(a) > 10 and a.std() > 0 and b.std() > 0 else 0.0
        if r > best:
            best, at = r, shift
    return best, at


def shifted(real: np.ndarray, made: np.ndarray, shift: int) -> tuple[np.ndarray, np.ndarray]:
    """Both, cut to what they share once `real` is moved `shift` frames forward."""
    count = min(len(real), len(made))
    return real[max(0, shift) : count + min(0, shift)], made[max(0, -shift) : count - max(0, shift)]


def vertex_error(real: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """Lip-vertex error of displacements (N, K, 3): mean over frames of the largest distance, % of the face's width.

    Also at the talker's own gain: with the one factor on `made` that fits this clip best.
    """

    def error(x: np.ndarray) -> float:
        return 100 * float(np.linalg.norm(real - x, axis=2).max(1).mean())

    gain = float((real * made).sum() / max((made**2).sum(), 1e-9))
    return error(made), error(max(gain, 0.0) * made)


def loudness_lips(tracks: list[AlignedTrack], folder: Path, points: list[int]) -> np.ndarray:
    """The best linear guess of lip displacement from loudness, fitted on real clips, (3, K * 3)."""
    causes, effects = [], []
    for track in tracks:
        samples = read_sound(folder / f"{track.track.name}.mp4")
        moved, _ = displacements([track])
        lips = moved[:, points].reshape(len(moved), -1)
        offset = round((track.track.offset or 0.0) * MOTION_RATE)
        cause, effect = shifted(loudness(samples, len(lips)), lips, 0)
        effect, cause = shifted(effect, cause, offset)
        causes.append(cause)
        effects.append(effect)
    return np.linalg.lstsq(np.concatenate(causes), np.concatenate(effects), rcond=None)[0]


def loudness(samples: np.ndarray, count: int) -> np.ndarray:
    """What the loudness baseline hears, (count, 3)."""
    tone = analyse(samples, count)
    return np.stack([np.ones(count), tone.activity, tone.energy], 1)


def against_talkers(sources: dict[str, Source], space: FaceSpace, data: Path, tracks: Path) -> dict[str, dict]:
    """Lips beside those of the real talkers of clips/dev: correlation of the opening, lip-vertex error.

    Each clip's offset between sound and picture is the shift within REACH frames that suits the compared lips best, for
    the baselines too. Baselines: loudness (the energy for the correlation, a linear fit on clips/train for the
    vertices), the first source's lips moved by half the clip ("shuffled"), and lips that never move.
    """
    train, dev = (
        align([t for t in load_tracks(tracks, split, measured) if t.synchronous], space.template)[0]
        for split, measured in (("train", True), ("dev", False))  # of clips/dev, also those that are hard to place
    )
    points = parts()["lips"]
    fit = loudness_lips(train, data / "clips" / "train", points)
    out: dict[str, dict] = {}
    for track in dev:
        samples = read_sound(data / "clips" / "dev" / f"{track.track.name}.mp4")
        real = displacements([track])[0]
        wide = measures(real)[:, 0]
        made = {name: source(samples) for name, source in sources.items()}
        first = next(iter(made.values()))
        made["shuffled"] = np.roll(first, len(first) // 2, axis=0)
        guessed = np.zeros((len(real), *real.shape[1:]), np.float32)
        guessed[:, points] = (loudness(samples, len(real)) @ fit).reshape(len(real), -1, 3)
        made["loudness"] = guessed
        made["still"] = np.zeros_like(real)
        for name, shape in made.items():
            curve = analyse(samples, len(real)).energy if name == "loudness" else measures(shape)[:, 0]
            r, at = best_shift(wide, curve)
            errors = vertex_error(*shifted(real[:, points], shape[:, points], at))
            row = out.setdefault(name, {"r": {}, "lve": {}, "lve_own_gain": {}, "offset_ms": {}})
            row["r"][track.track.name] = r
            row["lve"][track.track.name], row["lve_own_gain"][track.track.name] = errors
            row["offset_ms"][track.track.name] = 40 * at
    return out


def score_exact(opening: np.ndarray, labels: np.ndarray, samples: np.ndarray) -> dict[str, float]:
    """Figures of the lips against exact visemes (T,) at 50 Hz."""
    return score_lips(opening, phones_of_labels(labels), samples)
