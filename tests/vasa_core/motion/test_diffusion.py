"""Speech in, motion out: the shipped weights of the diffusion transformer on made-up sound."""

from __future__ import annotations

import json
import math
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from vasa_core.errors import AudioLengthError, ControlError, UnreadableAudio, WeightsError
from vasa_core.motion.articulation import close_lips, measures
from vasa_core.motion.diffusion import DiffusionMotion, load_pipeline
from vasa_core.types import MOTION_RATE, SAMPLE_RATE, Controls
from vasa_core.weights import FOLDER


@pytest.fixture(scope="module")
def model() -> DiffusionMotion:
    torch.set_num_threads(1)
    return DiffusionMotion.from_pretrained()


def voice(seconds: float) -> np.ndarray:
    """Vowel-like buzzes between silences, float32 (n,)."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / (1 + abs(k * 120 - 750) / 250) for k in range(1, 30))
    return (0.12 * buzz * np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1) ** 0.5).astype(np.float32)


def opening(model: DiffusionMotion, dynamics: np.ndarray) -> np.ndarray:
    """Distance of the inner lips of the average face, (N,), in face widths."""
    return measures(model.space.template + model.space.decode(dynamics))[:, 0]


def test_length_types_and_first_frame(model: DiffusionMotion) -> None:
    for samples in (voice(0.1), np.zeros(1, np.float32), np.sign(voice(2.01)) * 1.5):
        motion = model(samples)
        assert len(motion) == math.ceil(len(samples) / SAMPLE_RATE * MOTION_RATE)
        assert motion.pose.dtype == motion.dynamics.dtype == np.float32
        assert np.isfinite(motion.pose).all() and np.isfinite(motion.dynamics).all()
        assert not motion.pose[0].any()


def test_lips_follow_the_voice_and_rest_in_silence(model: DiffusionMotion) -> None:
    sound = np.concatenate([voice(4.0), np.zeros(3 * SAMPLE_RATE, np.float32)])
    lips = opening(model, model(sound).dynamics)
    wide = np.quantile(lips[:100], 0.95) - lips[120:].mean()
    assert wide > 0.03
    assert lips[110:].std() < 0.15 * wide  # settled 400 ms after the end
    assert lips.min() > -0.001


def test_head_is_alive_and_within_bounds(model: DiffusionMotion) -> None:
    angles = np.degrees(model(voice(12.0), Controls(seed=2)).pose[:, :3])
    assert 0.2 < np.abs(np.diff(angles, axis=0)).mean() < 0.8
    assert np.abs(angles).max() < 25


def test_same_seed_same_motion_other_seed_other_motion(model: DiffusionMotion) -> None:
    first, again, other = (model(voice(3.0), Controls(seed=s)) for s in (7, 7, 8))
    assert np.array_equal(first.pose, again.pose) and np.array_equal(first.dynamics, again.dynamics)
    assert np.abs(first.pose - other.pose).max() > 0.005
    lips = [opening(model, m.dynamics) for m in (first, other)]
    assert np.corrcoef(*lips)[0, 1] > 0.9  # the same words


def test_windows_join_without_a_seam(model: DiffusionMotion) -> None:
    window = model.pipeline.transformer.config["window"]
    ratios = []
    for seed in range(3):
        motion = model(voice(14.0), Controls(seed=seed))
        both = np.hstack([motion.pose, motion.dynamics])
        change = (np.abs(np.diff(both, axis=0)) / (both.std(0) + 1e-6)).mean(1)
        at = np.arange(len(change)) + 1 - window
        border = (at >= 0) & (at % (window - 10) == 0)
        ratios.append(change[border].mean() / change[~border].mean())
    assert 0.6 < np.mean(ratios) < 1.4  # 21 borders; benchmarks.motion measures more


def test_gains(model: DiffusionMotion) -> None:
    plain, still, more = (model(voice(3.0), Controls(head_motion=g, mouth=g)) for g in (1, 0, 2))
    assert not still.pose.any() and np.allclose(more.pose, 2 * plain.pose, atol=1e-5)
    spread = [np.ptp(opening(model, m.dynamics)) for m in (still, plain, more)]
    assert spread[0] < 0.01 < spread[1] < spread[2]


@pytest.mark.parametrize("gaze", [(15.0, 0.0), (-12.0, 8.0)])
def test_gaze_is_heeded(model: DiffusionMotion, gaze: tuple[float, float]) -> None:
    ahead, aside = (model(voice(6.0), Controls(gaze=g, seed=3)).dynamics[25:, 2:4].mean(0) for g in ((0.0, 0.0), gaze))
    assert np.hypot(*(aside - ahead - np.array(gaze))) < 5  # degrees


def test_controls_frame_by_frame(model: DiffusionMotion) -> None:
    wanted = [Controls(seed=3)] * 50 + [Controls(seed=3, gaze=(18, 0), emotion={"happy": 1.0})] * 50
    motion = model(voice(4.0), wanted)
    assert motion.dynamics[70:, 2].mean() - motion.dynamics[20:50, 2].mean() == pytest.approx(18, abs=5)
    smile = model.space.decode(motion.dynamics)[:, [61, 291], 1].mean(1)  # corners of the mouth, down
    assert smile[70:].mean() < smile[20:50].mean() - 0.005
    with pytest.raises(ControlError, match="controls for 100 frames"):
        model(voice(4.0), wanted[:7])


def test_blinks_are_asked_for(model: DiffusionMotion) -> None:
    def shut(rate: float) -> float:
        return float((model(voice(10.0), Controls(blinks=rate)).dynamics[:, 0] > 0.4).mean())

    assert shut(0.0) < 0.05 < shut(34.0)


@pytest.mark.parametrize("emotion", [e for e in Controls.EMOTIONS if e != "neutral"])
def test_emotions_show_and_the_lips_still_close(model: DiffusionMotion, emotion: str) -> None:
    plain, felt = (model(voice(2.0), Controls(emotion=e, seed=1)).dynamics for e in ({}, {emotion: 1.0}))
    offset = model.pipeline.transformer.emotion_offset[Controls.EMOTIONS.index(emotion)].numpy()
    moved = (felt - plain)[25:].mean(0)
    assert moved @ offset / (offset @ offset) == pytest.approx(1, abs=0.5)
    face = [not name.startswith("gaze") for name in model.space.names]
    assert np.abs((felt - plain)[0, face]).max() < 0.6 * np.abs(offset).max()  # it comes on, it does not jump
    pressed = close_lips(felt, np.ones(len(felt)), model.space, model.seal, 0.006)
    assert opening(model, pressed).max() < 0.1 * 0.13


def test_lips_never_pass_through_each_other(model: DiffusionMotion) -> None:
    lips = opening(model, model(voice(3.0), Controls(mouth=2.0, emotion={"sad": 1.0})).dynamics)
    assert lips.min() > -0.001


def test_a_minute_does_not_drift(model: DiffusionMotion) -> None:
    angles = np.degrees(model(np.tile(voice(10.0), 6), Controls(seed=1)).pose[:, :3])
    assert np.abs(angles[:500].mean(0) - angles[-500:].mean(0)).max() < 4
    assert np.abs(angles).max() < 25


def test_threads_share_one_model(model: DiffusionMotion) -> None:
    sound, results = voice(1.0), {}
    threads = [
        threading.Thread(target=lambda k=k: results.update({k: model(sound, Controls(seed=k % 2))})) for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(3):
        assert np.allclose(results[k].dynamics, model(sound, Controls(seed=k % 2)).dynamics, atol=1e-5)


def test_progress_rises_to_one(model: DiffusionMotion) -> None:
    seen: list[float] = []
    model(voice(6.0), Controls(), seen.append)
    assert seen == sorted(seen) and seen[-1] == 1.0 and len(seen) >= 3


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        (np.array([0.1, np.nan] * 8000, np.float32), UnreadableAudio, "not numbers"),
        (np.full(16000, np.inf, np.float32), UnreadableAudio, "not numbers"),
        (np.zeros((2, 16000), np.float32), UnreadableAudio, "mono"),
        (np.zeros(16000, np.int16), UnreadableAudio, "decimal"),
        (np.zeros(0, np.float32), AudioLengthError, "more than none"),
        (np.zeros(3600 * SAMPLE_RATE, np.float32), AudioLengthError, "at most 5 minutes"),
    ],
)
def test_bad_sound_is_named(model: DiffusionMotion, samples: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        model(samples)


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    for name in ("motion.safetensors", "face_space.safetensors"):
        shutil.copy(FOLDER / name, tmp_path)
    for name in ("motion_live", "speech_encoder"):
        shutil.copytree(FOLDER / name, tmp_path / name)
    assert DiffusionMotion.from_pretrained(weights=tmp_path).space.dim > 0
    for name in ("motion.safetensors", "face_space.safetensors"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[:-20])
        with pytest.raises(WeightsError, match=name.removesuffix(".safetensors")):
            DiffusionMotion.from_pretrained(weights=tmp_path)
        (tmp_path / name).write_bytes(whole)
    (tmp_path / "motion.safetensors").unlink()
    with pytest.raises(WeightsError, match="missing"):
        DiffusionMotion.from_pretrained(weights=tmp_path)


def test_pipelines_of_another_size_or_version_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "live"
    shutil.copytree(FOLDER / "motion_live", folder)
    weights, config = (folder / "transformer" / n for n in ("diffusion_pytorch_model.safetensors", "config.json"))
    tensors, said = load_file(weights), json.loads(config.read_text())

    def refused(message: str) -> None:
        with pytest.raises(WeightsError, match=message):
            load_pipeline(folder)

    config.write_text(json.dumps(said | {"version": 99}))
    refused("version 99")
    config.write_text(json.dumps(said | {"width": 64}))
    refused("does not hold a motion model")
    config.write_text(json.dumps(said))
    save_file(tensors | {"motion_mean": torch.full_like(tensors["motion_mean"], math.nan)}, weights)
    refused("not finite")
    save_file({k: v for k, v in tensors.items() if k != "motion_out.weight"}, weights)
    refused("does not hold a motion model")
    weights.write_bytes(weights.read_bytes()[:1000])
    refused("does not hold a motion model")
