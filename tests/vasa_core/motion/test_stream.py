"""Live motion: the same frames however the sound is cut, controls that glide, memory that stays, errors with names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vasa_core.errors import UnreadableAudio, WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.ahead import STEPS
from vasa_core.motion.articulation import Articulation, measures
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.motion.features import SpeechFeatures, VisemeFeatures
from vasa_core.motion.pipeline import MotionPipeline
from vasa_core.motion.transformer import MotionTransformer
from vasa_core.types import MOTION_RATE, POSE_DIM, SAMPLE_RATE, Controls, Motion


def talker(size: str = "debug") -> DiffusionMotion:
    """The shipped encoder before a random transformer."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    space, encoder = FaceSpace.from_pretrained(), SpeechFeatures.from_pretrained()
    model = MotionTransformer.of_size(size, space.dim, encoder.dim, features=encoder.name).eval()
    model.motion_std.fill_(0.05)
    seal, shapes = np.zeros(space.dim), Articulation.from_pretrained().shapes
    return DiffusionMotion(space, encoder, MotionPipeline.of(model), seal, shapes=shapes)


@pytest.fixture(scope="module")
def random_talker() -> DiffusionMotion:
    return talker()


@pytest.fixture(scope="module")
def shipped() -> DiffusionMotion:
    torch.set_num_threads(1)
    return DiffusionMotion.from_pretrained()


def voice(seconds: float) -> np.ndarray:
    """Vowel-like buzzes between silences, float32 (n,)."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / (1 + abs(k * 120 - 750) / 250) for k in range(1, 30))
    return (0.12 * buzz * np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1) ** 0.5).astype(np.float32)


def heard(generator: DiffusionMotion, samples: np.ndarray, controls: Controls, piece: int) -> Motion:
    """All that a stream says to samples that come in pieces."""
    stream = generator.stream(controls)
    parts = [stream.push(samples[i : i + piece]) for i in range(0, len(samples), piece)] + [stream.finish()]
    assert stream.frames == sum(map(len, parts))
    return Motion(np.concatenate([p.pose for p in parts]), np.concatenate([p.dynamics for p in parts]))


@pytest.mark.parametrize("piece", [320, 1777])
def test_the_cut_of_the_sound_does_not_matter(random_talker: DiffusionMotion, piece: int) -> None:
    sound = voice(1.1)
    whole, cut = (heard(random_talker, sound, Controls(seed=3), size) for size in (len(sound), piece))
    assert len(whole) == len(cut) == 28
    assert np.allclose(whole.pose, cut.pose, atol=1e-4) and np.allclose(whole.dynamics, cut.dynamics, atol=1e-3)
    assert not whole.pose[0].any() and np.isfinite(whole.dynamics).all()


def test_frames_come_40_ms_behind_the_sound(random_talker: DiffusionMotion) -> None:
    stream = random_talker.stream()
    assert stream.lookahead == 0.04
    counts = [len(stream.push(np.zeros(640, np.float32))) for _ in range(10)]
    assert counts == [0, 0, 2] + [1] * 7  # the first one waits for the second
    assert len(stream.push(np.zeros(0, np.float32))) == 0
    assert len(stream.finish()) == 1
    with pytest.raises(ValueError, match="finished"):
        stream.push(np.zeros(640, np.float32))
    with pytest.raises(ValueError, match="finished"):
        stream.finish()


def test_plans_are_made_while_nobody_waits(random_talker: DiffusionMotion, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, waited = random_talker.stream(), []
    evaluate = stream._ahead._evaluate
    stream.push(np.zeros(2 * 640, np.float32))
    monkeypatch.setattr(stream._ahead, "_evaluate", lambda: (waited.append(len(stream._heard)), evaluate()))
    stream.push(np.zeros(640, np.float32))  # the first frames wait for the first plan
    assert len(waited) == STEPS
    waited.clear()
    given = []
    for _ in range(60):
        before = len(waited)
        given.append((len(stream.push(np.zeros(320, np.float32))), len(waited) - before))
    assert len(waited) > STEPS and all(evaluations <= 1 for _, evaluations in given)
    assert not any(evaluations for frames, evaluations in given if frames)


def test_seeds(random_talker: DiffusionMotion) -> None:
    first, again, other = (heard(random_talker, voice(0.6), Controls(seed=s), 3200) for s in (1, 1, 2))
    assert np.array_equal(first.pose, again.pose) and not np.allclose(first.pose, other.pose)


def test_memory_does_not_grow(random_talker: DiffusionMotion) -> None:
    stream = random_talker.stream()
    sizes = []
    for _ in range(8):
        stream.push(np.zeros(9 * 640, np.float32))  # as many as a plan of the small model adds
        plans = stream._ahead
        sizes.append([len(held) for held in (stream._heard, plans._motion, plans._audio, plans._wishes, plans._noise)])
    assert sizes[-1] == sizes[-3] and max(map(max, sizes)) < 50


@pytest.mark.parametrize(
    "samples", [np.array([np.nan] * 640, np.float32), np.zeros((2, 640), np.float32), np.zeros(640, np.int16)]
)
def test_bad_sound_is_named_and_the_stream_goes_on(random_talker: DiffusionMotion, samples: np.ndarray) -> None:
    stream = random_talker.stream()
    with pytest.raises(UnreadableAudio):
        stream.push(samples)
    assert len(stream.push(np.zeros(6400, np.float32))) == 9


def test_what_cannot_be_live_is_named(random_talker: DiffusionMotion) -> None:
    deaf = VisemeFeatures.from_pretrained()
    model = MotionTransformer.of_size("debug", random_talker.space.dim, deaf.dim, features=deaf.name)
    generator = DiffusionMotion(random_talker.space, deaf, MotionPipeline.of(model), random_talker.seal)
    with pytest.raises(WeightsError, match="cannot hear live"):
        generator.stream()
    with pytest.raises(WeightsError, match="different length"):
        DiffusionMotion(
            random_talker.space, deaf, MotionPipeline.of(model), random_talker.seal, shapes=np.zeros((6, 3))
        )


def test_lips_follow_the_voice_and_rest_in_silence(shipped: DiffusionMotion) -> None:
    sound = np.concatenate([voice(2.5), np.zeros(SAMPLE_RATE, np.float32)])
    motion = heard(shipped, sound, Controls(seed=1), 3200)
    lips = measures(shipped.space.decode(motion.dynamics))[:, 0]
    wide = np.quantile(lips[:62], 0.95)
    assert wide > 0.03 and lips[75:].std() < 0.15 * wide  # settled 500 ms after the end
    assert np.abs(np.degrees(motion.pose[:, :3])).max() < 25


def test_controls_glide_while_live(shipped: DiffusionMotion) -> None:
    def spoken(gaze: tuple[float, float]) -> tuple[Motion, Motion]:
        stream = shipped.stream(Controls(seed=2, blinks=0.0))
        before = stream.push(np.zeros(SAMPLE_RATE, np.float32))
        wish = Controls(gaze=gaze, blinks=0.0, emotion={"happy": 1})
        return before, stream.push(np.zeros(SAMPLE_RATE, np.float32), wish)

    (before, after), (_, straight) = spoken((15, 0)), spoken((0, 0))
    turned = (after.dynamics - straight.dynamics) @ np.linalg.pinv(shipped.space.direction("gaze_yaw")[None])[:, 0]
    assert turned[0] < 5 and turned[-5:] == pytest.approx(15, abs=1)  # degrees
    change = np.abs(np.diff(np.concatenate([before.dynamics, after.dynamics])[:, 10:], axis=0)).max(1)
    assert change[len(before) - 1 :].max() < 0.5 * np.abs(after.dynamics[-1, 10:] - before.dynamics[-1, 10:]).max()
    assert before.pose.shape[1] == POSE_DIM and len(before) + len(after) == 2 * MOTION_RATE - 1
