"""The shipped `live` weights of the diffusion transformer, on made-up sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vasa_core.motion.articulation import measures
from vasa_core.motion.diffusion import DiffusionMotion
from vasa_core.types import SAMPLE_RATE, Controls
from vasa_core.weights import FOLDER


@pytest.fixture(scope="module")
def model() -> DiffusionMotion:
    torch.set_num_threads(1)
    return DiffusionMotion.from_pretrained(FOLDER / "motion_live")


def voice(seconds: float) -> np.ndarray:
    """Vowel-like buzzes between silences, float32 (n,)."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / (1 + abs(k * 120 - 750) / 250) for k in range(1, 30))
    return (0.12 * buzz * np.clip(np.sin(2 * np.pi * 1.5 * time), 0, 1) ** 0.5).astype(np.float32)


def opening(model: DiffusionMotion, dynamics: np.ndarray) -> np.ndarray:
    return measures(model.space.template + model.space.decode(dynamics))[:, 0]


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


@pytest.mark.parametrize("gaze", [(15.0, 0.0), (-12.0, 8.0)])
def test_gaze_is_heeded(model: DiffusionMotion, gaze: tuple[float, float]) -> None:
    ahead, aside = (model(voice(6.0), Controls(gaze=g, seed=3)).dynamics[25:, 2:4].mean(0) for g in ((0.0, 0.0), gaze))
    assert np.hypot(*(aside - ahead - np.array(gaze))) < 5  # degrees


def test_blinks_are_asked_for(model: DiffusionMotion) -> None:
    def shut(rate: float) -> float:
        return float((model(voice(10.0), Controls(blinks=rate)).dynamics[:, 0] > 0.4).mean())

    assert shut(0.0) < 0.03 < shut(34.0)


@pytest.mark.parametrize("emotion", ["happy", "surprised"])
def test_emotions_show(model: DiffusionMotion, emotion: str) -> None:
    plain, felt = (model(voice(4.0), Controls(emotion=e, seed=1)).dynamics for e in ({}, {emotion: 1.0}))
    moved = model.space.decode((felt - plain)[25:].mean(0, keepdims=True))[0]
    assert np.abs(moved).max() > 0.01  # face widths
