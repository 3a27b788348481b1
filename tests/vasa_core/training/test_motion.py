"""Training of the motion transformer, real but tiny: corpus, criterion, checkpoints; and the generator around it."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2Config, Wav2Vec2Model

from vasa_core.errors import AudioLengthError, UnreadableAudio, WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import measures
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.motion.features import HubFeatures, VisemeFeatures, load_encoder
from vasa_core.motion.pipeline import MotionPipeline
from vasa_core.motion.transformer import CONDITIONS, Conditions, MotionTransformer
from vasa_core.motion.visemes import VISEMES
from vasa_core.training.motion import Criterion, learning_rate, normalise, spread_of_change, train
from vasa_core.training.motion_corpus import MotionTrack, load_motion, save_tracks, spoken_tracks, statistics
from vasa_core.training.motion_windows import MotionCorpus, Spreads, TrainingConfig, Windows, batch
from vasa_core.training.speech_corpus import Utterance
from vasa_core.training.talker import Talker
from vasa_core.training.visemes import CorpusMissing
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls

TINY = TrainingConfig(size="debug", steps=4, batch=3, warmup=1, checkpoint_every=2)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def talker() -> Talker:
    return Talker.from_pretrained()


@pytest.fixture(scope="module")
def encoder() -> VisemeFeatures:
    return VisemeFeatures.from_pretrained()


@pytest.fixture(scope="module")
def tracks(talker: Talker, encoder: VisemeFeatures) -> list[MotionTrack]:
    """Three tracks of buzzes whose visemes are made up: open vowels between bilabials and rests."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.tile([VISEMES.index(v) for v in ("rest", "bilabial", "open", "bilabial", "mid")], 12), 6)
    tone = 0.2 * np.sin(2 * np.pi * 140 * np.arange(len(labels) * 320) / SAMPLE_RATE)
    sound = (tone * np.repeat(labels > 1, 320) + 0.001 * rng.normal(size=len(tone))).astype(np.float32)
    return list(spoken_tracks([Utterance(sound, labels.astype(np.uint8))], 3, talker, encoder, (0, 1)))


@pytest.fixture(scope="module")
def corpus(tracks: list[MotionTrack]) -> MotionCorpus:
    return MotionCorpus(tracks[1:], [], tracks[:1], "visemes")


def test_tracks_say_what_they_hold(tracks: list[MotionTrack], talker: Talker, tmp_path: Path) -> None:
    for track in tracks:
        assert len(track.motion) == len(track.audio) and track.audio.shape[1] == VisemeFeatures.dim
        assert np.isfinite(track.motion).all() and np.isfinite(track.audio).all()
    figures = statistics(tracks, talker)
    assert 0.2 < figures["dP"] < 0.8 and 0.04 < figures["opening_95"] < 0.25
    save_tracks(tmp_path / "t.npz", tracks, "visemes")
    read, name = load_motion(tmp_path / "t.npz")
    assert name == "visemes" and [p.name for p in tmp_path.iterdir()] == ["t.npz"]
    assert np.abs(read[1].motion - tracks[1].motion).max() < 0.01 and read[1].blinks == tracks[1].blinks
    assert np.abs(read[1].audio - tracks[1].audio).max() < 0.01  # half precision


def test_the_corpus_must_be_there_and_of_one_kind(tracks: list[MotionTrack], tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing, match="no motion"):
        MotionCorpus.load(tmp_path)
    save_tracks(tmp_path / "spoken_a.npz", tracks, "visemes")
    save_tracks(tmp_path / "real.npz", tracks[:1], "visemes")
    loaded = MotionCorpus.load(tmp_path, held_out=1)
    assert (len(loaded.spoken), len(loaded.real)) == (3, 1)
    save_tracks(tmp_path / "spoken_b.npz", tracks, "another")
    with pytest.raises(CorpusMissing, match="different encoders"):
        MotionCorpus.load(tmp_path)


def test_batches_are_drawn_from_their_key_and_drop_conditions(tracks: list[MotionTrack]) -> None:
    model = MotionTransformer.of_size("debug", 21, VisemeFeatures.dim)
    normalise(model, tracks)
    spreads, config = Spreads.of(model), TrainingConfig(size="debug", batch=64)
    drawn, again, other = (batch((tracks, []), spreads, config, [0, k]) for k in (7, 7, 8))
    clean, conditions = drawn.clean, drawn.conditions
    assert torch.equal(clean, again.clean) and not torch.equal(clean, other.clean)
    assert clean.shape == (64, 20, 27) and (drawn.mouth == 1).all()
    assert 0.25 < (drawn.held > 0).float().mean() < 0.75 and drawn.held.max() <= 10
    assert clean.std() == pytest.approx(1, abs=0.35)
    assert 0.25 < conditions.known_previous.float().mean() < 0.75
    for index, name in enumerate(CONDITIONS):
        assert 0.65 < conditions.known[..., index].float().mean() < 0.99, name


def test_unheard_tracks_teach_no_sound_and_little_lips(tracks: list[MotionTrack]) -> None:
    real = [MotionTrack(t.motion, t.audio, t.gaze, 0.0, np.full(8, np.nan), math.nan, False, True) for t in tracks]
    model = MotionTransformer.of_size("debug", 21, VisemeFeatures.dim)
    normalise(model, tracks)
    config = TrainingConfig(size="debug", batch=16, real_share=1.0)
    drawn = batch((tracks, real), Spreads.of(model), config, [1])
    conditions, mouth = drawn.conditions, drawn.mouth
    known = conditions.known.any(0).any(0)
    assert [bool(k) for k in known] == [False, True, True, False, False]
    assert (mouth == torch.tensor(config.real_lips)).all()
    assert torch.isfinite(conditions.emotion).all() and torch.isfinite(conditions.blinks).all()


def test_the_criterion_is_zero_for_the_truth_and_counts_seams(space: FaceSpace, tracks: list[MotionTrack]) -> None:
    model = MotionTransformer.of_size("debug", 21, VisemeFeatures.dim)
    normalise(model, tracks)
    criterion = Criterion(space, model.motion_std.numpy(), spread_of_change(model, tracks), TINY)
    drawn = batch((tracks, []), Spreads.of(model), TINY, [0])
    clean, told = drawn.clean, drawn.conditions
    assert criterion(clean, drawn) == 0

    def windows(known: bool, held: int) -> Windows:
        changed = Conditions(**(told.tensors() | {"known_previous": torch.full((3,), known)}))
        return replace(drawn, conditions=changed, held=torch.full((3,), held))

    joined, free, inside = (criterion(clean + 0.1, windows(*w)) for w in ((True, 0), (False, 0), (False, 6)))
    assert joined > free > 0 and inside > free  # the first new frame must continue what is known
    wrong = clean.clone()
    wrong[:, :6] += 5.0
    assert criterion(wrong, windows(False, 6)) == 0  # what was told does not count


def test_learning_rate_rises_holds_and_ends() -> None:
    config = TrainingConfig(steps=100, warmup=10, rate=1.0)
    rates = [learning_rate(s, config) for s in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == rates[50] == 1 and 0 < rates[99] <= 0.05


def test_training_goes_on_where_it_stopped(corpus: MotionCorpus, space: FaceSpace, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts, tmp_path / "third"):
        folder.mkdir()
    straight_model = train(corpus, TINY, whole, space)
    straight = straight_model.state_dict()
    first = replace(TINY, steps=2)
    train(corpus, first, parts, space)
    # The level part of the learning rate is the same for both lengths; only the last fifth differs.
    stopped = torch.load(parts / "last.ckpt", weights_only=True)
    assert stopped["step"] == 2
    resumed = train(corpus, TINY, parts, space).state_dict()
    assert torch.load(parts / "last.ckpt", weights_only=True)["step"] == 4
    assert straight.keys() == resumed.keys()
    assert all(torch.isfinite(t).all() for t in resumed.values())
    moved = [float((resumed[k] - stopped["model"][k]).abs().max()) for k in resumed]
    assert max(moved) > 0
    assert list((parts / "log").rglob("events*"))  # TensorBoard's
    shipped = train(corpus, replace(TINY, steps=1), whole.with_name("third"), space, straight_model)
    assert torch.equal(shipped.motion_std, straight_model.motion_std)
    with pytest.raises(WeightsError, match="another size"):
        train(corpus, replace(TINY, size="live"), parts, space)
    (parts / "last.ckpt").write_bytes(b"cut short")
    with pytest.raises(WeightsError, match="damaged"):
        train(corpus, TINY, parts, space)


# -- what hears, and the generator


def test_features_keep_step_with_motion(encoder: VisemeFeatures) -> None:
    rng = np.random.default_rng(0)
    for count in (1, 640, 641, 16_000, 30_001):
        heard = encoder((0.1 * rng.normal(size=count)).astype(np.float32))
        assert heard.shape == (math.ceil(count / 640), encoder.dim) and np.isfinite(heard).all()
    shouted = []
    encoder(np.zeros(45 * SAMPLE_RATE, np.float32), shouted.append)
    assert shouted == sorted(shouted) and shouted[-1] == 1


@pytest.fixture(scope="module")
def hub_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Wav2Vec2 checkpoint of the usual layout, tiny and random."""
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(16,) * 7,
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("hub")
    Wav2Vec2Model(config).save_pretrained(path)
    return path


def test_a_hub_checkpoint_can_hear(hub_model: Path, tmp_path: Path) -> None:
    encoder = load_encoder(str(hub_model))
    assert isinstance(encoder, HubFeatures) and encoder.dim == 16
    rng = np.random.default_rng(0)
    for count in (400, 16_000, 22 * SAMPLE_RATE + 13):
        heard = encoder((0.1 * rng.normal(size=count)).astype(np.float32))
        assert heard.shape == (math.ceil(count / 640), 16) and np.isfinite(heard).all()
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 16}))
    with pytest.raises(WeightsError):
        load_encoder(str(tmp_path))


@pytest.fixture(scope="module")
def exported(tracks: list[MotionTrack], tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    model = MotionTransformer.of_size("debug", 21, VisemeFeatures.dim).eval()
    normalise(model, tracks)
    path = tmp_path_factory.mktemp("pipeline")
    MotionPipeline.of(model).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def generator(exported: Path) -> DiffusionMotion:
    return DiffusionMotion.from_pretrained(exported)


def babble(seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.2 * np.sin(2 * np.pi * 130 * time) * np.clip(np.sin(9 * time), 0, 1)).astype(np.float32)


def test_the_generator_keeps_the_protocol(generator: DiffusionMotion) -> None:
    told: list[float] = []
    motion = generator(babble(2.01), Controls(seed=4), told.append)
    assert len(motion) == math.ceil(2.01 * MOTION_RATE) and told == sorted(told) and told[-1] == 1
    assert motion.pose.dtype == motion.dynamics.dtype == np.float32 and not motion.pose[0].any()
    again, other = generator(babble(2.01), Controls(seed=4)), generator(babble(2.01), Controls(seed=5))
    assert np.array_equal(motion.dynamics, again.dynamics) and not np.array_equal(motion.pose, other.pose)
    still = generator(babble(2.01), Controls(seed=4, head_motion=0))
    assert not still.pose[:, :3].any()
    shape = generator.space.template + generator.space.decode(motion.dynamics)
    assert measures(shape)[:, 0].min() > -0.001  # lips do not pass through each other
    loud, quiet = (generator(babble(2.01), Controls(seed=4, mouth=g)) for g in (1, 0))
    mouth = slice(7, 21)
    assert np.abs(quiet.dynamics[:, mouth]).mean() < np.abs(loud.dynamics[:, mouth]).mean()


@pytest.mark.parametrize(
    ("samples", "error"),
    [
        (np.array([0.1, np.nan] * 8000, np.float32), UnreadableAudio),
        (np.zeros((2, 16000), np.float32), UnreadableAudio),
        (np.zeros(0, np.float32), AudioLengthError),
        (np.zeros(3600 * 100, np.float32).repeat(20), AudioLengthError),
    ],
)
def test_bad_sound_is_named(generator: DiffusionMotion, samples: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        generator(samples)


def test_damaged_or_foreign_models_are_named(exported: Path, tmp_path: Path, hub_model: Path) -> None:
    with pytest.raises(WeightsError, match="does not hold a motion model"):
        DiffusionMotion.from_pretrained(tmp_path / "nowhere")
    broken = tmp_path / "broken"
    shutil.copytree(exported, broken)
    weights = broken / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(WeightsError):
        DiffusionMotion.from_pretrained(broken)
    pipeline = MotionPipeline.from_pretrained(exported)
    with pytest.raises(WeightsError, match="hears 'visemes'"):
        DiffusionMotion(FaceSpace.from_pretrained(), HubFeatures(str(hub_model)), pipeline, np.zeros(21))
