"""The training of the viseme network, with its real classes at tiny size."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from vasa_core.motion.generator import load_viseme_net
from vasa_core.motion.visemes import VISEMES, VisemeConfig, VisemeNet, log_mel, normalise_loudness
from vasa_core.training.augment import augment, coloured_noise, crop, music
from vasa_core.training.phones import arpabet_path, ipa_path, viseme_labels
from vasa_core.training.speech_corpus import Utterance, load_shard, save_shard
from vasa_core.training.synthesis import Espeak, ToolMissing, flite
from vasa_core.training.visemes import Corpus, CorpusMissing, TrainingConfig, batch, evaluate, save, train

TINY = VisemeConfig(width=16, blocks=2, gru=8, dropout=0.0)


def tones(seed: int, seconds: int = 4) -> Utterance:
    """High tones labelled `open`, low ones `bilabial`, gaps `rest`: speech that even a tiny network can learn."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.choice([0, VISEMES.index("bilabial"), VISEMES.index("open")], seconds * 5), 10)
    hz = np.choose(np.searchsorted([0, 1, 11], labels), [0, 220, 1800])
    samples = 0.1 * np.sin(2 * np.pi * np.cumsum(np.repeat(hz, 320)) / 16000)
    return Utterance(samples.astype(np.float32), labels.astype(np.uint8))


@pytest.fixture()
def corpus() -> Corpus:
    pieces = [music(np.random.default_rng(0), 2.0)]
    return Corpus([tones(s) for s in range(4)], [tones(9)], [tones(20)], pieces)


def test_phones_become_visemes() -> None:
    name = {v: i for i, v in enumerate(VISEMES)}
    assert [arpabet_path(p)[0][0] for p in ("M", "F", "UW1", "AA0", "pau")] == [
        name[v] for v in ("bilabial", "labiodental", "tight_round", "open", "rest")
    ]
    assert ipa_path("tʃ") == [(name["postalveolar"], 1.0)] and ipa_path("ɑː") == [(name["open"], 1.0)]
    assert [c for c, _ in ipa_path("aʊ")] == [name["open"], name["round"]]
    labels = viseme_labels([("b", 0.1, 0.2), ("ay", 0.2, 0.4)], 0.5, ipa=False)
    assert len(labels) == 25 and (labels[5:10] == name["bilabial"]).all() and not labels[20:].any()
    assert set(labels[10:20]) == {name["open"], name["spread"]}


def test_features_keep_time_and_ignore_loudness() -> None:
    sound = tones(0).samples
    for count in (1, 319, 320, 321, 16000):
        assert log_mel(torch.zeros(1, count)).shape == (1, 2 * -(-count // 320), 48)
    quiet, loud = (log_mel(torch.from_numpy(normalise_loudness(sound * g))[None]) for g in (0.05, 1.0))
    assert torch.allclose(quiet, loud, atol=1e-3)
    assert not normalise_loudness(np.zeros(16000, np.float32)).any()
    click = np.zeros(16000, np.float32)
    click[8000] = 1
    assert abs(int(log_mel(torch.from_numpy(click)[None])[0].sum(1).argmax()) - 50) <= 1


def test_network_learns_in_a_few_steps_and_resumes(corpus: Corpus, tmp_path: Path) -> None:
    config = TrainingConfig(steps=24, batch=6, frames=50, rate=1e-2, checkpoint_every=12)
    whole = train(corpus, config, TINY)
    assert evaluate(whole, corpus.held_out)["bilabial_auc"] > 0.8

    checkpoint = tmp_path / "net.ckpt"
    train(corpus, TrainingConfig(steps=12, batch=6, frames=50, rate=1e-2, checkpoint_every=12), TINY, checkpoint)
    assert checkpoint.exists() and torch.load(checkpoint, weights_only=True)["step"] == 12
    resumed = train(corpus, config, TINY, checkpoint)
    assert torch.load(checkpoint, weights_only=True)["step"] == 24
    assert evaluate(resumed, corpus.held_out)["bilabial_auc"] > 0.8

    save(whole, tmp_path / "visemes.safetensors")
    loaded = load_viseme_net(tmp_path / "visemes.safetensors")
    mels = log_mel(torch.from_numpy(tones(3).samples)[None])
    with torch.inference_mode():
        assert torch.allclose(loaded(mels).softmax(-1), whole(mels).softmax(-1), atol=0.02)


def test_same_seed_same_training(corpus: Corpus) -> None:
    config = TrainingConfig(steps=3, batch=4, frames=30)
    first, second = (train(corpus, config, TINY).state_dict() for _ in range(2))
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert torch.equal(batch(corpus, config, 5)[0], batch(corpus, config, 5)[0])
    assert not torch.equal(batch(corpus, config, 5)[0], batch(corpus, config, 6)[0])


def test_the_network_sees_both_sides(corpus: Corpus) -> None:
    net = VisemeNet(TINY).eval()
    assert net(torch.zeros(2, 100, 48)).shape == (2, 50, len(VISEMES))


def test_augmentation_keeps_length_and_stays_finite() -> None:
    pieces = [music(np.random.default_rng(1), 3.0)]
    for seed in range(25):
        rng = np.random.default_rng(seed)
        item = augment(rng, crop(rng, tones(seed, 2), 75), pieces)
        assert item.samples.shape == (75 * 320,) and item.labels.shape == (75,)
        assert np.isfinite(item.samples).all() and item.samples.any()
    noise = coloured_noise(np.random.default_rng(0), 16000)
    assert np.sqrt((noise**2).mean()) == pytest.approx(1, rel=0.01)


def test_crop_moves_labels_with_the_sound() -> None:
    item = crop(np.random.default_rng(2), tones(5), 100)
    loud = np.abs(item.samples).reshape(100, 320).max(1) > 0.02
    assert (loud == (item.labels > 0)).mean() > 0.93


def test_shards_round_trip(tmp_path: Path) -> None:
    items = [tones(0, 2), tones(1, 3)]
    assert save_shard(tmp_path / "synthetic_000.npz", items) == 5
    loaded = load_shard(tmp_path / "synthetic_000.npz")
    assert [len(u.labels) for u in loaded] == [100, 150]
    for a, b in zip(items, loaded, strict=True):
        assert np.abs(a.samples - b.samples).max() < 1e-4 and np.array_equal(a.labels, b.labels)
    assert not list(tmp_path.glob("*.part*"))
    assert len(Corpus.load(tmp_path, pieces=1).synthetic) == 2


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing, match="speech_corpus"):
        Corpus.load(tmp_path)


def test_a_missing_synthesiser_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolMissing, match="apt-get install flite"):
        flite("hello")


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_names_every_phone_in_time() -> None:
    samples, phones = flite("my baby", "slt")
    names = [p for p, _, _ in phones]
    assert names.count("b") == 2 and "m" in names
    assert all(a <= b for _, a, b in phones) and phones[-1][2] == pytest.approx(len(samples) / 16000, abs=0.2)


def test_espeak_names_every_phone_in_time() -> None:
    try:
        espeak = Espeak()
    except ToolMissing as error:
        pytest.skip(str(error))
    samples, phones = espeak.say("papa", "fr")
    names = [p for p, _, _ in phones]
    assert names.count("p") == 2 and len(samples) > 3000
    again, _ = espeak.say("bonjour", "fr")
    assert len(again) != len(samples)
