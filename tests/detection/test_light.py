"""Light that changes on a face, and light that is carried along."""

from __future__ import annotations

import numpy as np
import pytest

from detection.crops import MAP
from detection.light import FEATURES, SCALES, light_features, smoothed

FRAMES = 50
SIDE, UP, REST, ALL, SIDE_FOLLOWS = 9, 10, 11, 12, 13  # places in the figures of one scale


@pytest.fixture(scope="module")
def skin() -> np.ndarray:
    """Textured skin, float32 (FRAMES, MAP, MAP), with a camera's noise."""
    rng = np.random.default_rng(0)
    texture = 130 + 12 * rng.normal(size=(MAP, MAP))
    return (texture + 2 * rng.normal(size=(FRAMES, MAP, MAP))).astype(np.float32)


def turning(amount: float = 0.02) -> np.ndarray:
    """Landmarks (FRAMES, 478, 3) of a head that turns slowly: its nose wanders between the eyes."""
    rng = np.random.default_rng(1)
    still = rng.uniform(40, 60, (478, 3))
    still[[33, 263, 61, 291, 1], :2] = [[30, 40], [70, 40], [38, 80], [62, 80], [50, 60]]
    points = np.repeat(still[None], FRAMES, 0)
    points[:, 1, 0] += amount * 40 * np.sin(np.arange(FRAMES) / 6)
    return points


def features(stack: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(scales, 18)."""
    found = light_features(smoothed(np.clip(stack, 0, 255).astype(np.uint8)), points)
    assert found.shape == (FEATURES,) and np.isfinite(found).all()
    return found.reshape(len(SCALES), 18)


def test_light_from_aside_is_told_from_light_that_stays(skin: np.ndarray) -> None:
    across = np.linspace(-1, 1, MAP)
    swing = 0.08 * np.sin(np.arange(FRAMES) / 6)
    lit = skin * (1 + swing[:, None, None] * across)
    plain, moved = features(skin, turning()), features(lit, turning())
    assert (moved[:, SIDE] > plain[:, SIDE] + 1.5).all()
    assert (moved[:, SIDE_FOLLOWS] > 0.8).all() and (plain[:, SIDE_FOLLOWS] < 0.6).all()


def test_a_camera_that_opens_is_no_light_from_aside(skin: np.ndarray) -> None:
    brighter = skin * (1 + 0.1 * np.sin(np.arange(FRAMES) / 8)[:, None, None])
    plain, opened = features(skin, turning()), features(brighter, turning())
    assert np.abs(opened[:, [SIDE, UP, REST]] - plain[:, [SIDE, UP, REST]]).max() < 0.3


def test_a_shift_of_the_whole_skin_is_no_light(skin: np.ndarray) -> None:
    smooth = np.stack([np.fft.ifft2(np.fft.fft2(skin[0]) * _low()).real] * FRAMES).astype(np.float32)
    rng = np.random.default_rng(3)
    down, right = np.gradient(smooth[0])
    steps = np.cumsum(rng.normal(size=(FRAMES, 2)), 0)
    steps = 0.3 * steps / np.abs(steps).max()
    shifted = smooth + steps[:, :1, None] * right + steps[:, 1:, None] * down
    noise = rng.normal(size=shifted.shape)
    still, slid = features(smooth + noise, turning()), features(shifted + noise, turning())
    assert np.abs(slid[:, :9] - still[:, :9]).max() < 0.35


def _low() -> np.ndarray:
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(MAP), np.fft.fftfreq(MAP)))
    return np.exp(-((frequency / 0.12) ** 2))
