"""Eyes as a layer of their own: an eyeball that turns behind lids that close over it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vasa_core.face.fill import push_pull
from vasa_core.face.geometry import IRIS, LOWER_LID, UPPER_LID, smoothstep
from vasa_core.face.portrait import Portrait
from vasa_core.render.contour import SoftPolygon, bounds

PAD = 14  # canvas pixels of eyeball kept beyond the visible part
GLINT = 22.0  # luma steps by which a catch-light outshines the iris around it
GLINT_FOLLOWS = 0.2  # share of the iris' way that its reflection on the cornea goes along
BEYOND = 0.40  # how far an eye may reach beyond its landmarks, in openings: cartoons' and made-up ones do
SKIN = 0.5  # width of the ring of skin around that, in openings, from which a shut lid takes its colour
LARGE = 0.03  # share of the visible eye that must lie beyond its landmarks before lids are painted
TINTED = 35.0  # steps of 255 by which the tint of white or iris must differ from skin's to be told apart
APART = 1.7  # and the white's from nine tenths of the skin around, unless the iris is told apart too: folds are pale
SPILL = 0.35  # how far an iris' tint may spill beyond the landmarks, in openings
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class _Zone:
    """Part of a texture around an eye: its colours (h, w, 3), pixels to the outline (h, w), and bool (h, w) masks of
    what lies around the outline, of the ring of it that is skin, and of the eye."""

    rows: slice
    columns: slice
    colour: np.ndarray
    away: np.ndarray
    around: np.ndarray
    known: np.ndarray
    eye: np.ndarray


class Eye:
    """One eye of a portrait, split into white and iris so that either can be seen where the photo hides it."""

    def __init__(self, portrait: Portrait, side: str) -> None:
        self.upper, self.lower = UPPER_LID[side], LOWER_LID[side]
        self._contour = SoftPolygon(self.upper, self.lower, feather=0.7 * portrait.softness)
        points = portrait.landmarks
        outline = self._contour.outline(points)
        left, top = np.floor(outline.min(0)).astype(int) - PAD
        right, bottom = np.ceil(outline.max(0)).astype(int) + PAD + 1
        self.corner = np.array([left, top], np.float64)
        picture = portrait.texture[top:bottom, left:right].astype(np.float32)
        visible = self._contour.mask(outline, (left, top), (right - left, bottom - top))[..., 0]
        iris = points[IRIS[side], :2] - self.corner
        self.radius = float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean())
        rows, columns = np.mgrid[0 : bottom - top, 0 : right - left].astype(np.float32)
        distance = np.hypot(columns - iris[0, 0], rows - iris[0, 1])
        # Well inside the lids: their dark rims and lashes do not belong to the eyeball.
        inner = cv2.erode((visible > 0.9).astype(np.uint8), np.ones((3, 3))).astype(np.float32)
        self._glint = self._make_glint(picture, inner, distance)
        picture = picture - self._glint
        self._white = self._make_white(picture, inner, distance)
        self._iris = self._make_iris(picture, visible, inner, distance)
        self.depth = float(points[np.concatenate([self.upper, self.lower]), 2].mean())
        self.centre = np.append(outline.mean(0), self.depth)
        self.span = float(np.ptp(outline[:, 0]))
        self.gap = float(self._gap(points))
        x, y = np.round(points[self.upper[1:-1], :2]).astype(int).T
        self._rim = np.median(portrait.texture[y, x], axis=0)
        self.large = self._beyond(portrait.person, points) is not None

    def shut(self, texture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A copy of `texture` uint8 (H, W, 4) with the eye painted over in the tone of its upper lid's rim.

        points: (478, 2) landmarks in that texture. The eyeball is a layer of its own; under it, nothing of the eye may
        shine through where shut lids meet.
        """
        return self._contour.paint_out(texture, points, np.append(self._rim, 255), grow=-1)

    def lids(self, texture: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        """A copy of `texture` uint8 (H, W, 4) with skin where the eye is; None for eyes that end at their landmarks.

        points: (478, 2) landmarks in that texture. They lie inside the outline of eyes that are large or painted:
        when only the mesh closes, slivers of white and iris stay. Of other eyes only what has the iris' tint goes.
        """
        if not self.large:
            return self._untinted(self.shut(texture, points), points)
        zone = self._beyond(texture, points)
        if zone is None:
            return None
        luma, gap = zone.colour @ LUMA, self._gap(points)
        low, high = np.percentile(luma[zone.known], (25, 97))
        unsure = cv2.dilate(zone.eye.astype(np.uint8), np.ones((5, 5))) > 0
        skin = zone.around & ~unsure & (luma >= low) & (luma <= high)  # neither lashes and brows nor shine
        if skin.sum() < 20:
            return None
        filled = cv2.GaussianBlur(push_pull(zone.colour, skin.astype(np.float32)), (0, 0), 0.08 * gap + 0.5)
        share = cv2.dilate(zone.eye.astype(np.float32), np.ones((3, 3)))
        share = cv2.GaussianBlur(share, (0, 0), 1.0)[..., None]
        out = texture.copy()
        patch = out[zone.rows, zone.columns, :3]
        patch[:] = np.clip(patch * (1 - share) + filled * share + 0.5, 0, 255)
        return out

    def _beyond(self, texture: np.ndarray, points: np.ndarray) -> _Zone | None:
        """The eye and what it reaches into in a texture uint8 (H, W, 4); None where it ends at its landmarks.

        What counts as eye touches the outline and has the white's or the iris' tint; lashes and dark rims do not, they
        are what a shut eye shows.
        """
        outline = self._contour.outline(points)
        gap = self._gap(points)
        reach, ring = BEYOND * gap + 2, SKIN * gap + 3
        pad = int(reach + ring) + 4
        left, top = np.maximum(np.floor(outline.min(0)).astype(int) - pad, 0)
        right, bottom = np.minimum(np.ceil(outline.max(0)).astype(int) + pad + 1, texture.shape[1::-1])
        if right - left < 8 or bottom - top < 8:
            return None
        inside = (self._contour.mask(outline, (left, top), (right - left, bottom - top))[..., 0] > 0.5).astype(np.uint8)
        away = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
        patch = texture[top:bottom, left:right]
        colour = cv2.GaussianBlur(patch[..., :3], (0, 0), 0.8).astype(np.float32)
        around = (away > 0) & (away < reach + ring) & (patch[..., 3] > 250)
        known = around & (away > reach)
        if known.sum() < 20 or inside.sum() < 20:
            return None
        eye = self._like_eye(colour, colour[known], inside > 0) & (away < reach)
        _, parts = cv2.connectedComponents(eye.astype(np.uint8) | inside, connectivity=4)
        eye &= np.isin(parts, np.unique(parts[inside > 0]))
        if (eye & (inside == 0)).sum() < LARGE * inside.sum():
            return None
        return _Zone(slice(top, bottom), slice(left, right), colour, away, around, known, eye | (inside > 0))

    def _untinted(self, texture: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        """A copy of `texture` uint8 (H, W, 4) whose lashes and lids have nothing of a coloured iris' tint; None if so.

        Colour spills over an iris' rim, in paintings and in compressed photos: a thread of blue in a shut eye.
        """
        outline = self._contour.outline(points)
        gap = self._gap(points)
        box = bounds(outline, int(SPILL * gap) + 4, texture)
        iris = self._iris[self._iris[..., 3] > 0.9, :3]
        if box is None or not len(iris):
            return None
        left, top, right, bottom = box
        inside = self._contour.mask(outline, (left, top), (right - left, bottom - top))[..., 0] > 0.5
        near = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5) < SPILL * gap + 1
        colour = texture[top:bottom, left:right, :3].astype(np.float32)
        tone = np.median(colour[~near], axis=0) if (~near).any() else np.zeros(3)  # of skin
        tone = tone / max(float(tone @ LUMA), 1.0)
        way = np.median(iris, axis=0)
        way = way - (way @ LUMA) * tone
        length = float(np.linalg.norm(way))
        tint = colour - (colour @ LUMA)[..., None] * tone
        spilt = near & (tint @ way > 0.25 * length**2)
        if length < 1.5 * TINTED or spilt.sum() < 4:
            return None
        share = cv2.GaussianBlur(cv2.dilate(spilt.astype(np.float32), np.ones((3, 3))), (0, 0), 1.0)[..., None]
        lash = cv2.GaussianBlur(colour @ LUMA, (0, 0), 0.1 * gap)[..., None] * tone
        out = texture.copy()
        out[top:bottom, left:right, :3] = np.clip(colour * (1 - share) + lash * share + 0.5, 0, 255)
        return out

    def _like_eye(self, colour: np.ndarray, skin: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """bool (h, w): pixels of `colour` (h, w, 3) tinted as this eye's white or iris are and `skin` (n, 3) is not.

        Tint is what is left of a colour when skin of the same brightness is taken away: shadow on skin has none.
        """
        tone = np.median(skin, axis=0) / max(float(np.median(skin, axis=0) @ LUMA), 1.0)
        tint, of_skin = (c - (c @ LUMA)[..., None] * tone for c in (colour, skin))
        luma = colour @ LUMA
        lit = inside & (luma >= np.percentile(luma[inside], 75))
        iris = self._iris[..., 3] > 0.9
        ways = []
        for some in (tint[lit], self._iris[iris][:, :3]):
            way = np.median(some, axis=0) if len(some) else np.zeros(3)
            ways.append(way - (way @ LUMA) * tone)
        white, coloured = (float(np.linalg.norm(way)) for way in ways)
        out = np.zeros(luma.shape, bool)
        folds = float(np.percentile(of_skin @ ways[0], 90)) / max(white, 1e-3)
        if white > max(TINTED, APART * folds) or (white > TINTED + 6 and coloured > TINTED):
            for way in ways:
                length = float(np.linalg.norm(way))
                if length > TINTED:
                    out |= tint @ way > 0.5 * length**2
        return out

    def _gap(self, points: np.ndarray) -> float:
        """Mean opening between the lids, corners left out, in the unit of `points`."""
        return float(np.linalg.norm(points[self.upper[2:-2], :2] - points[self.lower[2:-2], :2], axis=1).mean())

    def _make_white(self, picture: np.ndarray, inner: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """The eyeball without its iris: known white, smoothly continued under iris and lids."""
        known = inner * (distance > 1.12 * self.radius)
        if known.sum() < 6:  # narrow eyes show no white: a light grey of the picture's own brightness
            tone = np.percentile(picture[inner > 0], 90, axis=0) if inner.any() else picture.mean((0, 1))
            return np.broadcast_to(tone, picture.shape).astype(np.float32).copy()
        tone = (picture * known[..., None]).sum((0, 1)) / known.sum()
        filled = push_pull(picture, known)
        # Far from what is known the fill would carry lid shadows inwards: pull it to the mean white.
        far = cv2.distanceTransform((known == 0).astype(np.uint8), cv2.DIST_L2, 3)
        blend = np.clip(far / (1.5 * self.radius), 0, 0.7)[..., None]
        return cv2.GaussianBlur(filled * (1 - blend) + tone * blend, (0, 0), 0.8)

    def _make_glint(self, picture: np.ndarray, inner: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """(h, w, 3) light that a lamp or window adds to the iris: it stays where the lamp is when the iris turns."""
        luma = picture @ np.array([0.299, 0.587, 0.114], np.float32)
        iris = (inner > 0) & (distance < 0.95 * self.radius)
        if iris.sum() < 12:
            return np.zeros_like(picture)
        rings = np.minimum(np.round(distance).astype(int), 63)
        base = np.zeros_like(picture)
        for ring in np.unique(rings[iris]):
            here = iris & (rings == ring)
            base[rings == ring] = np.percentile(picture[here], 40, axis=0)  # most of a ring is not lit
        excess = luma - base @ np.array([0.299, 0.587, 0.114], np.float32)
        bright = cv2.GaussianBlur((iris & (excess > GLINT)).astype(np.float32), (0, 0), 0.7)
        bright = np.minimum(2 * bright, 1) * (distance < 1.05 * self.radius)
        if (bright > 0.5).sum() > 0.3 * iris.sum():  # not a spot: the iris is pale on one side
            return np.zeros_like(picture)
        return np.asarray(bright[..., None] * np.maximum(picture - base, 0) * (base.sum(2, keepdims=True) > 0))

    def _make_iris(
        self, picture: np.ndarray, visible: np.ndarray, inner: np.ndarray, distance: np.ndarray
    ) -> np.ndarray:
        """(h, w, 4) iris and pupil, premultiplied; parts that lids cover get the mean colour of their ring."""
        alpha = np.clip((1.08 * self.radius - distance) / (0.16 * self.radius + 1.0) + 0.5, 0, 1)
        rings = np.clip(np.round(distance).astype(int), 0, 63)
        weight = np.bincount(rings.ravel(), inner.ravel(), 64)
        own = cv2.GaussianBlur(inner, (0, 0), 0.8)  # lashes over the iris must not turn with it
        completed = picture.copy()
        for channel in range(3):
            total = np.bincount(rings.ravel(), (picture[..., channel] * inner).ravel(), 64)
            seen = weight > 0
            mean = total[seen] / weight[seen] if seen.any() else [picture[..., channel].mean()]
            ring = np.interp(np.arange(64), np.flatnonzero(seen) if seen.any() else [0], mean)
            hidden = 0.88 * np.interp(distance, np.arange(64), ring)  # the lid's shadow lies on what it covers
            completed[..., channel] = picture[..., channel] * own + hidden * (1 - own)
        # Veins, lashes and the eye's corners are detail of the white that stays in place when the iris turns.
        keep = (cv2.GaussianBlur(visible, (0, 0), 1.0) * (1 - alpha))[..., None]
        self._ball = self._white + keep * (picture - self._white)
        # Premultiplied against the ball below it, so that an eye at rest is the photo, exactly.
        colour = np.where(alpha[..., None] > 0, completed - (1 - alpha[..., None]) * self._ball, 0)
        return np.dstack([colour, alpha]).astype(np.float32)

    def closing(self, points: np.ndarray, to_frame: np.ndarray) -> float:
        """0 for an open eye, 1 for a shut one; arguments as in `paint`."""
        return float(1 - smoothstep(self._opening(points, to_frame), 0.3, 0.8))

    def _opening(self, points: np.ndarray, to_frame: np.ndarray) -> float:
        """Distance between the lids, 1 as in the photo."""
        return self._gap(points) / max(self.gap * float(np.linalg.norm(to_frame[:, 0])), 1e-3)

    def around(self, points: np.ndarray, frame: np.ndarray) -> tuple[int, int, int, int] | None:
        """left, top, right, bottom of what `lids` may change in a frame (H, W, C); None if that is outside."""
        outline = self._contour.outline(points)
        return bounds(outline, int(0.35 * np.ptp(outline[:, 0])) + 3, frame)

    def paint(self, frame: np.ndarray, points: np.ndarray, to_frame: np.ndarray, gaze: np.ndarray) -> None:
        """Draw the eyeball between the lids, in place.

        Args:
            frame: uint8 (H, W, 3).
            points: (V, >= 2) placed sheet points in frame pixels.
            to_frame: (2, 3) maps canvas pixels of the resting eyeball to frame pixels.
            gaze: (2,) shift of the iris in canvas pixels.
        """
        outline = self._contour.outline(points)
        box = bounds(outline, 4, frame)
        opening = self._opening(points, to_frame)
        shown = np.clip((opening - 0.10) / 0.12, 0, 1)  # lids that touch show nothing
        if box is None:
            return
        left, top, right, bottom = box
        size = (right - left, bottom - top)
        patch = frame[top:bottom, left:right]
        closing = float(1 - smoothstep(opening, 0.12, 0.4))
        if closing > 0 and not self.large:  # large eyes have a drawn outline and clean lids
            # The mesh alone leaves a ragged seam with specks of the lids' wet rims: a smooth line of lashes covers it.
            self._contour.draw_seam(patch, outline - [left, top], self._rim, 0.05, 0.85 * closing)
        if shown == 0:
            return
        eye = to_frame.copy()
        eye[:, 2] += to_frame[:, :2] @ self.corner - [left, top]
        turned = eye.copy()
        turned[:, 2] += to_frame[:, :2] @ gaze
        white = cv2.warpAffine(self._ball, eye, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        iris = cv2.warpAffine(self._iris, turned, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        reflected = eye.copy()
        reflected[:, 2] += GLINT_FOLLOWS * (to_frame[:, :2] @ gaze)
        ball = white * (1 - iris[..., 3:]) + iris[..., :3]
        ball += cv2.warpAffine(self._glint, reflected, size, flags=cv2.INTER_LINEAR)
        ball *= 0.72 + 0.28 * min(opening, 1.0)  # lids shade what they cover
        mask = self._contour.mask(outline, (left, top), size) * shown
        patch[:] = np.clip(patch * (1 - mask) + ball * mask + 0.5, 0, 255).astype(np.uint8)


def eyes_of(portrait: Portrait) -> list[Eye]:
    """Both eyes, picture's left first."""
    return [Eye(portrait, "left"), Eye(portrait, "right")]


def affine(resting: np.ndarray, placed: np.ndarray) -> np.ndarray:
    """(2, 3) map that takes three resting points (3, 2) of the canvas to where they went (3, 2) in the frame."""
    return cv2.getAffineTransform(resting.astype(np.float32), placed.astype(np.float32))
