"""What a portrait's canvas shows beyond the edge of its photo."""

from __future__ import annotations

import cv2
import numpy as np

from vasa_core.face.fill import push_pull
from vasa_core.face.geometry import CHIN, FOREHEAD, smoothstep
from vasa_core.types import FRAME_SIZE

LADDER = ((4, 6), (14, 24), (32, 60), (60, 120))  # blur and the distance from the photo where it is reached, pixels
PERSON_LADDER = ((4, 6), (10, 24), (18, 60), (26, 120))  # the same inside the person
OUTLINE = (1.0, 2.0, 4.0, 7.0)  # blur of the person's outline at the same distances
SHOULDER = 0.45  # fall of shoulders beyond the sides of the photo, pixels per pixel
CROWN = 0.35  # face heights from the landmarks' forehead to the top of the hair


def edge_lines(lines: np.ndarray) -> int:
    """How many of the outermost lines (n, m, 3) of a picture are no part of it: a printed border, a seam of a scan.

    Plain lines (up to 6 % of the side) that end in a hard step, or up to three that differ nearly all along from what
    lies next to them, which does not differ from what follows.
    """
    for count in (3, 2, 1):
        if count + 3 < len(lines):
            outer, inner, further = (lines[count + k].astype(int) for k in (-1, 1, 3))
            step, calm = np.abs(outer - inner).max(1), np.abs(inner - further).max(1)
            if (step > 25).mean() > 0.8 and (calm < 25).mean() > 0.8:
                return count + 1
    limit = max(2, int(0.06 * len(lines)))
    plain = lines[: limit + 2].std(axis=1).max(axis=1) < 6
    count = int(np.argmin(plain)) if not plain.all() else 0
    if not 0 < count <= limit:
        return 0
    step = np.abs(lines[count - 1].mean(0) - lines[min(count + 2, len(lines) - 1)].mean(0)).max()
    return count + 1 if step > 25 else 0  # one more: its edge is blurred


def drawn_out(texture: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Beyond the photo: its edge drawn out and ever softer, with the photo's grain.

    Its mirror image would show a second head of hair above a tight crop; a fill without grain would frame the picture.

    Args:
        texture: uint8 (H, W, 3), right where `inside` is 1.
        inside: float32 (H, W), 1 where the photo is, a rectangle.
    """
    if inside.min() > 0:
        return texture
    edge = _Edge(inside)
    soft = edge.ladder(edge.replicate(texture.astype(np.float32)), LADDER)
    return edge.join(texture, soft)


def body_goes_on(
    texture: np.ndarray, inside: np.ndarray, matte: np.ndarray, landmarks: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `drawn_out`, with the person and the background each drawn out for itself, so that a body ends nowhere.

    Bodies go on straight down, shoulders fall to the sides, a head that the photo cuts off is rounded.

    Args:
        texture, inside: as in `drawn_out`; sides even.
        matte: float32 (H, W) in 0..1 of the person, right inside the photo.
        landmarks: (478, 3).

    Returns:
        The texture, uint8 (H, W, 3), and the matte to go with it.
    """
    if inside.min() > 0:
        return texture, matte
    edge, coarse = _Edge(inside), _Edge(np.ascontiguousarray(inside[::2, ::2]))
    whole = edge.replicate(matte)
    # What is so soft can be made at half the size.
    size = coarse.distance.shape[::-1]
    small = cv2.resize(edge.replicate(texture.astype(np.float32)), size, interpolation=cv2.INTER_AREA)
    person = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    layers = []
    for share, ladder in ((person, PERSON_LADDER), (1 - person, LADDER)):
        known = cv2.erode((share > 0.9).astype(np.float32), np.ones((3, 3)))
        layer = push_pull(small, known) if known.sum() > 100 else small
        layer = coarse.ladder(layer, tuple((blur / 2, reach / 2) for blur, reach in ladder))
        layers.append(cv2.resize(layer, inside.shape[::-1], interpolation=cv2.INTER_LINEAR))
    reaches = tuple(reach for _, reach in LADDER)
    outline = edge.ladder(_outline(whole, edge, landmarks), tuple(zip(OUTLINE, reaches, strict=True)))
    outline = np.where(inside > 0, matte, outline).astype(np.float32)
    mixed = layers[0] * outline[..., None] + layers[1] * (1 - outline[..., None])
    return edge.join(texture, mixed), outline


class _Edge:
    """The rectangle of a canvas that the photo fills, and how far every pixel lies beyond it."""

    def __init__(self, inside: np.ndarray) -> None:
        height, width = inside.shape
        rows, columns = (np.flatnonzero(inside.max(axis)) for axis in (1, 0))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        # One pixel in: the outermost may be half of what lies beyond.
        self.top, self.left = top + (top > 0), left + (left > 0)
        self.bottom, self.right = bottom - (bottom < height), right - (right < width)
        self._inside = inside
        self.distance = cv2.distanceTransform((1 - inside).astype(np.uint8), cv2.DIST_L2, 5)

    def replicate(self, picture: np.ndarray) -> np.ndarray:
        """`picture` (H, W, ...) with its outermost pixels repeated over what lies beyond."""
        height, width = picture.shape[:2]
        known = picture[self.top : self.bottom, self.left : self.right]
        around = (self.top, height - self.bottom, self.left, width - self.right)
        return np.asarray(cv2.copyMakeBorder(known, *around, cv2.BORDER_REPLICATE))

    def ladder(self, picture: np.ndarray, steps: tuple[tuple[float, float], ...]) -> np.ndarray:
        """float32 `picture` blurred ever more with the distance from the photo."""
        out, before = picture, 1.0
        for blur, reach in steps:
            share = smoothstep(self.distance, before, reach).astype(np.float32)
            share = share[..., None] if picture.ndim == 3 else share
            out = out * (1 - share) + _blur(picture, blur) * share
            before = reach * 0.6
        return out

    def join(self, texture: np.ndarray, beyond: np.ndarray) -> np.ndarray:
        """`texture` inside, `beyond` with the grain of the photo's edge outside; uint8 (H, W, 3)."""
        near = cv2.distanceTransform(self._inside.astype(np.uint8), cv2.DIST_L2, 5) < 0.1 * FRAME_SIZE
        edge = (self._inside > 0) & near
        detail = (texture - cv2.GaussianBlur(texture.astype(np.float32), (0, 0), 1.5)).mean(2)
        strength = min(1.48 * float(np.median(np.abs(detail[edge]))), 16.0)  # of grain; edges of things do not count
        grain = np.random.default_rng(0).normal(0, strength, self._inside.shape).astype(np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), 0.6) * 2.1
        share = smoothstep(self.distance, 0, 4).astype(np.float32)[..., None]
        out = texture * (1 - share) + beyond * share + (grain * smoothstep(self.distance, 1, 8))[..., None]
        return np.clip(out, 0, 255).round().astype(np.uint8)


def _outline(matte: np.ndarray, edge: _Edge, landmarks: np.ndarray) -> np.ndarray:
    """The replicated matte (H, W), but to the sides of the photo shoulders fall, and above it every part of a head
    that it cuts off is rounded by half an ellipse."""
    rows, columns = np.mgrid[0 : matte.shape[0], 0 : matte.shape[1]].astype(np.float32)
    aside = np.maximum(np.maximum(edge.left - columns, columns - (edge.right - 1)), 0)
    lifted = np.clip(rows - SHOULDER * aside, edge.top, edge.bottom - 1).astype(np.float32)
    matte = cv2.remap(matte, columns, lifted, cv2.INTER_LINEAR)
    if edge.top == 0:
        return matte
    out = matte.copy()
    out[: edge.top] = 0
    row = np.concatenate([[0], matte[edge.top] > 0.5, [0]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(row) > 0), np.flatnonzero(np.diff(row) < 0)
    height = np.linalg.norm(landmarks[CHIN] - landmarks[FOREHEAD])
    crown = landmarks[FOREHEAD, 1] - CROWN * height
    for start, end in zip(starts, ends, strict=True):
        half = (end - start) / 2
        rise = float(np.clip(edge.top - crown, 0.3 * half, 0.9 * half))
        centre = (round(16 * (start + half - 0.5)), 16 * int(edge.top))
        cv2.ellipse(out, centre, (round(16 * half), round(16 * rise)), 0, 180, 360, 1.0, -1, cv2.LINE_8, 4)
    out[edge.top :] = matte[edge.top :]
    return out


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of a float32 picture (H, W, ...); wide ones at a quarter of its size."""
    if sigma < 12:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4)
    return np.asarray(cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC))
