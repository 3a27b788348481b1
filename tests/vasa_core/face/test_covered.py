"""Mouths that something hides, and eyes that are closed in the photo."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.covered import cover
from demo.texts import phrases
from vasa_core.errors import NoFaceFound
from vasa_core.face.geometry import LOWER_LID, UPPER_LID
from vasa_core.face.portrait import MARGIN, prepare_portrait
from vasa_core.render.renderer import LiveRenderer
from vasa_core.render.warp import Warp
from vasa_core.types import Controls, Photo


@pytest.fixture(scope="module")
def face(detector, astronaut):
    return detector.choose(astronaut.pixels)[0]


def test_a_bare_mouth_is_left_alone(face):
    assert not face.covered and "cover" not in face.advice and "closed" not in face.advice


@pytest.mark.parametrize("kind", ["mask", "microphone", "hand"])
def test_a_covered_mouth_is_said_or_refused(detector, astronaut, face, kind):
    try:
        hidden, _ = detector.choose(cover(astronaut.pixels, face.landmarks, kind, 1))
    except NoFaceFound:
        return  # nothing human is left
    assert "cover the mouth" in hidden.advice


def test_nothing_is_drawn_on_a_mask(detector, astronaut, face, space):
    hidden = cover(astronaut.pixels, face.landmarks, "mask", 1)
    portrait = prepare_portrait(Photo(hidden, b"", "image/png"), replace(face, covered=True), detector)
    renderer = LiveRenderer(portrait, space)
    x, y = (portrait.landmarks[[13, 14], :2].mean(0) - MARGIN).astype(int)
    frames = [
        renderer.draw(np.zeros(6, np.float32), k * space.direction("jaw_open"), Controls(), Warp()).astype(int)
        for k in (0, 1)
    ]
    window = (slice(y - 12, y + 24), slice(x - 20, x + 20))
    assert frames[1][window].min() > 150  # a white mask stays white: no dark mouth opens in it
    assert np.abs(frames[1] - frames[0]).max() > 20  # but it moves with the jaw


def test_closed_eyes_are_said(detector, astronaut, face):
    asleep = face.landmarks.copy()
    for side in ("left", "right"):
        asleep[UPPER_LID[side]] = asleep[LOWER_LID[side]]
    assert "eyes are closed" in detector._advice(astronaut.pixels, replace(face, landmarks=asleep), 1.0, 0.0)
    assert "eyes are closed" not in detector._advice(astronaut.pixels, face, 1.0, 0.0)
    both = detector._advice(astronaut.pixels, replace(face, landmarks=asleep, covered=True), 1.0, 0.0)
    assert "eyes are closed" in both and "cover the mouth" in both
    french = phrases.french(both)
    assert "yeux" in french and "bouche" in french and "closed" not in french


def test_eyes_closed_in_the_picture_are_said(detector, portrait, space):
    """Landmarks of real shut eyes are never quite shut."""
    code = space.direction("blink_left") + space.direction("blink_right")
    frame = LiveRenderer(portrait, space).draw(np.zeros(6, np.float32), code, Controls(), Warp())
    assert "eyes are closed" in detector.choose(frame)[0].advice
