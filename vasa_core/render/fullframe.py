"""The whole photo with a living head in it, at the photo's own resolution.

The sheet stands still on the border of the canvas, so a rectangle drawn from the photo's own pixels joins the rest of
the photo without a seam: nothing is pasted, the part that can move is simply drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vasa_core.errors import ControlError
from vasa_core.face.portrait import CANVAS, Portrait
from vasa_core.face.space import FaceSpace
from vasa_core.render.renderer import LiveRenderer, View
from vasa_core.render.warp import Window
from vasa_core.types import Controls, Motion, Photo

LONGEST = 1920  # pixels, longer side of the video
SHORTEST = 256  # pixels, shorter side; smaller photos are enlarged
STEP = 8  # sides are multiples of this (4:2:0 video, watermark blocks)


@dataclass(frozen=True)
class FullFrame:
    """A photo at the size of its video, and the part of it that can move.

    still: uint8 (H, W, 3).  left, top: where the moving part lies in it.  view: the moving part.
    """

    still: np.ndarray
    left: int
    top: int
    view: View


def full_frame(photo: Photo, portrait: Portrait) -> FullFrame:
    """Lay a portrait back into its photo."""
    height, width = photo.pixels.shape[:2]
    ratio = max(min(LONGEST / max(height, width), 1.0), SHORTEST / min(height, width))
    size = [max(SHORTEST, int(side * ratio) // STEP * STEP) for side in (width, height)]
    rx, ry = size[0] / width, size[1] / height  # equal but for the rounding to STEP
    still = cv2.resize(photo.pixels, (size[0], size[1]), interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC)
    # Edges of the canvas in video pixels; x and y share the portrait's one scale.
    zoom = portrait.to_photo[0, 0] * (rx + ry) / 2
    corner = (portrait.to_photo[:, 2] - 0.5 * portrait.to_photo[0, 0] + 0.5) * [rx, ry]
    left, top = np.maximum(np.ceil(corner).astype(int), 0)
    right, bottom = np.minimum(np.floor(corner + CANVAS * zoom).astype(int), size)
    window = Window((left - corner[0]) / zoom, (top - corner[1]) / zoom, zoom, int(right - left), int(bottom - top))
    part = still[top:bottom, left:right].astype(np.float32)
    matte = _seen(portrait.person[..., 3], window).astype(np.float32) / 255
    plate = _seen(portrait.plate, window).astype(np.float32)
    # Where no person is near, the background is the photo itself, at its own sharpness.
    far = cv2.dilate(matte, np.ones((2 * int(5 * zoom) + 1,) * 2)) < 0.02
    plate[far] = part[far]
    colour = part - (1 - matte[..., None]) * plate
    person = np.dstack([np.clip(colour, 0, 255), 255 * matte]).round().astype(np.uint8)
    return FullFrame(still, int(left), int(top), View(window, window, person, plate.round().astype(np.uint8)))


def render_full(
    photo: Photo, portrait: Portrait, space: FaceSpace, motion: Motion, fps: float, controls: Controls
) -> Iterator[np.ndarray]:
    """The frames, uint8 (H, W, 3). Raises ControlError for a camera that would leave the photo behind."""
    check_still(controls)
    frame = full_frame(photo, portrait)
    return _joined(frame, LiveRenderer(portrait, space, view=frame.view).render(motion, fps, controls))


def check_still(controls: Controls) -> None:
    """Raises ControlError for controls that move the camera."""
    if controls.distance or any(controls.position):
        raise ControlError("Distance and position move the camera, which the full frame keeps still; leave them at 0.")


def _joined(frame: FullFrame, parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    window = frame.view.window
    for part in parts:
        out = frame.still.copy()
        out[frame.top : frame.top + window.height, frame.left : frame.left + window.width] = part
        yield out


def _seen(texture: np.ndarray, window: Window) -> np.ndarray:
    """A canvas texture as a window shows it."""
    matrix = np.array(
        [
            [window.zoom, 0, (0.5 - window.left) * window.zoom - 0.5],
            [0, window.zoom, (0.5 - window.top) * window.zoom - 0.5],
        ]
    )
    flags = cv2.INTER_AREA if window.zoom < 1 else cv2.INTER_CUBIC
    return cv2.warpAffine(texture, matrix, (window.width, window.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
