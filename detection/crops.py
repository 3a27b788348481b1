"""The one way from a picture with landmarks to what the networks see, in training and in use.

Two views of a face. `crop` is the face seen from the front of the picture, turned upright, hardly larger than itself,
with everything outside its oval replaced by grey: background, hair, badges in corners never reach a network.
`unwrap` lays the skin flat: the same place of the face falls on the same pixel in every frame, so that what changes
there is skin, light and noise, and not the movement of the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import Delaunay

from vasa_core.face.geometry import CHIN, FACE_POINTS, FOREHEAD, LEFT_EDGE, OVAL, RIGHT_EDGE
from vasa_core.weights import read_weights

CROP = 128  # pixels, side of the crop
MAP = 96  # pixels, side of the flat skin
ROOM = 1.12  # side of the crop in longer sides of the face: the oval fills it
GREY = 128
FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Canonical:
    """A frontal average face: what is laid flat is laid onto it.

    template: float32 (478, 3), rest face in face widths, as `vasa_core.face.space.FaceSpace.template`.
    mixing:   float32 (pixels on the face, 478) sparse, where each of them lies as a mean of landmarks.
    inside:   bool (MAP, MAP), the pixels that lie on the face.
    places:   float32 (468, 2), x and y of the landmarks on the map.
    """

    template: np.ndarray
    mixing: csr_array
    inside: np.ndarray
    places: np.ndarray

    @classmethod
    def build(cls, template: np.ndarray, opened: np.ndarray) -> Canonical:
        """template, opened: (478, 3) the average face at rest and with the mouth half open."""
        flat = opened[:FACE_POINTS, :2].astype(np.float64)
        low, high = flat.min(0), flat.max(0)
        scale = (MAP - 2) / (high - low).max()
        flat = (flat - (low + high) / 2) * scale + (MAP - 1) / 2
        mesh = Delaunay(flat)
        ys, xs = np.mgrid[:MAP, :MAP]
        pixels = np.stack([xs, ys], -1).reshape(-1, 2).astype(np.float64)
        found = mesh.find_simplex(pixels)
        inside = found >= 0
        transform = mesh.transform[found]
        two = np.einsum("nij,nj->ni", transform[:, :2], pixels - transform[:, 2])
        weights = np.concatenate([two, 1 - two.sum(1, keepdims=True)], 1)[inside]  # (F, 3)
        corners = mesh.simplices[found[inside]]
        rows = np.repeat(np.arange(len(weights)), 3)
        mixing = csr_array(
            (weights.ravel().astype(np.float32), (rows, corners.ravel())), shape=(len(weights), len(template))
        )
        return cls(
            template.astype(np.float32),
            mixing,
            inside.reshape(MAP, MAP),
            flat.astype(np.float32),
        )


@lru_cache(maxsize=1)
def canonical() -> Canonical:
    """The average face that ships. Read-only. Raises WeightsError."""
    tensors, _ = read_weights(FOLDER / "canonical.safetensors", "detection_canonical", "1")
    return Canonical.build(tensors["template"], tensors["opened"])


def crop(pixels: np.ndarray, points: np.ndarray, size: int = CROP) -> tuple[np.ndarray, np.ndarray]:
    """The face upright and alone: uint8 (size, size, 3), and the affine (2, 3) from its pixels to the picture's.

    pixels: uint8 (H, W, 3).  points: (478, >= 2) in its pixels.
    """
    back = upright_square(points, size)
    step = float(np.hypot(back[0, 0], back[1, 0]))
    image, scale = pixels, 1.0
    while step * scale > 2.0:  # halve first, so that a large face does not alias
        half = (max(1, image.shape[1] // 2), max(1, image.shape[0] // 2))
        scale *= half[0] / image.shape[1]
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    shrink = np.array([image.shape[1] / pixels.shape[1], image.shape[0] / pixels.shape[0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image, back * shrink[:, None], (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    forth = cv2.invertAffineTransform(back)
    oval = points[OVAL, :2] @ forth[:, :2].T + forth[:, 2]
    mask = np.zeros((size, size), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(oval).astype(np.int32)), 255)
    mask = cv2.blur(mask, (5, 5))[..., None].astype(np.uint16)
    mixed = (cut.astype(np.uint16) * mask + np.uint16(GREY) * (255 - mask)) // 255
    return mixed.astype(np.uint8), back


def upright_square(points: np.ndarray, size: int) -> np.ndarray:
    """Affine (2, 3) from the pixels of an upright square of `size` around the face to the picture's."""
    flat = points[:FACE_POINTS, :2].astype(np.float64)
    down = flat[CHIN] - flat[FOREHEAD]
    down /= max(float(np.linalg.norm(down)), 1e-6)
    right = np.array([down[1], -down[0]])
    if (flat[RIGHT_EDGE] - flat[LEFT_EDGE]) @ right < 0:
        right = -right
    own = np.stack([flat @ right, flat @ down], 1)  # (468, 2) in the head's own axes
    low, high = own.min(0), own.max(0)
    side = float((high - low).max()) * ROOM
    axes = np.stack([right, down], 1)  # columns
    step = side / size
    corner = axes @ ((low + high) / 2 - side / 2)
    return np.column_stack([axes * step, corner + axes @ np.full(2, step / 2)])


def unwrap(luma: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The skin laid flat, uint8 (MAP, MAP). luma: uint8 (H, W).  points: (478, >= 2) in its pixels."""
    face = canonical()
    where = face.mixing @ points[:, :2].astype(np.float32)  # (pixels on the face, 2)
    span = float(np.ptp(points[:FACE_POINTS, 0])) / MAP
    if span > 2.0:
        factor = 1 / (span / 1.5)
        size = (max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor)))
        where = (where * (np.array(size) / luma.shape[1::-1])).astype(np.float32)
        luma = cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
    x, y = np.ascontiguousarray(where.T)
    flat = np.zeros((MAP, MAP), np.uint8)
    seen = cv2.remap(luma, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    flat[face.inside] = seen[0]
    return flat


def around(picture: np.ndarray, points: np.ndarray, room: float = 0.12) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture that holds the face, and the points in it, so that the rest need not be resized."""
    flat = points[:FACE_POINTS, :2]
    low, high = flat.min(0), flat.max(0)
    pad = (high - low).max() * room / 2
    left, top = np.maximum(np.floor(low - pad), 0).astype(int)
    right, bottom = np.ceil(high + pad).astype(int)
    right, bottom = min(max(right, left + 2), picture.shape[1]), min(max(bottom, top + 2), picture.shape[0])
    left, top = min(left, right - 2), min(top, bottom - 2)
    moved = points[:, :2] - np.array([left, top], points.dtype)
    return picture[max(top, 0) : bottom, max(left, 0) : right], moved
