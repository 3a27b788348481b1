"""Everything that is worked out once per photo: crop, matte, background plate, neutral geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from vasa_core.face.beyond import body_goes_on, drawn_out, edge_lines
from vasa_core.face.fill import push_pull
from vasa_core.face.geometry import (
    CHIN,
    FACE_POINTS,
    FOREHEAD,
    LOWER_LIP,
    UPPER_LIP,
    face_height,
    face_width,
    rotation,
)
from vasa_core.types import FRAME_SIZE, FaceBox, Photo

MARGIN = 128  # pixels of canvas around the frame, so that moving or moving away never shows an edge
CANVAS = FRAME_SIZE + 2 * MARGIN
FRAMING = 2.15  # side of the frame in face heights when the photo has room for it
TIGHTEST = 1.3  # never closer than this, even if the photo must be extended


@dataclass(frozen=True)
class Portrait:
    """What is known of the person in one photo. All pixel coordinates are canvas pixels, the frame's corner at MARGIN.

    landmarks: float32 (478, 3), z in pixels too.
    neutral:   float32 (468, 3), the face with its lips closed (as near to the landmarks as that allows).
    attitude:  float64 (3, 3), the head's rotation in the photo.
    texture:   uint8 (CANVAS, CANVAS, 3) the photo around the face.
    person:    uint8 (CANVAS, CANVAS, 4) the person alone: colour premultiplied by the matte, and the matte.
    plate:     uint8 (CANVAS, CANVAS, 3) the background with the person taken out.
    to_photo:  float64 (2, 3), maps canvas pixels to photo pixels.
    covered:   whether something hides the mouth; nothing is drawn between lips that are not there.
    """

    landmarks: np.ndarray
    neutral: np.ndarray
    attitude: np.ndarray
    texture: np.ndarray
    person: np.ndarray
    plate: np.ndarray
    to_photo: np.ndarray
    covered: bool = False

    @property
    def face_width(self) -> float:
        """Pixels between the edges of the face."""
        return face_width(self.landmarks)

    @property
    def softness(self) -> float:
        """Canvas pixels that one pixel of the photo was spread over, at least 1: what is drawn in must be as soft."""
        return max(1.0, 1.0 / float(self.to_photo[0, 0]))

    @property
    def face_height(self) -> float:
        """Pixels from forehead to chin."""
        return face_height(self.landmarks)


class MatteAndMesh(Protocol):
    """What preparing a portrait asks of a face detector."""

    def landmarks(self, pixels: np.ndarray) -> np.ndarray | None: ...

    def matte(self, pixels: np.ndarray) -> np.ndarray: ...


def prepare_portrait(photo: Photo, face: FaceBox, detector: MatteAndMesh) -> Portrait:
    """Crop, measure and separate the person from the background. Takes some tenths of a second on one core."""
    left, top, right, bottom = _without_border(photo.pixels)
    pixels = photo.pixels[top:bottom, left:right]
    face = replace(face, landmarks=face.landmarks - np.array([left, top, 0], np.float32))
    to_photo = _framing(pixels.shape[1], pixels.shape[0], face)
    cut, inside = _cut(pixels, to_photo)
    texture = drawn_out(cut, inside)
    inverse = cv2.invertAffineTransform(to_photo)
    scale = inverse[0, 0]
    found = detector.landmarks(texture)
    expected = face.landmarks[:, :2] @ inverse[:, :2].T + inverse[:, 2]
    landmarks = np.column_stack([expected, face.landmarks[:, 2] * scale])
    # A second look at the right scale is sharper, but it must be the same face.
    if found is not None and np.abs(found[:, :2] - expected).mean() < 0.06 * face_width(landmarks):
        landmarks = found
    landmarks = landmarks.astype(np.float32)
    matte = _refine_matte(texture, detector.matte(texture), landmarks)
    texture, matte = body_goes_on(cut, inside, matte, landmarks)
    plate = _background(texture, matte)
    # Premultiplied so that person + (1 - matte) * plate gives the photo back exactly where nothing moves.
    rest = texture.astype(np.float32) - (1 - matte[..., None]) * plate
    person = np.dstack([np.clip(rest, 0, 255), 255 * matte]).round().astype(np.uint8)
    return Portrait(
        landmarks=landmarks,
        neutral=close_lips(landmarks),
        attitude=rotation(*np.radians([face.yaw, face.pitch, face.roll])),
        texture=texture,
        person=person,
        plate=plate.round().astype(np.uint8),
        to_photo=to_photo + np.array([[0, 0, left], [0, 0, top]]),
        covered=face.covered,
    )


def _without_border(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """left, top, right, bottom of the picture inside a printed border or a seam, if it has one.

    A border that moved along with the hair would give the trick away.
    """

    sideways = pixels.transpose(1, 0, 2)
    height, width = pixels.shape[:2]
    left, top, right, bottom = (edge_lines(x) for x in (sideways, pixels, sideways[::-1], pixels[::-1]))
    return left, top, width - right, height - bottom


def _framing(width: int, height: int, face: FaceBox) -> np.ndarray:
    """The canvas-to-photo transform (2, 3) of a square frame around the face, inside the photo where it can be."""
    points = face.landmarks[:FACE_POINTS, :2]
    low, high = points.min(0), points.max(0)
    size = float((high - low).max())
    side = min(FRAMING * size, max(min(width, height), TIGHTEST * size))
    centre = (low + high) / 2 + [0, 0.04 * size]
    corner = centre - side / 2
    for axis, limit in enumerate((width, height)):
        if side <= limit:
            corner[axis] = np.clip(corner[axis], 0, limit - side)
    k = side / FRAME_SIZE
    # Pixel centres: canvas (x + .5) * k + offset = photo (x' + .5).
    offset = corner - MARGIN * k + 0.5 * k - 0.5
    return np.array([[k, 0, offset[0]], [0, k, offset[1]]])


def _cut(pixels: np.ndarray, to_photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The canvas cut from the photo, and float32 (CANVAS, CANVAS) that is 1 where the photo reaches."""
    k = to_photo[0, 0]
    if k > 2:  # area averaging first: a warp alone would alias
        factor = 1 / (k / 1.5)
        small = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        sx, sy = small.shape[1] / pixels.shape[1], small.shape[0] / pixels.shape[0]
        to_photo = to_photo * [[sx], [sy]] + np.array([[0, 0, 0.5 * sx - 0.5], [0, 0, 0.5 * sy - 0.5]])
        pixels = small
    flags = cv2.WARP_INVERSE_MAP | (cv2.INTER_LANCZOS4 if to_photo[0, 0] < 1 else cv2.INTER_AREA)
    size = (CANVAS, CANVAS)
    texture = cv2.warpAffine(pixels, to_photo, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    ones = np.ones(pixels.shape[:2], np.uint8)
    inside = cv2.warpAffine(ones, to_photo, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST, borderValue=0)
    return texture, inside.astype(np.float32)


def _refine_matte(texture: np.ndarray, matte: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Snap the network's soft, coarse matte to the picture's own edges; float32 (CANVAS, CANVAS) in 0..1.

    Guided filter (He et al., ECCV 2010) with the luma as guide; the face itself is always the person.
    """
    guide = cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    sharp = np.clip((cv2.resize(matte, (CANVAS, CANVAS)) - 0.3) / 0.4, 0, 1).astype(np.float32)
    box = (13, 13)

    def mean(x: np.ndarray) -> np.ndarray:
        return cv2.blur(x, box)

    mean_g, mean_m = mean(guide), mean(sharp)
    slope = (mean(guide * sharp) - mean_g * mean_m) / (mean(guide * guide) - mean_g**2 + 1e-3)
    refined = mean(slope) * guide + mean(mean_m - slope * mean_g)
    # Only near the outline may the filter speak; elsewhere it would let bright walls shine through hair.
    band = cv2.dilate(cv2.morphologyEx(sharp, cv2.MORPH_GRADIENT, np.ones((5, 5))), np.ones((5, 5)))
    out = np.where(band > 0.05, np.clip((refined - 0.08) / 0.84, 0, 1), sharp).astype(np.float32)
    hull = cv2.convexHull(np.round(landmarks[:FACE_POINTS, :2]).astype(np.int32))
    cv2.fillConvexPoly(out, hull, 1.0)
    return cv2.GaussianBlur(out, (0, 0), 0.7)


def _background(texture: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """The picture without the person, float32 (CANVAS, CANVAS, 3), with grain where it had to be made up."""
    sure = (cv2.dilate(matte, np.ones((9, 9))) < 0.04).astype(np.float32)
    if sure.mean() < 0.005:  # the person fills the picture: there is no background to learn from
        return texture.astype(np.float32)
    picture = texture.astype(np.float32)
    filled = push_pull(picture, sure)
    # The fill is smooth; real backdrops have grain. Take its strength from what is known.
    detail = (picture - cv2.GaussianBlur(picture, (0, 0), 1.5)).mean(2)
    strength = min(float(np.sqrt((detail**2 * sure).sum() / sure.sum())), 4.0)
    grain = np.random.default_rng(0).normal(0, strength, matte.shape).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 1.6
    soft = cv2.GaussianBlur(sure, (0, 0), 1.5) * sure
    return np.clip(
        picture * soft[..., None] + (filled + grain[..., None] * (1 - sure[..., None])) * (1 - soft[..., None]), 0, 255
    )


def close_lips(landmarks: np.ndarray) -> np.ndarray:
    """The face (468, 3) with its lips brought together, wherever they were apart.

    The lower lip does three quarters of the way and takes the chin along, as a jaw would.
    """
    face = landmarks[:FACE_POINTS].astype(np.float64).copy()
    height = face_height(face)
    down = face[CHIN] - face[FOREHEAD]
    down /= np.linalg.norm(down)
    across = face[LOWER_LIP[-1]] - face[LOWER_LIP[0]]
    width = np.linalg.norm(across)
    across /= width
    gap = np.maximum(((face[LOWER_LIP] - face[UPPER_LIP]) @ down), 0)
    middle = (face[UPPER_LIP] + face[LOWER_LIP]) / 2
    seam_u = (middle - face[LOWER_LIP[0]]) @ across
    order = np.argsort(seam_u)
    u = (face - face[LOWER_LIP[0]]) @ across
    gap_at = np.interp(u, seam_u[order], gap[order], left=0, right=0)
    seam = 0.75 * face[UPPER_LIP] @ down + 0.25 * face[LOWER_LIP] @ down
    below = face @ down - np.interp(u, seam_u[order], (face[LOWER_LIP] @ down)[order])
    above = np.interp(u, seam_u[order], (face[UPPER_LIP] @ down)[order]) - face @ down
    move = np.zeros(FACE_POINTS)
    jaw = 0.75 * gap.max() * np.exp(-(((u - width / 2) / (0.9 * width)) ** 2))  # the chin follows as a whole
    lower = below > -1e-3 * height
    near = np.exp(-np.maximum(below, 0) / (0.12 * height))
    move[lower] = -(0.75 * gap_at * near + jaw * (1 - near) * 0.8)[lower]
    upper = (above >= -1e-3 * height) & ~lower
    move[upper] = (0.25 * gap_at * np.exp(-np.maximum(above, 0) / (0.08 * height)))[upper]
    face += move[:, None] * down
    # The contours themselves must meet exactly.
    for i, (a, b) in enumerate(zip(UPPER_LIP, LOWER_LIP, strict=True)):
        if gap[i] > 0:
            face[a] += (seam[i] - face[a] @ down) * down
            face[b] += (seam[i] - face[b] @ down) * down
    return face.astype(np.float32)
