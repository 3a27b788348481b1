"""Build the corpus of the motion transformer: motion with the audio features and conditions of every frame.

    python -m vasa_core.training.motion_corpus .cache/tracks .cache/speech DATA_DIR [-o .cache/motion] [--seed 0]

Spoken tracks: utterances of the speech corpus, joined by pauses and made to sound like other recordings, with lips from
               their exact phone times (vasa_core.motion.articulation, fitted on the real clips) and with head, brows,
               blinks and gaze from the behaviour of real talkers, tied to this speech's prosody.
Real tracks:   the clips of clips/train, their audio-video offset undone. Clips without synchronous speech teach motion
               alone. clips/dev is never read.

Shards are written whole or not at all and skipped when there. At the end the statistics of both kinds are printed.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vasa_core.face.alignment import align
from vasa_core.motion.articulation import ARTICULATORS, close_lips, closure, measures, smooth, to_motion_rate
from vasa_core.motion.features import SPEECH, AudioEncoder, frames_of, load_encoder
from vasa_core.motion.prosody import Prosody, analyse
from vasa_core.motion.visemes import VISEMES
from vasa_core.training import performance as behave
from vasa_core.training.articulation import spoken_clip
from vasa_core.training.augment import augment, coloured_noise, music
from vasa_core.training.face_space import displacements
from vasa_core.training.media import read_sound
from vasa_core.training.speech_corpus import Utterance, load_shard
from vasa_core.training.talker import Talker
from vasa_core.training.tracks import load_tracks
from vasa_core.types import MOTION_RATE, POSE_DIM, SAMPLE_RATE, Controls

TRACK_SECONDS = 24.0  # length of a spoken track, roughly
LIVE_SHARE = 1 / 3  # of the tracks are heard as a live listener hears them
LIVELIER = 1.15  # factor on the head's movement: few steps of sampling lose about as much (docs/motion.md)
SILENT_SHARE = 0.05  # of the tracks hold no speech at all
EXACT_GAIN = 0.82  # certain visemes open the mouth wider than the doubtful ones that the articulation was scaled on
REST = 0.006  # face widths by which lips of the rest face may be pressed together
SHORTEST = 60  # frames of a real track worth keeping


@dataclass(frozen=True)
class MotionTrack:
    """One stretch of motion.

    motion: float32 (N, pose + dynamics).   audio: float32 (N, F).   real: tracked from video, so that the lips are
    blurred and personal.   gaze (2,) in degrees, distance as log scale, emotion (8,), blinks a minute: what holds for
    the whole track; NaN where unknown.   heard: whether the audio belongs to the motion.
    """

    motion: np.ndarray
    audio: np.ndarray
    gaze: np.ndarray
    distance: float
    emotion: np.ndarray
    blinks: float
    heard: bool
    real: bool


def joined(rng: np.random.Generator, utterances: list[Utterance], pieces: list[np.ndarray]) -> Utterance:
    """Utterances with pauses between them, as one recording might hold them; an even number of labels."""
    sounds: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    length = 0.0
    while length < TRACK_SECONDS:
        chosen = utterances[rng.integers(len(utterances))]
        pause = int(50 * min(3.0, rng.exponential(0.7)))
        sounds += [np.zeros(pause * 320, np.float32), chosen.samples * 10 ** (rng.normal(0, 2) / 20)]
        labels += [np.zeros(pause, np.uint8), chosen.labels]
        length += (pause + len(chosen.labels)) / 50
    label = np.concatenate(labels)[: int(50 * TRACK_SECONDS) // 2 * 2]
    sound = np.concatenate(sounds)[: len(label) * 320].astype(np.float32)
    return augment(rng, Utterance(sound, label), pieces) if rng.random() < 0.7 else Utterance(sound, label)


def random_controls(rng: np.random.Generator) -> Controls:
    """What a person may ask for; most tracks look at the viewer with a neutral face."""
    gaze = (0.0, 0.0) if rng.random() < 0.4 else (float(rng.uniform(-25, 25)), float(rng.uniform(-18, 18)))
    feelings = [e for e in Controls.EMOTIONS if e != "neutral"]
    emotion = {} if rng.random() < 0.5 else {str(rng.choice(feelings)): float(rng.uniform(0.2, 1))}
    blinks = None if rng.random() < 0.6 else float(rng.uniform(0, 50))
    return Controls(gaze=gaze, emotion=emotion, blinks=blinks, seed=int(rng.integers(2**31 - 1)))


def exact_lips(visemes: np.ndarray, upper: np.ndarray, prosody: Prosody, talker: Talker) -> np.ndarray:
    """Facial code (N, D) with lips added from visemes (2 N, classes) that are certain."""
    moves = to_motion_rate(smooth(talker.articulation.trajectories(visemes), 2), len(upper))  # (N, 6)
    moves *= EXACT_GAIN * (1 + 0.12 * np.clip(prosody.energy, -1.5, 1.5))[:, None]
    pressed = closure(visemes, len(upper))
    return close_lips(upper + moves @ talker.articulation.shapes, pressed, talker.space, talker.articulation.seal, REST)


def spoken_track(rng: np.random.Generator, spoken: Utterance, talker: Talker, encoder: AudioEncoder) -> MotionTrack:
    """Motion for sound whose visemes are known."""
    controls = random_controls(rng)
    count = frames_of(spoken.samples)
    exact = np.eye(len(VISEMES))[spoken.labels]  # (2 N, classes), certain
    prosody = analyse(spoken.samples, count)
    temper = behave.temper_of(controls.emotion)
    pose = behave.head_pose(prosody, talker.behaviour, LIVELIER, controls.seed, temper)
    upper = behave.upper_face(talker.space, prosody, talker.behaviour, pose, controls)
    code = exact_lips(exact, upper, prosody, talker)
    distance = float(rng.uniform(-0.5, 0.5)) if rng.random() < 0.5 else 0.0  # poses are relative to the asked distance
    emotion = np.array([controls.emotion.get(name, 0.0) for name in Controls.EMOTIONS], np.float32)
    blinks = talker.behaviour.blinks * temper.blinks if controls.blinks is None else controls.blinks
    motion = np.hstack([pose, code]).astype(np.float32)
    live = getattr(encoder, "live", None)  # what a live listener hears differs a little: the model knows both
    audio = live(spoken.samples) if live is not None and rng.random() < LIVE_SHARE else encoder(spoken.samples)
    return MotionTrack(motion, audio, np.array(controls.gaze), distance, emotion, blinks, heard=True, real=False)


def spoken_tracks(
    utterances: list[Utterance], count: int, talker: Talker, encoder: AudioEncoder, seed: tuple[int, ...]
) -> Iterator[MotionTrack]:
    """`count` tracks of the utterances of one shard."""
    rng = np.random.default_rng(seed)
    pieces = [music(rng, TRACK_SECONDS + 1) for _ in range(4)]
    for _ in range(count):
        if rng.random() < SILENT_SHARE:
            samples = coloured_noise(rng, int(TRACK_SECONDS * SAMPLE_RATE)) * 10 ** (-rng.uniform(45, 90) / 20)
            spoken = Utterance(samples.astype(np.float32), np.zeros(len(samples) // 320, np.uint8))
        else:
            spoken = joined(rng, utterances, pieces)
        yield spoken_track(rng, spoken, talker, encoder)


def real_tracks(tracks: Path, data: Path, talker: Talker, encoder: AudioEncoder) -> Iterator[MotionTrack]:
    """The clips of clips/train as motion, offsets undone; those whose sound is not theirs have heard = False."""
    space = talker.space
    named = getattr(encoder, "posteriors", None)  # visemes tell how far lips and sound are apart
    aligned, _ = align([t for t in load_tracks(tracks, "train") if t.found.sum() > 20], space.template)
    for track in aligned:
        moved, _ = displacements([track])
        code = space.encode(moved)
        angles = np.radians(track.angles - np.median(track.angles, 0))
        motion = np.hstack([angles, track.place, code]).astype(np.float32)
        audio, shift = np.zeros((len(motion), encoder.dim), np.float32), None
        if track.track.synchronous:
            samples = read_sound(data / "clips" / "train" / f"{track.track.name}.mp4")
            if named is not None and (clip := spoken_clip(track.track.name, moved, named(samples), track.track.offset)):
                shift = round(clip.offset * MOTION_RATE)
            elif track.track.offset is not None:
                shift = round(track.track.offset * MOTION_RATE)
        if shift is not None:  # lips that come late are moved forward
            sound = encoder(samples)
            motion, sound = motion[max(0, shift) :], sound[max(0, -shift) :]
            count = min(len(motion), len(sound))
            motion, audio = motion[:count], sound[:count]
        if len(motion) >= SHORTEST:
            gaze = np.median(motion[:, POSE_DIM + 2 : POSE_DIM + 4], 0)
            unknown = np.full(len(Controls.EMOTIONS), np.nan, np.float32)
            yield MotionTrack(motion, audio, gaze, 0.0, unknown, float("nan"), heard=shift is not None, real=True)


def save_tracks(path: Path, tracks: list[MotionTrack], encoder: str) -> None:
    """Write tracks as one .npz in half precision, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.stem + ".part.npz")
    whole = {name: np.array([getattr(t, name) for t in tracks]) for name in _WHOLE}
    np.savez(
        part,
        motion=np.concatenate([t.motion for t in tracks]).astype(np.float16),
        audio=np.concatenate([t.audio for t in tracks]).astype(np.float16),
        frames=np.array([len(t.motion) for t in tracks]),
        encoder=encoder,
        **whole,  # type: ignore[arg-type]
    )
    os.replace(part, path)


_WHOLE = ("gaze", "distance", "emotion", "blinks", "heard", "real")


def load_motion(path: Path) -> tuple[list[MotionTrack], str]:
    """Tracks of a file and the name of the encoder that heard them."""
    with np.load(path) as f:
        held = {name: f[name] for name in (*_WHOLE, "motion", "audio", "frames", "encoder")}
    ends = np.cumsum(held["frames"])
    out = []
    for i, (end, n) in enumerate(zip(ends, held["frames"], strict=True)):
        part = slice(end - n, end)
        audio = held["audio"][part].astype(np.float32)
        whole = {name: held[name][i] for name in _WHOLE}
        out.append(MotionTrack(held["motion"][part].astype(np.float32), audio, **whole))
    return out, str(held["encoder"])


def statistics(tracks: list[MotionTrack], talker: Talker) -> dict[str, float]:
    """Figures in which spoken and real tracks should agree."""
    degrees = [np.degrees(t.motion[:, :3].astype(float)) for t in tracks]
    weight = [len(d) for d in degrees]

    def mean(values: list[float]) -> float:
        return float(np.average(values, weights=weight))

    codes = [t.motion[:, POSE_DIM:] for t in tracks]
    per_unit = measures(talker.space.basis)[:, ARTICULATORS.index("opening")]
    shut = [(c[:, :2].mean(1) > 0.55) for c in codes]
    return {
        "minutes": sum(weight) / MOTION_RATE / 60,
        "dP": mean([float(np.abs(np.diff(d, axis=0)).mean()) for d in degrees]),
        "yaw": mean([float(d[:, 0].std()) for d in degrees]),
        "pitch": mean([float(d[:, 1].std()) for d in degrees]),
        "roll": mean([float(d[:, 2].std()) for d in degrees]),
        "blinks": mean([float((s[1:] & ~s[:-1]).sum() / len(s) * MOTION_RATE * 60) for s in shut]),
        "opening_95": mean([float(np.quantile(c @ per_unit, 0.95)) for c in codes]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracks", type=Path, help="folder written by vasa_core.training.tracks")
    parser.add_argument("speech", type=Path, help="folder written by vasa_core.training.speech_corpus")
    parser.add_argument("data", type=Path, help="folder with clips/train")
    parser.add_argument("-o", "--output", type=Path, default=Path(".cache/motion"))
    parser.add_argument("--encoder", default=SPEECH, help=f"'{SPEECH}' or a Wav2Vec2-class checkpoint of the hub")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    talker, encoder = Talker.from_pretrained(), load_encoder(options.encoder)
    shards = sorted(p for p in options.speech.glob("synthetic_*.npz") if ".part" not in p.name)
    for index, shard in enumerate([options.speech / "real_train.npz", *shards]):
        path = options.output / f"spoken_{shard.stem}.npz"
        if shard.exists() and not path.exists():
            utterances = load_shard(shard)
            # Real voices sound like what will be heard: each is used three times, in other recordings and moods.
            again = 3 if index == 0 else 1
            count = int(again * sum(len(u.labels) for u in utterances) / 50 / TRACK_SECONDS) + 1
            made = list(spoken_tracks(utterances, count, talker, encoder, (options.seed, index)))
            save_tracks(path, made, encoder.name)
            print(path.name, {k: round(v, 3) for k, v in statistics(made, talker).items()}, flush=True)
    path = options.output / "real.npz"
    if not path.exists():
        save_tracks(path, list(real_tracks(options.tracks, options.data, talker, encoder)), encoder.name)
    tracked, _ = load_motion(path)
    for name, kind in (("real, with speech", True), ("real, motion alone", False)):
        chosen = [t for t in tracked if t.heard == kind]
        if chosen:
            print(name, {k: round(v, 3) for k, v in statistics(chosen, talker).items()}, flush=True)


if __name__ == "__main__":
    main()
