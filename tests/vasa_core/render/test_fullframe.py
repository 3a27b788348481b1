import cv2
import numpy as np
import pytest

from vasa_core.errors import ControlError
from vasa_core.face.portrait import prepare_portrait
from vasa_core.render.fullframe import full_frame, render_full
from vasa_core.types import Controls, Motion, Photo


def still(space, count=1):
    return Motion(np.zeros((count, 6), np.float32), np.zeros((count, space.dim), np.float32))


def test_rest_is_the_photo_everywhere(astronaut, portrait, space):
    """No border shows: only where the smile closes does a resting full frame differ from the photo."""
    frame = next(render_full(astronaut, portrait, space, still(space), 25, Controls()))
    assert frame.shape == astronaut.pixels.shape
    assert np.abs(frame.astype(int) - astronaut.pixels).mean() < 0.6


def test_only_the_person_moves(astronaut, portrait, space):
    motion = still(space, 2)
    motion.pose[:, 0] = 0.15
    motion.dynamics[:] = space.direction("jaw_open")
    frame = next(render_full(astronaut, portrait, space, motion, 25, Controls()))
    change = np.abs(frame.astype(int) - astronaut.pixels).mean(2)
    placed = full_frame(astronaut, portrait)
    window = placed.view.window
    inside = np.zeros(change.shape, bool)
    inside[placed.top : placed.top + window.height, placed.left : placed.left + window.width] = True
    assert change[~inside].max() == 0
    edge = inside & (cv2.erode(inside.astype(np.uint8), np.ones((7, 7)), borderValue=1) == 0)
    assert change[edge].mean() < 2  # the rectangle's own border does not show
    assert change[inside].mean() > 1  # while the head has turned


@pytest.mark.parametrize("size", [(200, 150), (2600, 2000), (301, 403)])
def test_sides_suit_video(astronaut, detector, space, size):
    pixels = cv2.resize(astronaut.pixels[0:240, 60:360], size, interpolation=cv2.INTER_AREA)
    photo = Photo(pixels, b"", "image/png")
    found = detector.find(cv2.resize(pixels, None, fx=2, fy=2)) if size[0] < 300 else detector.find(pixels)
    if size[0] < 300:  # the face is below the detector's limit at this size: measured on the enlarged photo
        photo = Photo(cv2.resize(pixels, None, fx=2, fy=2), b"", "image/png")
    portrait = prepare_portrait(photo, found[0], detector)
    height, width = next(render_full(photo, portrait, space, still(space), 25, Controls())).shape[:2]
    assert height % 8 == width % 8 == 0 and min(height, width) >= 256 and max(height, width) <= 1920
    assert width / height == pytest.approx(photo.pixels.shape[1] / photo.pixels.shape[0], rel=0.06)


@pytest.mark.parametrize("controls", [Controls(distance=0.1), Controls(position=(0.1, 0))])
def test_a_moving_camera_is_refused(astronaut, portrait, space, controls):
    with pytest.raises(ControlError, match="full frame"):
        next(render_full(astronaut, portrait, space, still(space), 25, controls))
