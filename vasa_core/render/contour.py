"""Smooth closed contours through a few landmarks, and soft masks from them."""

from __future__ import annotations

import cv2
import numpy as np

SUBDIVISION = 6  # points per landmark


def spline_matrix(upper: int, lower: int) -> np.ndarray:
    """(m, upper + lower - 2) weights of a closed Catmull-Rom contour, float32.

    The control points run along the upper edge from corner to corner and back along the lower edge; both corners
    are shared. Tangents do not cross the corners, so they stay sharp as lids and lips are.
    """
    count = upper + lower - 2
    rows = []
    corners = (0, upper - 1)
    for i in range(count):
        for t in np.arange(SUBDIVISION) / SUBDIVISION:
            before, after = (i - 1) % count, (i + 1) % count
            beyond = (i + 2) % count
            row = np.zeros(count, np.float32)
            weights = 0.5 * np.array(
                [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]
            )
            # At a corner the missing neighbour is the corner itself.
            index = [i if i in corners else before, i, after, after if after in corners else beyond]
            np.add.at(row, index, weights)
            rows.append(row)
    return np.stack(rows)


class SoftPolygon:
    """A closed contour between an upper and a lower edge of as many points, drawn as a soft mask."""

    def __init__(self, upper: np.ndarray, lower: np.ndarray, feather: float) -> None:
        self.index = np.concatenate([upper, lower[-2:0:-1]])
        self._spline = spline_matrix(len(upper), len(lower))
        self._upper = len(upper)
        self._feather = feather

    def outline(self, points: np.ndarray) -> np.ndarray:
        """(m, 2) smooth contour through the landmarks' positions `points` (V, >= 2)."""
        return self._spline @ points[self.index, :2]

    def mask(self, outline: np.ndarray, corner: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """float32 (h, w, 1) coverage in 0..1 of a window whose top left pixel is `corner` (x, y); size is (w, h)."""
        canvas = np.zeros((size[1], size[0]), np.uint8)
        shifted = np.round((outline - corner) * 16).astype(np.int32)
        cv2.fillPoly(canvas, [shifted], 255, cv2.LINE_AA, shift=4)
        soft = cv2.GaussianBlur(canvas, (0, 0), self._feather)
        return (soft.astype(np.float32) / 255)[..., None]

    def paint_out(
        self, texture: np.ndarray, points: np.ndarray, tone: np.ndarray, strength: float = 1, grow: int = 0
    ) -> np.ndarray:
        """A copy of `texture` uint8 (H, W, C) with the inside painted in one colour `tone` (C,).

        strength: 0..1 opacity.  grow: pixels by which the area is widened, or narrowed if negative.
        """
        outline = self.outline(points)
        left, top = np.floor(outline.min(0)).astype(int) - 6
        right, bottom = np.ceil(outline.max(0)).astype(int) + 7
        mask = self.mask(outline, (left, top), (right - left, bottom - top))
        change = cv2.dilate if grow > 0 else cv2.erode
        mask = change(mask, np.ones((3, 3)), iterations=abs(grow))
        mask = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None] * strength
        out = texture.copy()
        patch = out[top:bottom, left:right]
        patch[:] = np.clip(patch * (1 - mask) + tone * mask + 0.5, 0, 255).astype(np.uint8)
        return out

    def draw_seam(
        self, patch: np.ndarray, outline: np.ndarray, tone: np.ndarray, thick: float, strength: float
    ) -> None:
        """Draw a smooth soft line where both edges meet, in place.

        patch: uint8 (h, w, 3).  outline: (m, 2) in it.  tone: (3,).  thick: in lengths of the seam.  strength: 0..1.
        """
        half = (self._upper - 1) * SUBDIVISION
        upper, lower = outline[: half + 1], np.vstack([outline[half:], outline[:1]])[::-1]
        middle = 0.4 * upper + 0.6 * lower
        along = middle[-1] - middle[0]
        length = float(np.hypot(*along))
        if length < 4:
            return
        along = along / length
        across = np.array([-along[1], along[0]])
        u = (middle - middle[0]) @ along / length
        arch = u * (1 - u)  # nothing at the corners
        basis = np.stack([arch, arch * (u - 0.5), arch * (u - 0.5) ** 2], 1)
        bow = basis @ np.linalg.lstsq(basis, (middle - middle[0]) @ across, rcond=None)[0]
        line = middle[0] + u[:, None] * along * length + bow[:, None] * across
        mask = np.zeros(patch.shape[:2], np.uint8)
        points = np.round(line[2:-2] * 16).astype(np.int32)
        cv2.polylines(mask, [points], False, 255, max(round(thick * length), 1), cv2.LINE_AA, shift=4)
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.24 * thick * length, self._feather)).astype(np.float32)
        soft = soft[..., None] * (strength / 255)
        patch[:] = np.clip(patch * (1 - soft) + tone * soft + 0.5, 0, 255).astype(np.uint8)


def bounds(outline: np.ndarray, pad: int, frame: np.ndarray) -> tuple[int, int, int, int] | None:
    """left, top, right, bottom of the contour's bounding box grown by `pad`, or None if outside the frame (H, W, C)."""
    left, top = np.floor(outline.min(0)).astype(int) - pad
    right, bottom = np.ceil(outline.max(0)).astype(int) + pad + 1
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, frame.shape[1]), min(bottom, frame.shape[0])
    return (left, top, right, bottom) if right - left > 2 and bottom - top > 2 else None
