"""Live motion: the same frames however the sound is cut, controls that glide, memory that stays, errors with names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vasa_core.errors import ControlError, UnreadableAudio, WeightsError
from vasa_core.face.space import FaceSpace
from vasa_core.motion.articulation import measures
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
    return DiffusionMotion(space, encoder, MotionPipeline.of(model), np.zeros(space.dim))


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


def heard(generator: DiffusionMotion, samples: np.ndarray, controls: Controls, piece: int, hop: int = 2) -> Motion:
    """All that a stream says to samples that come in pieces."""
    stream = generator.stream(controls, hop)
    parts = [stream.push(samples[i : i + piece]) for i in range(0, len(samples), piece)] + [stream.finish()]
    assert stream.frames == sum(map(len, parts))
    return Motion(np.concatenate([p.pose for p in parts]), np.concatenate([p.dynamics for p in parts]))


@pytest.mark.parametrize("hop", [1, 3])
def test_the_cut_of_the_sound_does_not_matter(random_talker: DiffusionMotion, hop: int) -> None:
    sound = voice(0.7)
    whole, cut = (heard(random_talker, sound, Controls(seed=3), piece, hop) for piece in (len(sound), 1777))
    assert len(whole) == len(cut) == 18
    assert np.allclose(whole.pose, cut.pose, atol=1e-4) and np.allclose(whole.dynamics, cut.dynamics, atol=1e-3)
    assert not whole.pose[0].any() and np.isfinite(whole.dynamics).all()


def test_frames_come_80_ms_behind_the_sound(random_talker: DiffusionMotion) -> None:
    stream = random_talker.stream(hop=1)
    assert stream.lookahead == 0.08
    counts = [len(stream.push(np.zeros(640, np.float32))) for _ in range(10)]
    assert sum(counts) == 8 and counts[0] == 0
    assert len(stream.push(np.zeros(0, np.float32))) == 0
    assert len(stream.finish()) == 2
    with pytest.raises(ValueError, match="finished"):
        stream.push(np.zeros(640, np.float32))
    with pytest.raises(ValueError, match="finished"):
        stream.finish()


def test_one_who_fell_behind_makes_several_frames_at_once(random_talker: DiffusionMotion) -> None:
    stream = random_talker.stream(hop=3, least=1)
    counts = [len(stream.push(np.zeros(640, np.float32))) for _ in range(4)]
    assert counts == [0, 0, 1, 1]
    late = stream.push(np.zeros(5 * 640, np.float32))
    assert len(late) == 5 and np.isfinite(late.dynamics).all() and stream.frames == 7
    with pytest.raises(ControlError, match="hop is 4"):
        random_talker.stream(hop=3, least=4)


def test_seeds(random_talker: DiffusionMotion) -> None:
    first, again, other = (heard(random_talker, voice(0.6), Controls(seed=s), 3200) for s in (1, 1, 2))
    assert np.array_equal(first.pose, again.pose) and not np.allclose(first.pose, other.pose)


def test_memory_does_not_grow(random_talker: DiffusionMotion) -> None:
    stream = random_talker.stream(hop=5)
    sizes = []
    for _ in range(12):
        stream.push(np.zeros(5 * 640, np.float32))
        sizes.append(sum(len(held) for held in (stream._motion, stream._heard, stream._wishes, stream._noise)))
    assert len(set(sizes[-5:])) == 1


@pytest.mark.parametrize(
    "samples", [np.array([np.nan] * 640, np.float32), np.zeros((2, 640), np.float32), np.zeros(640, np.int16)]
)
def test_bad_sound_is_named_and_the_stream_goes_on(random_talker: DiffusionMotion, samples: np.ndarray) -> None:
    stream = random_talker.stream(hop=2)
    with pytest.raises(UnreadableAudio):
        stream.push(samples)
    assert len(stream.push(np.zeros(6400, np.float32))) == 8


def test_what_cannot_be_live_is_named(random_talker: DiffusionMotion) -> None:
    with pytest.raises(ControlError, match="hop is 9"):
        random_talker.stream(hop=9)
    deaf = VisemeFeatures.from_pretrained()
    model = MotionTransformer.of_size("debug", random_talker.space.dim, deaf.dim, features=deaf.name)
    generator = DiffusionMotion(random_talker.space, deaf, MotionPipeline.of(model), random_talker.seal)
    with pytest.raises(WeightsError, match="cannot hear live"):
        generator.stream()


def test_lips_follow_the_voice_and_rest_in_silence(shipped: DiffusionMotion) -> None:
    sound = np.concatenate([voice(2.5), np.zeros(SAMPLE_RATE, np.float32)])
    motion = heard(shipped, sound, Controls(seed=1), 3200, hop=4)
    lips = measures(shipped.space.decode(motion.dynamics))[:, 0]
    wide = np.quantile(lips[:62], 0.95)
    assert wide > 0.03 and lips[75:].std() < 0.15 * wide  # settled 500 ms after the end
    assert np.abs(np.degrees(motion.pose[:, :3])).max() < 25


def test_controls_glide_while_live(shipped: DiffusionMotion) -> None:
    stream = shipped.stream(Controls(seed=2, blinks=0.0), hop=4)
    before = stream.push(np.zeros(2 * SAMPLE_RATE, np.float32))
    after = stream.push(np.zeros(2 * SAMPLE_RATE, np.float32), Controls(gaze=(15, 0), blinks=0.0, emotion={"happy": 1}))
    look = [m.dynamics @ np.linalg.pinv(shipped.space.direction("gaze_yaw")[None])[:, 0] for m in (before, after)]
    assert look[1][-20:].mean() - look[0][-20:].mean() == pytest.approx(15, abs=5)  # degrees
    change = np.abs(np.diff(np.concatenate([before.dynamics, after.dynamics])[:, 10:], axis=0)).max(1)
    assert change[len(before) - 1 :].max() < 0.5 * np.abs(after.dynamics[-1, 10:] - before.dynamics[-1, 10:]).max()
    assert before.pose.shape[1] == POSE_DIM and len(before) + len(after) == 4 * MOTION_RATE - 4  # whole hops
