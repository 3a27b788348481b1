"""Speech in, motion out: real weights on made-up sound."""

from __future__ import annotations

import math
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from vasa_core.errors import AudioLengthError, UnreadableAudio, WeightsError
from vasa_core.motion.articulation import close_lips, measures
from vasa_core.motion.generator import SpeechMotion
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls
from vasa_core.weights import FOLDER


@pytest.fixture(scope="module")
def model() -> SpeechMotion:
    return SpeechMotion.from_pretrained()


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """Vowel-like buzzes between silences, three a second: enough for a mouth to open on, float32 (n,)."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * time)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * k * tone) / (1 + abs(k * 120 - 750) / 250) for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1) ** 0.5
    return (0.12 * buzz * syllables + 0.002 * rng.normal(size=len(time))).astype(np.float32)


def opening(model: SpeechMotion, dynamics: np.ndarray) -> np.ndarray:
    """Distance of the inner lips of the average face, (N,), in face widths."""
    return measures(model.space.template + model.space.decode(dynamics))[:, 0]


def test_length_types_and_first_frame(model: SpeechMotion) -> None:
    for seconds in (0.3, 1.0, 2.01):
        motion = model(babble(seconds))
        assert len(motion) == math.ceil(int(seconds * SAMPLE_RATE) / SAMPLE_RATE * MOTION_RATE)
        assert motion.pose.dtype == motion.dynamics.dtype == np.float32
        assert motion.dynamics.shape[1] == model.space.dim
        assert np.isfinite(motion.pose).all() and np.isfinite(motion.dynamics).all()
        assert not motion.pose[0].any()


def test_lips_follow_the_voice_and_rest_in_silence(model: SpeechMotion) -> None:
    sound = np.concatenate([babble(3.0), np.zeros(2 * SAMPLE_RATE, np.float32)])
    lips = opening(model, model(sound).dynamics)
    rest = opening(model, np.zeros((1, model.space.dim)))[0]
    wide = np.quantile(lips[:75], 0.95) - rest
    assert wide > 0.03
    assert np.abs(lips[75 + 8 :] - rest).max() < 0.12 * wide  # settled 320 ms after the end


def test_silence_is_still_but_alive(model: SpeechMotion) -> None:
    motion = model(np.zeros(20 * SAMPLE_RATE, np.float32))
    lips = opening(model, motion.dynamics)
    assert np.ptp(lips) < 0.004  # face widths: under a pixel
    shut = motion.dynamics @ model.space.direction("blink_left")
    assert 3 <= int(((shut[1:] > 0.7) & (shut[:-1] <= 0.7)).sum()) <= 14
    assert 0.001 < np.ptp(motion.pose[:, 4]) < 0.08  # breathing
    assert np.abs(np.diff(np.degrees(motion.pose[:, :3]), axis=0)).mean() < 0.4


def test_same_seed_same_motion_other_seed_other_motion(model: SpeechMotion) -> None:
    sound = babble(4.0)
    first, again, other = (model(sound, Controls(seed=s)) for s in (7, 7, 8))
    assert np.array_equal(first.pose, again.pose) and np.array_equal(first.dynamics, again.dynamics)
    assert np.abs(first.pose - other.pose).max() > 0.005
    assert np.corrcoef(opening(model, first.dynamics), opening(model, other.dynamics))[0, 1] > 0.99  # same words


def test_threads_share_one_model(model: SpeechMotion) -> None:
    sound, results = babble(2.0), {}
    threads = [
        threading.Thread(target=lambda k=k: results.update({k: model(sound, Controls(seed=k % 2))})) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        assert np.array_equal(results[k].dynamics, model(sound, Controls(seed=k % 2)).dynamics)


def test_gains(model: SpeechMotion) -> None:
    sound = babble(4.0)
    plain, still, more = (model(sound, Controls(head_motion=g, mouth=g)) for g in (1, 0, 2))
    assert not still.pose[:, :3].any()
    assert np.allclose(more.pose[:, :3], 2 * plain.pose[:, :3], atol=1e-6)
    spread = [np.ptp(opening(model, m.dynamics)) for m in (still, plain, more)]
    assert spread[0] < 0.01 < spread[1] < spread[2]


def test_gaze_points_where_it_is_asked(model: SpeechMotion) -> None:
    sound = babble(6.0)
    ahead = model.space.decode(model(sound).dynamics)[25:, 468:478].mean((0, 1))
    right = model.space.decode(model(sound, Controls(gaze=(15, 0))).dynamics)[25:, 468:478].mean((0, 1))
    down = model.space.decode(model(sound, Controls(gaze=(0, 10))).dynamics)[25:, 468:478].mean((0, 1))
    per_degree = model.space.decode(model.space.direction("gaze_yaw")[None])[0, 468, 0]
    assert (right - ahead)[0] / per_degree == pytest.approx(15, abs=1.5)
    assert (down - ahead)[1] / per_degree == pytest.approx(10, abs=2.5)


def test_blink_rate(model: SpeechMotion) -> None:
    def blinks(rate: float | None) -> int:
        motion = model(np.zeros(60 * SAMPLE_RATE, np.float32), Controls(blinks=rate))
        shut = motion.dynamics @ model.space.direction("blink_right")
        return int(((shut[1:] > 0.7) & (shut[:-1] <= 0.7)).sum())

    assert blinks(0) == 0
    assert 15 <= blinks(None) <= 35
    assert abs(blinks(50) - 50) <= 12


@pytest.mark.parametrize("emotion", [e for e in Controls.EMOTIONS if e != "neutral"])
def test_emotions_show_and_the_lips_still_close(model: SpeechMotion, emotion: str) -> None:
    sound = babble(3.0)
    plain, felt = model(sound), model(sound, Controls(emotion={emotion: 1.0}))
    assert np.abs(model.space.decode(felt.dynamics - plain.dynamics)[-1]).max() > 0.01
    upper = np.zeros((40, model.space.dim))
    upper += model.space.direction("jaw_open") * 0.5
    pressed = close_lips(upper, np.ones(40), model.space, model.articulation.seal, 0.006)
    assert opening(model, pressed).max() < 0.1 * 0.13
    assert felt.dynamics[0] == pytest.approx(plain.dynamics[0], abs=0.05)  # it comes on, it does not jump


def test_lips_never_pass_through_each_other(model: SpeechMotion) -> None:
    lips = opening(model, model(babble(4.0), Controls(mouth=2.0, emotion={"sad": 1.0})).dynamics)
    assert lips.min() > -0.001


def test_five_minutes_do_not_drift(model: SpeechMotion) -> None:
    motion = model(np.tile(babble(10.0), 30))
    assert len(motion) == 7500
    angles = np.degrees(motion.pose[:, :3])
    assert np.abs(angles[:2500].mean(0) - angles[-2500:].mean(0)).max() < 1.5
    assert np.abs(angles).max() < 25
    thirds = [opening(model, part.dynamics).std() for part in (model(babble(10.0)),)]
    assert opening(model, motion.dynamics[-250:]).std() == pytest.approx(thirds[0], rel=0.25)


@pytest.mark.parametrize(
    ("samples", "error"),
    [
        (np.array([0.1, np.nan] * 8000, np.float32), UnreadableAudio),
        (np.full(16000, np.inf, np.float32), UnreadableAudio),
        (np.zeros((2, 16000), np.float32), UnreadableAudio),
        (np.zeros(16000, np.int16), UnreadableAudio),
        (np.zeros(0, np.float32), AudioLengthError),
        (np.zeros(301 * SAMPLE_RATE, np.float32), AudioLengthError),
    ],
)
def test_bad_sound_is_named(model: SpeechMotion, samples: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        model(samples)


def test_clipped_and_very_short_sound_still_moves(model: SpeechMotion) -> None:
    assert len(model(np.sign(babble(1.0)) * 1.5)) == 25
    assert len(model(np.zeros(1, np.float32))) == 1
    assert len(model(babble(0.1))) == 3


def test_progress_rises_to_one(model: SpeechMotion) -> None:
    seen: list[float] = []
    model(babble(45.0), Controls(), seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) >= 3


def test_chunks_join_without_a_seam(model: SpeechMotion) -> None:
    sound = babble(30.0)
    whole = model.posteriors(sound)
    late = model.posteriors(sound[10 * SAMPLE_RATE :])
    assert whole.shape == (1500, 14)
    assert np.abs(whole[900:1100].argmax(1) == late[400:600].argmax(1)).mean() > 0.97  # around the border at 20 s


@pytest.mark.parametrize("name", ["visemes", "motion", "face_space"])
def test_damaged_weights_are_named(tmp_path: Path, name: str) -> None:
    for path in FOLDER.glob("*.safetensors"):
        shutil.copy(path, tmp_path)
    assert SpeechMotion.from_pretrained(tmp_path).space.dim > 0
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(WeightsError, match=name):
        SpeechMotion.from_pretrained(tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match="missing"):
        SpeechMotion.from_pretrained(tmp_path)
