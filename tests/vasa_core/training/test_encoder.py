"""Training of the speech encoder and the measuring of offsets, real but tiny."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.errors import WeightsError
from vasa_core.motion.articulation import ARTICULATORS, Articulation
from vasa_core.motion.encoder import STEM_AHEAD, Heard
from vasa_core.motion.visemes import VISEMES
from vasa_core.training.articulation import SpokenClip
from vasa_core.training.augment import along, music, tempo_path
from vasa_core.training.encoder import TrainingConfig, criterion, evaluate, learning_rate, train
from vasa_core.training.encoder_data import BatchConfig, EncoderCorpus, draw, lips_of, quiet_sound, tracked_lips
from vasa_core.training.offsets import measure_offset
from vasa_core.training.speech_corpus import CorpusMissing, Utterance, save_shard
from vasa_core.training.tracks import OFFSETS, load_tracks

BILABIAL, OPEN = VISEMES.index("bilabial"), VISEMES.index("open")
TINY = TrainingConfig(
    size="debug",
    steps=30,
    batch=BatchConfig(batch=6, frames=25, sung=0.0, babble=0.0),
    rate=1e-2,
    warmup=3,
    average=0.8,
)


def tones(seed: int, seconds: int = 4) -> Utterance:
    """High tones labelled `open`, low ones `bilabial`, gaps `rest`: speech that even a tiny network can learn."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.choice([0, BILABIAL, OPEN], seconds * 5), 10)
    hz = np.choose(np.searchsorted([0, BILABIAL, OPEN], labels), [0, 220, 1800])
    samples = 0.1 * np.sin(2 * np.pi * np.cumsum(np.repeat(hz, 320)) / 16000)
    return Utterance(samples.astype(np.float32), labels.astype(np.uint8))


@pytest.fixture(scope="module")
def articulation() -> Articulation:
    return Articulation.from_pretrained()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, articulation: Articulation) -> EncoderCorpus:
    folder = tmp_path_factory.mktemp("speech")
    save_shard(folder / "synthetic_000.npz", [tones(s) for s in range(4)])
    save_shard(folder / "real_train.npz", [tones(9)])
    save_shard(folder / "real_held_out.npz", [tones(20)])
    clip = SpokenClip("clip", np.zeros((100, 14)), np.random.default_rng(0).normal(0, 0.02, (50, 6)), 0.0)
    return EncoderCorpus.load(folder, articulation, [(tones(3).samples, clip)], pieces=2)


def test_lips_close_on_bilabials_and_open_on_vowels(articulation: Articulation) -> None:
    labels = np.repeat([0, BILABIAL, OPEN, BILABIAL, OPEN, 0], 12).astype(np.uint8)
    opening = lips_of(labels, articulation)[:, ARTICULATORS.index("opening")]
    assert opening.shape == (72,)
    assert opening[12:24].min() < 0.005 and opening[36:48].min() < 0.005
    assert opening[28:33].mean() > 0.05 and np.abs(opening[-4:]).max() < 0.02


def test_batches_are_drawn_from_their_key(corpus: EncoderCorpus) -> None:
    config = BatchConfig(batch=12, frames=25, tracked=0.3, quiet=0.3, babble=0.5, sung=0.5)
    first, again, other = (draw(corpus, config, [0, k]) for k in (1, 1, 2))
    assert torch.equal(first.mels, again.mels) and torch.equal(first.lips, again.lips)
    assert not torch.equal(first.mels, other.mels)
    assert first.mels.shape == (12, 100 + STEM_AHEAD, 48) and torch.isfinite(first.mels).all()
    assert first.labels.shape == (12, 25, 2) and first.lips.shape == (12, 25, len(ARTICULATORS))
    assert first.personal.any() and (first.labelled == ~first.personal).all()


def test_quiet_sound_may_be_loud_but_nobody_speaks(corpus: EncoderCorpus) -> None:
    loud = [float(np.abs(quiet_sound(np.random.default_rng(s), corpus, 8000)).max()) for s in range(12)]
    assert min(loud) < 0.05 < max(loud)


def test_a_real_talker_counts_up_to_gain_and_rest(corpus: EncoderCorpus) -> None:
    batch = draw(corpus, TINY.batch, [0, 0])
    everyone = replace(batch, personal=torch.ones(6, dtype=torch.bool), labelled=torch.ones(6, dtype=torch.bool))
    nobody = replace(everyone, personal=torch.zeros(6, dtype=torch.bool))
    said = Heard(torch.zeros(6, 25, 2, len(VISEMES)), 0.5 * batch.lips + 0.3)
    assert criterion(said, everyone, TINY)[1] < 0.3 * criterion(said, nobody, TINY)[1]


def test_it_learns_resumes_and_repeats(corpus: EncoderCorpus, tmp_path: Path) -> None:
    whole = train(corpus, TINY, tmp_path / "a")
    assert evaluate(whole, corpus.held_out)["bilabial_auc"] > 0.8
    assert evaluate(whole, corpus.held_out, live=True)["bilabial_auc"] > 0.7
    train(corpus, replace(TINY, steps=10), tmp_path / "b")
    assert torch.load(tmp_path / "b" / "last.ckpt", weights_only=True)["step"] == 10
    train(corpus, replace(TINY, steps=12), tmp_path / "b")
    assert torch.load(tmp_path / "b" / "last.ckpt", weights_only=True)["step"] == 12
    once, twice = (train(corpus, replace(TINY, steps=2), tmp_path / name).state_dict() for name in ("c", "d"))
    assert all(torch.equal(once[k], twice[k]) for k in once)


def test_a_damaged_checkpoint_is_named(corpus: EncoderCorpus, tmp_path: Path) -> None:
    train(corpus, replace(TINY, steps=1), tmp_path)
    path = tmp_path / "last.ckpt"
    with pytest.raises(WeightsError, match="another size"):
        train(corpus, replace(TINY, size="shipped"), tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(WeightsError, match="damaged"):
        train(corpus, TINY, tmp_path)


def test_a_missing_corpus_is_named(articulation: Articulation, tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing, match="speech_corpus"):
        EncoderCorpus.load(tmp_path, articulation, [])


def test_learning_rate_rises_holds_and_falls() -> None:
    config = TrainingConfig(steps=1000)
    rates = [learning_rate(s, config) for s in (0, 200, 500, 800, 999)]
    assert rates[0] < rates[1] == rates[2] > rates[3] > rates[4] >= 0


def test_a_melody_moves_the_pitch_and_keeps_the_sound() -> None:
    rng = np.random.default_rng(0)
    path = tempo_path(rng, 400, 200, sung=1.0)
    speed = np.diff(path)
    assert len(path) == 201 and speed.min() > 0.2 and speed.max() / speed.min() > 1.2
    sound = along(music(rng, 8.0), path)
    assert sound.shape == (200 * 320,) and np.isfinite(sound).all()


def test_tracked_lips_begin_with_the_sound() -> None:
    clip = SpokenClip("x", np.zeros((20, 14)), np.arange(60).reshape(10, 6) / 100, 0.0)
    item = tracked_lips(np.zeros(9 * 640, np.float32), clip)
    assert len(item.samples) == 18 * 320 and item.lips.shape == (18, 6) and item.personal and not item.labelled
    assert np.array_equal(item.lips[0], item.lips[1])


@pytest.mark.parametrize("late", [-6, 0, 3])
def test_offsets_are_found(late: int) -> None:
    rng = np.random.default_rng(1)
    expected = np.convolve(rng.normal(size=300), np.ones(4), "same")
    opening = np.roll(expected, late) + 0.5 * rng.normal(size=300)
    shift, r, margin = measure_offset(opening, expected)
    assert shift == pytest.approx(late, abs=0.6) and r > 0.8 and margin > 0.3
    _, r, margin = measure_offset(rng.normal(size=300), expected)
    assert r < 0.3 or margin < 0.1


def test_tracks_heed_measured_offsets(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    for name in ("a", "b"):
        np.savez(
            tmp_path / "train" / f"{name}.npz",
            landmarks=np.zeros((3, 478, 3), np.float32),
            found=np.ones(3, bool),
            synchronous=True,
            offset=0.04,
        )
    (tmp_path / OFFSETS).write_text("file,offset_ms,use\ntrain/a,-80.0,lips and motion\ntrain/b,nan,motion\n")
    a, b = load_tracks(tmp_path, "train")
    assert (a.synchronous, a.offset) == (True, -0.08) and (b.synchronous, b.offset) == (False, None)
    a, b = load_tracks(tmp_path, "train", measured=False)
    assert (a.offset, b.offset) == (0.04, 0.04)
