"""The deformable sheet of one portrait: 468 face points, rings around the face, a grid over everything else.

A 2.5-D warp: every point has a depth and a weight that says how much of the head's movement it takes part in (1 on
the head, fading down the neck and away from it, 0 on the backdrop). Triangles are made once in the photo's plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import Delaunay

from vasa_core.face.geometry import CHIN, FACE_POINTS, FOREHEAD, LEFT_EDGE, OVAL, RIGHT_EDGE, smoothstep
from vasa_core.face.portrait import CANVAS, Portrait

GRID_STEP = 24  # canvas pixels between points outside the face
RINGS = (1.08, 1.2, 1.36)  # face oval blown up by these factors: detail where hair meets skin
MAX_SLOPE = 1.7  # depth per pixel; folds only beyond atan(1 / 1.7) = 30 degrees
DEPTH_GAIN = 1.25  # tracked faces are flatter than heads: without it a turn of 10 degrees looks like one of 7
BEYOND = CANVAS * np.array([[-1.0, -1.0], [2.0, -1.0], [-1.0, 2.0], [2.0, 2.0]])  # what a far camera sees of the sheet
UNDER_JAW = (0.3, 0.5)  # from here to there, in face heights below the face's centre, points come to belong to the neck
SKULL_SLOPE = 0.9  # depth per pixel by which hair and skull fall back from the face's rim
NECK_SLOPE = 1.55  # the same for the neck, from the jaw
NECK_LENGTH = 0.45  # face heights below the chin where the head's movement ends
BODY_SWAY = 0.3  # share of the head's shift that the shoulders take


@dataclass(frozen=True)
class Sheet:
    """A portrait's mesh, in canvas pixels.

    source:    float32 (V, 2) where each point lies in the textures; the first 468 are the face.
    rest:      float32 (V, 3) where it lies in a neutral frame, with depth.
    follow:    float32 (V,) share of the head's movement, 1 on the face.
    loose:     float32 (V,) 1 inside the canvas, 0 on its border, so that the sheet never shrinks from the edge.
    skin:      float32 (V - 468, len(OVAL)) how points around the face follow the face oval's expression.
    triangles: int32 (T, 3).
    pivot:     float64 (3,) the point the head turns about.
    """

    source: np.ndarray
    rest: np.ndarray
    follow: np.ndarray
    loose: np.ndarray
    skin: np.ndarray
    triangles: np.ndarray
    pivot: np.ndarray

    def place(self, expression: np.ndarray, turn: np.ndarray, scale: float, shift: np.ndarray) -> np.ndarray:
        """Where every point goes.

        Args:
            expression: float (468, 3) displacement of the face in canvas pixels, in the photo's own attitude.
            turn: (3, 3) rotation of the head from its attitude in the photo.
            scale: of the head about the pivot.
            shift: (2,) of the head in canvas pixels.

        Returns:
            float32 (V, 3).
        """
        points = self.rest.astype(np.float64)
        points[:FACE_POINTS] += expression
        points[FACE_POINTS:] += self.skin @ expression[OVAL]
        moved = self.carry(points, turn, scale, shift)
        follow = self.follow[:, None]
        sway = BODY_SWAY * np.append(shift, 0.0) * self.loose[:, None]
        return (points + follow * (moved - points) + (1 - follow) * sway).astype(np.float32)

    def carry(self, points: np.ndarray, turn: np.ndarray, scale: float, shift: np.ndarray) -> np.ndarray:
        """Where points (n, 3) fixed to the skull go, float64 (n, 3); arguments as in `place`."""
        return scale * (points - self.pivot) @ turn.T + self.pivot + np.append(shift, 0.0)


def build_sheet(portrait: Portrait) -> Sheet:
    """Make the mesh of a portrait; tens of milliseconds."""
    face = portrait.landmarks[:FACE_POINTS]
    width = portrait.face_width
    centre, depth = face[OVAL, :2].mean(0), face[OVAL, 2].mean()
    around = _points_around(face, centre)
    follow = _follow(portrait, around)
    # Behind the face the head is a ball: the further from the face's rim, the further back. Next to the face the
    # depth is that of its rim, smoothed: a step there would fold the cheek over itself when the head turns.
    rim = _smooth_loop(face[OVAL, 2].astype(np.float64))
    distance = np.linalg.norm(around[:, None] - face[OVAL, :2][None], axis=2)  # (n, oval)
    near = np.exp(-((distance - distance.min(1, keepdims=True)) / (0.15 * width)))
    rims = (near * rim).sum(1) / near.sum(1)
    depths = np.minimum(rims + SKULL_SLOPE * distance.min(1), depth + 0.45 * width)
    source = np.vstack([face[:, :2], around])
    rest = np.vstack([portrait.neutral, np.column_stack([around, depths])])
    rest[OVAL, 2] = rim
    rest[:, 2] = depth + DEPTH_GAIN * (rest[:, 2] - depth)
    pivot_xy = (face[LEFT_EDGE, :2] + face[RIGHT_EDGE, :2]) / 2 * 0.65 + face[CHIN, :2] * 0.35
    pivot = np.append(pivot_xy, face[[LEFT_EDGE, RIGHT_EDGE], 2].mean() + 0.05 * width)
    # A neck stands on the axis that the head turns about: from the jaw it falls back to it as steeply as may be.
    down = face[CHIN, :2] - face[FOREHEAD, :2]
    under = smoothstep((around - centre) @ down / (down @ down), *UNDER_JAW)
    jaw = (near * rest[OVAL, 2]).sum(1) / near.sum(1)
    neck = np.minimum(jaw + NECK_SLOPE * distance.min(1), max(pivot[2], rest[OVAL, 2].max()))
    rest[FACE_POINTS:, 2] += under * (neck - rest[FACE_POINTS:, 2])
    triangles = Delaunay(source).simplices.astype(np.int32)
    rest[:, 2] = limit_slope(source, rest[:, 2], triangles)
    return Sheet(
        source=source.astype(np.float32),
        rest=rest.astype(np.float32),
        follow=np.concatenate([np.ones(FACE_POINTS), follow]).astype(np.float32),
        loose=smoothstep(np.minimum(source, CANVAS - 1 - source).min(1), 0, GRID_STEP).astype(np.float32),
        skin=_skin_weights(face, around, width).astype(np.float32),
        triangles=triangles,
        pivot=pivot,
    )


def _points_around(face: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Rings and grid points outside the face, (n, 2), canvas border included and four points far beyond it."""
    oval = face[OVAL, :2]
    rings = np.vstack([centre + (oval - centre) * r for r in RINGS])
    ticks = np.linspace(0, CANVAS - 1, CANVAS // GRID_STEP + 1)
    grid = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    outline = (centre + (oval - centre) * (RINGS[-1] + 0.1)).astype(np.float32)
    hull = cv2.convexHull(outline)
    keep = [cv2.pointPolygonTest(hull, (float(x), float(y)), False) < 0 for x, y in grid]
    border = (grid.min(1) <= 0) | (grid.max(1) >= CANVAS - 1)
    inside = (rings > 2).all(1) & (rings < CANVAS - 3).all(1)
    # Chins and ears can poke out of their own ring when the head is turned.
    hull_face = cv2.convexHull(face[:, :2].astype(np.float32))
    outside = np.array([cv2.pointPolygonTest(hull_face, (float(x), float(y)), True) < -2 for x, y in rings])
    return np.vstack([rings[inside & outside], grid[np.array(keep) | border], BEYOND])


def limit_slope(
    points: np.ndarray, depth: np.ndarray, triangles: np.ndarray, steepest: float = MAX_SLOPE
) -> np.ndarray:
    """Flatten `depth` (V,) until no mesh edge is steeper than `steepest` (depth per pixel in the picture).

    A cheek seen edge-on packs much depth into few pixels; turning it towards the camera would pull those few pixels
    into jagged spikes. With slope k the sheet cannot fold before the head has turned by atan(1 / k).
    """
    edges = np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    a, b = edges.T
    allowed = steepest * np.linalg.norm(points[a] - points[b], axis=1)
    count = np.bincount(edges.ravel(), minlength=len(depth)).clip(1)
    depth = depth.astype(np.float64).copy()
    for _ in range(200):
        step = depth[a] - depth[b]
        excess = step - np.clip(step, -allowed, allowed)
        if np.abs(excess).max() < 0.05:
            break
        change = np.bincount(b, excess, len(depth)) - np.bincount(a, excess, len(depth))
        depth += 1.2 * change / count
    return depth


def _smooth_loop(values: np.ndarray, passes: int = 4) -> np.ndarray:
    """Binomial smoothing along a closed contour."""
    for _ in range(passes):
        values = (np.roll(values, 1) + 2 * values + np.roll(values, -1)) / 4
    return values


def _follow(portrait: Portrait, points: np.ndarray) -> np.ndarray:
    """Share of the head's movement of canvas points (n, 2): 1 on the head, easing to 0 down the neck and far off."""
    face, height, width = portrait.landmarks, portrait.face_height, portrait.face_width
    down = face[CHIN, :2] - face[FOREHEAD, :2]
    down = down / np.linalg.norm(down)
    centre = face[OVAL, :2].mean(0)
    rows, columns = np.mgrid[0:CANVAS, 0:CANVAS]
    below_chin = ((columns - face[CHIN, 0]) * down[0] + (rows - face[CHIN, 1]) * down[1]) / height
    reach = np.hypot(columns - centre[0], rows - centre[1]) < 1.25 * height
    head = (portrait.person[..., 3] > 128) & (below_chin < 0.05) & reach
    distance = cv2.distanceTransform((~head).astype(np.uint8), cv2.DIST_L2, 5)
    x, y = np.clip(np.round(points).astype(int), 0, CANVAS - 1).T
    sideways = 1 - smoothstep(distance[y, x], 0.08 * width, 0.7 * width)
    along = (points - face[CHIN, :2]) @ down / height
    neck = 1 - smoothstep(along, -0.12, NECK_LENGTH)
    border = np.maximum(np.minimum(points, CANVAS - 1 - points).min(1), 0)
    # Only the neck column is held by distance from the chin; to its sides the fall-off starts higher (shoulders).
    reached = (0.65 - 0.4 * smoothstep(along, -0.12, 0.2)) * width  # by the head's movement, beside jaw and neck
    beside = 1 - smoothstep((distance[y, x] - 0.05 * width) / reached, 0, 1)
    return np.where(along > -0.12, neck * np.maximum(beside, 0.0), sideways) * smoothstep(border, 0, 40)


def _skin_weights(face: np.ndarray, points: np.ndarray, width: float) -> np.ndarray:
    """(n, len(OVAL)): skin just outside the face oval moves with it, less and less with distance."""
    offsets = points[:, None] - face[OVAL, :2][None]  # (n, oval, 2)
    distance = np.linalg.norm(offsets, axis=2)
    near = np.exp(-((distance / (0.12 * width)) ** 2)) + 1e-12
    share = near / near.sum(1, keepdims=True)
    return share * np.exp(-((distance.min(1, keepdims=True) / (0.22 * width)) ** 2))
