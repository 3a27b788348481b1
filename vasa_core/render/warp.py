"""From moved triangles to pixels: a backward map by rasterisation, one remap, one blend."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from vasa_core.face.portrait import CANVAS, MARGIN
from vasa_core.types import FRAME_SIZE

OVERSAMPLING = 2  # textures are held this much finer, so that cheap bilinear lookups stay sharp
CELL = 2.0  # canvas pixels per cell of the backward map: it is smooth, and this is four times cheaper than one


@dataclass(frozen=True)
class Window:
    """A rectangle of a portrait's canvas, seen at some resolution.

    left, top: its corner in canvas pixels (edges, not centres).  zoom: pixels per canvas pixel.
    width, height: in its own pixels.
    """

    left: float
    top: float
    zoom: float
    width: int
    height: int

    def from_canvas(self, points: np.ndarray) -> np.ndarray:
        """Canvas coordinates (..., 2) of pixel centres -> coordinates in this window."""
        return (points + 0.5 - np.array([self.left, self.top])) * self.zoom - 0.5


FRAME = Window(MARGIN, MARGIN, 1.0, FRAME_SIZE, FRAME_SIZE)  # what the 512 x 512 video shows
WHOLE = Window(0, 0, OVERSAMPLING, OVERSAMPLING * CANVAS, OVERSAMPLING * CANVAS)  # how textures are kept for it


@numba.njit(cache=True, fastmath=True, nogil=True)
def rasterise(triangles: np.ndarray, moved: np.ndarray, source: np.ndarray, out: np.ndarray, depth: np.ndarray) -> None:
    """Fill `out` (2, rows, columns) with the source coordinates that every cell shows; the nearest surface wins.

    triangles int32 (T, 3); moved float32 (V, 3) in cells, depth in any unit (small is near); source float32 (V, 2).
    `out` keeps its content where nothing is drawn; `depth` float32 (rows, columns) is the depth buffer, reset here.
    """
    height, width = out.shape[1], out.shape[2]
    depth[:] = 1e9
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = moved[a, 0], moved[a, 1], moved[b, 0], moved[b, 1], moved[c, 0], moved[c, 1]
        area = (y1 - y2) * (x0 - x2) + (x2 - x1) * (y0 - y2)
        if abs(area) < 1e-9:
            continue
        top, bottom = (
            max(0, int(np.ceil(min(y0, y1, y2) - 1e-3))),
            min(height - 1, int(np.floor(max(y0, y1, y2) + 1e-3))),
        )
        left, right = (
            max(0, int(np.ceil(min(x0, x1, x2) - 1e-3))),
            min(width - 1, int(np.floor(max(x0, x1, x2) + 1e-3))),
        )
        inverse = 1.0 / area
        du, dv = (y1 - y2) * inverse, (y2 - y0) * inverse  # change of the weights per column
        for row in range(top, bottom + 1):
            u = ((y1 - y2) * (left - x2) + (x2 - x1) * (row - y2)) * inverse
            v = ((y2 - y0) * (left - x2) + (x0 - x2) * (row - y2)) * inverse
            for column in range(left, right + 1):
                w = 1 - u - v
                if u >= -1e-4 and v >= -1e-4 and w >= -1e-4:
                    z = u * moved[a, 2] + v * moved[b, 2] + w * moved[c, 2]
                    if z < depth[row, column]:
                        depth[row, column] = z
                        out[0, row, column] = u * source[a, 0] + v * source[b, 0] + w * source[c, 0]
                        out[1, row, column] = u * source[a, 1] + v * source[b, 1] + w * source[c, 1]
                u += du
                v += dv
    for row in range(height):  # hairline cracks between triangles, and what lies outside the sheet: the neighbour's
        for column in range(1, width):
            if depth[row, column] == 1e9 and depth[row, column - 1] != 1e9:
                out[0, row, column] = out[0, row, column - 1]
                out[1, row, column] = out[1, row, column - 1]
                depth[row, column] = depth[row, column - 1]
        for column in range(width - 2, -1, -1):
            if depth[row, column] == 1e9 and depth[row, column + 1] != 1e9:
                out[0, row, column] = out[0, row, column + 1]
                out[1, row, column] = out[1, row, column + 1]
                depth[row, column] = depth[row, column + 1]
    for row in range(1, height):  # whole rows without a sheet, seen from far away
        if depth[row, 0] == 1e9 and depth[row - 1, 0] != 1e9:
            out[:, row] = out[:, row - 1]
            depth[row] = depth[row - 1]
    for row in range(height - 2, -1, -1):
        if depth[row, 0] == 1e9 and depth[row + 1, 0] != 1e9:
            out[:, row] = out[:, row + 1]
            depth[row] = depth[row + 1]


@numba.njit(cache=True, fastmath=True, nogil=True)
def blend(person: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Premultiplied `person` uint8 (h, w, 4) over `plate` uint8 (h, w, 3) -> uint8 (h, w, 3)."""
    out = np.empty_like(plate)
    for row in range(plate.shape[0]):
        for column in range(plate.shape[1]):
            through = 255 - np.int32(person[row, column, 3])
            for channel in range(3):
                value = np.int32(person[row, column, channel]) + (through * plate[row, column, channel] + 127) // 255
                out[row, column, channel] = min(value, 255)
    return out


class Warp:
    """Scratch memory of one worker; draws sheets into frames. Not shared between threads.

    window: what the frames show.  texture: what the textures hold.
    """

    def __init__(self, window: Window = FRAME, texture: Window = WHOLE) -> None:
        self._window, self._texture = window, texture
        span = np.array([window.width, window.height]) / window.zoom  # canvas pixels
        columns, rows = np.maximum(np.ceil(span / CELL).astype(int), 2)
        self._scale = np.array([columns, rows]) / span  # cells per canvas pixel
        cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1)
        still = (cells + 0.5) / self._scale + [window.left, window.top] - 0.5
        self._map = np.ascontiguousarray(still.transpose(2, 0, 1), np.float32)  # (2, rows, columns)
        self._depth = np.empty((rows, columns), np.float32)
        self._lookup: list[np.ndarray] = []  # x and y, float32 (height, width), texture pixels

    def draw(self, triangles: np.ndarray, moved: np.ndarray, source: np.ndarray, texture: np.ndarray) -> np.ndarray:
        """The texture pulled along with the sheet -> uint8 (height, width, C) of the window.

        moved, source: as in `Sheet`, canvas pixels.
        """
        cells = moved.copy()
        cells[:, :2] = (moved[:, :2] + 0.5 - [self._window.left, self._window.top]) * self._scale - 0.5
        rasterise(triangles, cells, source, self._map, self._depth)
        size = (self._window.width, self._window.height)
        corner = (self._texture.left, self._texture.top)
        # Both maps float32: cv2.remap never returns when they differ in type.
        self._lookup = [
            cv2.resize(
                (m + np.float32(0.5 - c)) * self._texture.zoom - 0.5, size, interpolation=cv2.INTER_LINEAR
            ).astype(np.float32)
            for m, c in zip(self._map, corner, strict=True)
        ]
        return self.again(texture, (0, 0, *size))

    def again(self, texture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        """Another texture pulled along as in the last `draw`, only inside `box` (left, top, right, bottom)."""
        left, top, right, bottom = box
        x, y = (m[top:bottom, left:right] for m in self._lookup)
        return cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def oversample(texture: np.ndarray) -> np.ndarray:
    """A canvas texture as `WHOLE` describes it."""
    return cv2.resize(texture, None, fx=OVERSAMPLING, fy=OVERSAMPLING, interpolation=cv2.INTER_CUBIC)
