"""What the speech encoder is trained on: sound with visemes, and with what lips and jaw do.

Lips of synthesised and aligned speech come from the articulation model, driven by exact phone times; lips of the real
clips are tracked, with the audio-video offset undone, and count only up to each person's own gain and rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vasa_core.motion.articulation import ARTICULATORS, Articulation, closure, smooth
from vasa_core.motion.encoder import MELS_PER_FRAME, MOMENTS, STEM_AHEAD
from vasa_core.motion.visemes import MELS, VISEMES, log_mel, normalise_loudness
from vasa_core.training.articulation import SpokenClip
from vasa_core.training.augment import along, augment, coloured_noise, music, tempo_path
from vasa_core.training.speech_corpus import CorpusMissing, Utterance, load_shard

EXACT_GAIN = 0.82  # certain visemes open the mouth wider than the doubtful ones that the articulation was scaled on


@dataclass(frozen=True)
class Spoken:
    """Sound with its targets.

    samples: float32 (n,).   labels: uint8 (T,) visemes, 50 a second.   lips: float32 (T, articulators), face widths.
    labelled: whether the labels are known.   personal: whether the lips are one person's, tracked from video.
    """

    samples: np.ndarray
    labels: np.ndarray
    lips: np.ndarray
    labelled: bool = True
    personal: bool = False


def lips_of(labels: np.ndarray, articulation: Articulation) -> np.ndarray:
    """What lips and jaw do while visemes (T,) are said, float32 (T, articulators); bilabials close."""
    certain = np.eye(len(VISEMES))[labels]
    moves = EXACT_GAIN * smooth(articulation.trajectories(certain), 2)
    pressed = np.repeat(closure(certain, -(-len(labels) // 2)), 2)[: len(labels)]
    moves[:, ARTICULATORS.index("opening")] *= 1 - pressed
    return moves.astype(np.float32)


@dataclass(frozen=True)
class EncoderCorpus:
    """Everything in memory. `pieces` are made-up music; `spread` (articulators,) is the size of lip movements."""

    synthetic: list[Spoken]
    real: list[Spoken]
    tracked: list[Spoken]
    held_out: list[Utterance]
    pieces: list[np.ndarray]
    spread: np.ndarray

    @classmethod
    def load(
        cls,
        folder: Path,
        articulation: Articulation,
        clips: list[tuple[np.ndarray, SpokenClip]],
        seed: int = 0,
        pieces: int = 32,
    ) -> EncoderCorpus:
        """folder: written by vasa_core.training.speech_corpus.   clips: sound and lips of real clips, offset undone.

        Raises CorpusMissing when there is nothing to train on.
        """
        shards = sorted(p for p in folder.glob("synthetic_*.npz") if ".part" not in p.name)
        real, held_out = (
            load_shard(folder / name) if (folder / name).exists() else []
            for name in ("real_train.npz", "real_held_out.npz")
        )

        def spoken(utterances: list[Utterance]) -> list[Spoken]:
            return [Spoken(u.samples, u.labels, lips_of(u.labels, articulation)) for u in utterances]

        synthetic = [s for path in shards for s in spoken(load_shard(path))]
        if not synthetic and not real:
            raise CorpusMissing(
                f"{folder} holds no speech; run: python -m vasa_core.training.speech_corpus -o {folder}"
            )
        tracked = [tracked_lips(samples, clip) for samples, clip in clips]
        rng = np.random.default_rng(seed)
        every = synthetic + spoken(real)
        spread = np.concatenate([s.lips for s in every]).std(0) + 1e-5
        return cls(
            synthetic,
            every[len(synthetic) :],
            tracked,
            held_out,
            [music(rng, 8.0) for _ in range(pieces)],
            spread.astype(np.float32),
        )


def tracked_lips(samples: np.ndarray, clip: SpokenClip) -> Spoken:
    """A real clip: its sound from where its lips begin, and the lips (N, articulators) at MOTION_RATE."""
    count = min(2 * len(clip.moves), (len(samples)) // 320)
    lips = np.repeat(clip.moves, 2, axis=0)[:count].astype(np.float32)
    return Spoken(samples[: count * 320], np.zeros(count, np.uint8), lips, labelled=False, personal=True)


@dataclass(frozen=True)
class BatchConfig:
    """How a batch is drawn."""

    batch: int = 16
    frames: int = 100  # frames of motion per crop, 4 s
    real: float = 0.3  # share of the crops from real, aligned recordings
    tracked: float = 0.12  # share from clips whose lips are tracked
    quiet: float = 0.08  # share without speech: noise and music, faint or loud
    sung: float = 0.15  # share along a melody
    babble: float = 0.1  # share with other voices in the background
    gain_db: float = 4.0  # spread of loudness around the normalised one, as a live listener meets it


@dataclass(frozen=True)
class Batch:
    """mels (B, 4 T + STEM_AHEAD, MELS); labels (B, T, MOMENTS); lips (B, T, articulators) in spreads; labelled and
    personal (B,)."""

    mels: torch.Tensor
    labels: torch.Tensor
    lips: torch.Tensor
    labelled: torch.Tensor
    personal: torch.Tensor


def chosen(rng: np.random.Generator, pool: list[Spoken]) -> Spoken:
    """One of the pool; every second of it counts alike."""
    lengths = np.array([len(s.labels) for s in pool], float)
    return pool[rng.choice(len(pool), p=lengths / lengths.sum())]


def quiet_sound(rng: np.random.Generator, corpus: EncoderCorpus, count: int) -> np.ndarray:
    """Sound in which nobody speaks: noise or music, faint or as loud as speech, float32 (count,)."""
    faint = 10 ** (-rng.uniform(20, 70) / 20)
    if rng.random() < 0.4:
        return (coloured_noise(rng, count) * faint).astype(np.float32)
    piece = corpus.pieces[rng.integers(len(corpus.pieces))]
    start = rng.integers(0, len(piece) - count + 1)
    loud = normalise_loudness(piece[start : start + count])
    return (loud * (faint if rng.random() < 0.3 else 10 ** (rng.normal(0, 4) / 20))).astype(np.float32)


def draw(corpus: EncoderCorpus, config: BatchConfig, key: list[int]) -> Batch:
    """The batch of a key (seed, step, process)."""
    rng = np.random.default_rng(key)
    labels_of, extra = 2 * config.frames, 5  # labels after the crop, so that the last frame can look ahead
    total = labels_of + extra
    sounds, labels, lips, labelled, personal = [], [], [], [], []
    for _ in range(config.batch):
        kind = rng.random()
        if kind < config.quiet:
            item = Spoken(
                quiet_sound(rng, corpus, total * 320),
                np.zeros(labels_of, np.uint8),
                np.zeros((labels_of, len(ARTICULATORS)), np.float32),
            )
        else:
            kind -= config.quiet
            pool = corpus.synthetic or corpus.real
            if kind < config.tracked and corpus.tracked:
                pool = corpus.tracked
            elif kind < config.tracked + config.real and corpus.real:
                pool = corpus.real
            source = chosen(rng, pool)
            path = tempo_path(rng, len(source.labels), total, 0.0 if source.personal else config.sung)
            samples = along(source.samples, path)
            if rng.random() < config.babble and corpus.synthetic:
                other = along(
                    *(lambda s: (s.samples, tempo_path(rng, len(s.labels), total)))(chosen(rng, corpus.synthetic))
                )
                samples = samples + other * 10 ** (-rng.uniform(8, 25) / 20) * samples.std() / (other.std() + 1e-4)
            at = ((path[1:] + path[:-1]) / 2)[:labels_of]
            inside = (at >= 0) & (at < len(source.labels))
            near = np.clip(at.astype(int), 0, len(source.labels) - 1)
            heard = augment(rng, Utterance(samples.astype(np.float32), source.labels), corpus.pieces).samples
            item = Spoken(
                normalise_loudness(heard) * np.float32(10 ** (rng.normal(0, config.gain_db) / 20)),
                np.where(inside, source.labels[near], 0),
                np.where(inside[:, None], source.lips[near], 0),
                source.labelled,
                source.personal,
            )
        sounds.append(item.samples)
        labels.append(item.labels)
        lips.append(item.lips)
        labelled.append(item.labelled)
        personal.append(item.personal)
    mels = log_mel(torch.from_numpy(np.stack(sounds).astype(np.float32)))
    mels = mask_features(rng, mels[:, : MELS_PER_FRAME * config.frames + STEM_AHEAD])
    paired = (config.batch, config.frames, MOMENTS)
    moves = np.stack(lips).reshape(*paired, -1).mean(2) / corpus.spread
    return Batch(
        mels,
        torch.from_numpy(np.stack(labels).astype(np.int64).reshape(paired)),
        torch.from_numpy(moves.astype(np.float32)),
        torch.tensor(labelled),
        torch.tensor(personal),
    )


def mask_features(rng: np.random.Generator, mels: torch.Tensor) -> torch.Tensor:
    """SpecAugment (Park et al. 2019): two bands of mels and two short stretches of time per item are silenced."""
    mels = mels.clone()
    for item in mels:
        for _ in range(2):
            low, width = int(rng.integers(0, MELS - 8)), int(rng.integers(0, 8))
            item[:, low : low + width] = 0
            start, length = int(rng.integers(0, len(item) - 10)), int(rng.integers(0, 7))
            item[start : start + length] = 0
    return mels


def batches(make: Callable[[int], Batch], first: int, last: int) -> Iterator[Batch]:
    """Batches of the steps [first, last); the next is made while the last is used."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(make, first)
        for step in range(first, last):
            ready = future.result()
            if step + 1 < last:
                future = pool.submit(make, step + 1)
            yield ready
