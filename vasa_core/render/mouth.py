"""What shows between the lips: teeth on the skull, teeth on the jaw, a tongue, and the dark behind them.

Baked once per portrait in pixels of the resting face, lit and tinted after the photo; per frame three small affine
warps inside the lip contour. Edges are drawn; how bright and how red the inside is where, for this shape of the lips,
was learned from real mouths (`render/interior.py`). Proportions are those of an average mouth 50 mm wide: central
incisors 8.5 mm, their edges 2 to 3 mm below the resting upper lip (Vig and Brundo, J Prosthet Dent 39(5), 1978).
"""

from __future__ import annotations

import cv2
import numpy as np

from vasa_core.face.geometry import LOWER_LIP, OVAL, UPPER_LIP, smoothstep
from vasa_core.face.portrait import Portrait
from vasa_core.render import interior
from vasa_core.render.contour import SoftPolygon, bounds
from vasa_core.render.interior import Interior, mouth_frame, shape_features

# Half arches from the middle out: tooth widths as seen from the front, in mouth widths.
UPPER_TEETH = (0.150, 0.115, 0.105, 0.065, 0.045, 0.040, 0.035)
LOWER_TEETH = (0.092, 0.098, 0.098, 0.070, 0.050)
UPPER_EDGE = 0.045  # of the upper incisors below the resting lip line, in mouth widths
LOWER_EDGE = 0.045  # of the lower incisors below the resting lip line
UPPER_LENGTH, LOWER_LENGTH = 0.24, 0.17  # as far as lips ever bare them, in mouth widths; below is the gum
DRAW_SCALE = 4  # teeth are drawn this much larger, then averaged down
LEARNED_LIGHT, LEARNED_COLOUR = 0.75, 0.3  # shares of the broad tone that are learned, not drawn: teeth stay ivory
BROAD = 0.07  # scale of what counts as broad, in mouth widths
NARROW = (0.05, 0.17)  # openings, in mouth widths, between which single teeth come out of a row without gaps
NARROW_LOWER = (0.08, 0.26)  # the same for the lower row, of which only the tips show for longer
UNDER_NOSE = np.array([164, 167, 165, 92, 37, 0, 267, 322, 391, 393])
CHEEKS = (np.array([50, 101, 205, 36, 207]), np.array([280, 330, 425, 266, 427]))
# Light under the nose over the cheeks', between which a moustache hangs over the lip or does not.
WHISKERS = (0.4, 0.65)
VEILED = 0.75  # share of the upper teeth that such a moustache hides
SHADOW = 0.3  # share of the dark that lips so close leave on it
FLOOR = 14.0  # luma steps; keeps ratios of dark tones sane
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
LIP_POINTS = np.concatenate([UPPER_LIP, LOWER_LIP])


class Mouth:
    """The inside of one portrait's mouth."""

    def __init__(self, portrait: Portrait, network: Interior) -> None:
        self._network = network
        self._contour = SoftPolygon(UPPER_LIP, LOWER_LIP, feather=0.8 * portrait.softness)
        # Three resting points on the skull, and the same three on the jaw, carry everything.
        self.anchors, self.width = mouth_frame(portrait.neutral)
        self.lit = self._light(portrait)
        tones = self._tones(portrait)
        self._dark, self._lips, self._full = tones["dark"], tones["lips"], tones["teeth"]
        size = int(np.ceil(1.3 * self.width))
        self._origin = np.array([size / 2, size / 2])  # of the seam's middle inside the baked layers
        # Who smiles in the photo bares the upper teeth: they reach down to where the photo's lips were apart.
        gap = np.linalg.norm(portrait.landmarks[LOWER_LIP[5]] - portrait.landmarks[UPPER_LIP[5]]) / self.width
        self._parted = float(np.clip(gap * self.width / 4 - 0.5, 0, 1))  # closed lips keep their own line
        bared = UPPER_EDGE + 0.5 * float(np.minimum(gap, 0.2))
        self._softness = portrait.softness
        self._veil = VEILED * _whiskers(portrait)
        self._upper = self._teeth(UPPER_TEETH, bared, -1, size, tones["teeth"])
        self._lower = self._teeth(LOWER_TEETH, LOWER_EDGE, 1, size, tones["teeth"] * 0.86)
        self._tongue = self._make_tongue(size, tones["flesh"])

    def seal_lips(self, texture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """A copy of `texture` uint8 (H, W, 4) with what it shows between the lips painted in the tone of their seam.

        points: (478, 2) landmarks in that texture. Lips that a smile holds apart are brought together when they rest;
        without this, a thread of teeth would shine through where they meet.
        """
        return self._contour.paint_out(texture, points, np.append(0.78 * self._lips, 255), self._parted, grow=1)

    def _light(self, portrait: Portrait) -> float:
        """Brightness of the lit skin, 0..1: the 75th percentile of luma inside the face oval."""
        luma = cv2.cvtColor(portrait.texture, cv2.COLOR_RGB2GRAY)
        return float(np.percentile(luma[_inside(portrait, OVAL)], 75) / 255)

    def _tones(self, portrait: Portrait) -> dict[str, np.ndarray]:
        """RGB colours (3,) of teeth, flesh and the dark, in the light and the palette of this picture."""
        skin = np.median(portrait.texture[_inside(portrait, OVAL)], axis=0)
        red = np.median(portrait.texture[_inside(portrait, LIP_POINTS)], axis=0)
        chroma = max(float((x.max() - x.min()) / max(x.max(), 1.0)) for x in (skin, red))
        colour = np.clip((chroma - 0.05) / 0.18, 0, 1)  # 0 for black and white pictures and pale statues
        self._colour = float(colour)

        def toned(rgb: np.ndarray) -> np.ndarray:
            grey = np.full(3, rgb @ [0.299, 0.587, 0.114])
            return grey + (rgb - grey) * colour

        ivory = tooth_colour(skin, self.lit)
        teeth = toned(0.80 * ivory + 0.20 * np.minimum(skin * 1.15, 255))
        flesh = toned(0.5 * np.array([176.0, 92.0, 88.0]) * (0.3 + 0.8 * self.lit) + 0.5 * red)
        own = self._own_teeth(portrait)
        self._learned = LEARNED_LIGHT
        if own is not None and own.mean() > 0.95 * skin.mean():  # teeth, not lips or shadow
            teeth = 0.75 * own + 0.25 * teeth
            self._learned = 0.4 * LEARNED_LIGHT  # the photo knows better how bright they are
        return {
            "lips": red,
            "teeth": teeth,
            "flesh": flesh,
            "dark": toned(np.array([46.0, 18.0, 16.0])) * (0.35 + 0.6 * self.lit),
        }

    def _own_teeth(self, portrait: Portrait) -> np.ndarray | None:
        """RGB (3,) of the brightest third of what the photo shows between the lips; None where it shows too little."""
        outline = np.round(self._contour.outline(portrait.landmarks)).astype(np.int32)
        mask = np.zeros(portrait.texture.shape[:2], np.uint8)
        cv2.fillPoly(mask, [outline], 1)
        pixels = portrait.texture[cv2.erode(mask, np.ones((3, 3))) > 0].astype(np.float64)
        if len(pixels) < 60:
            return None
        luma = pixels.mean(1)
        return pixels[luma >= np.percentile(luma, 67)].mean(0)

    def _teeth(
        self, half: tuple[float, ...], edge: float, side: int, size: int, tone: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """One row of teeth, premultiplied float32 (size, size, 4); side -1 hangs from above, +1 stands from below.

        And the same without its gaps, soft at the biting edge: what a slit between lips shows of it.
        """
        fine = size * DRAW_SCALE
        rows, columns = np.mgrid[0:fine, 0:fine].astype(np.float32)
        x, y = (np.stack([columns, rows]) + 0.5 - fine / 2) / (self.width * DRAW_SCALE)  # mouth widths from the seam
        ends, widths = np.cumsum(half), np.array(half)
        tooth = np.minimum(np.searchsorted(ends, np.abs(x)), len(half) - 1)
        centre = ends[tooth] - widths[tooth] / 2
        across = np.abs(np.abs(x) - centre) / (widths[tooth] / 2)  # 0 in the middle of a tooth, 1 at its sides
        outward = np.minimum(centre / ends[4], 1.12)
        # The arch bends away: outer teeth end a little higher and catch less light.
        along = (
            side * (y - edge + 0.05 * outward**2) / (UPPER_LENGTH if side < 0 else LOWER_LENGTH)
        )  # 0 at the biting edge, 1 at the root
        inside = (along > 0.14 * across**4) & (along < 1) & (across < 0.98)
        shade = (1 - 0.10 * across**2.5) * (1 - 0.6 * outward**1.6) * (1 - 0.22 * np.clip(along, 0, 1))
        layer = np.dstack([shade[..., None] * tone, np.ones_like(shade)]) * inside[..., None]
        # Blur a touch: photographs never resolve the gaps between teeth sharply.
        layer = cv2.GaussianBlur(layer.astype(np.float32), (0, 0), 0.6 * DRAW_SCALE * self._softness)
        row = smoothstep(along, -0.1, 0.25) * (along < 1) * (np.abs(x) < ends[-1])
        row = np.dstack([(shade + 0.08 * across**2.5)[..., None] * tone, np.ones_like(shade)]) * row[..., None]
        row = cv2.GaussianBlur(row.astype(np.float32), (0, 0), 1.2 * DRAW_SCALE * self._softness)
        single, merged = (cv2.resize(some, (size, size), interpolation=cv2.INTER_AREA) for some in (layer, row))
        return single, merged

    def _make_tongue(self, size: int, tone: np.ndarray) -> np.ndarray:
        """The tongue's hump, premultiplied float32 (size, size, 4), its top edge at the seam."""
        rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
        x = (columns - size / 2) / (0.36 * self.width)
        y = (rows - size / 2) / (0.30 * self.width)
        edge = smoothstep(1 - np.hypot(x, y - 1.0), 0, 0.4)
        shade = (
            (0.62 + 0.30 * np.exp(-((y - 0.45) ** 2) * 3))
            * (1 - 0.25 * np.abs(x))
            * (1 - 0.10 * np.exp(-((x / 0.12) ** 2)))
        )
        colour = shade[..., None] * tone.astype(np.float32) * edge[..., None]
        return np.dstack([colour, edge]).astype(np.float32)

    def paint(self, frame: np.ndarray, points: np.ndarray, skull: np.ndarray, jaw: np.ndarray) -> None:
        """Draw the inside of the mouth between the lips, in place.

        Args:
            frame: uint8 (H, W, 3).
            points: (V, >= 2) placed sheet points in frame pixels.
            skull, jaw: (3, 2) where `anchors` went with the skull and with the jaw, frame pixels.
        """
        spans = np.linalg.norm(skull[1:] - skull[0], axis=1)
        width = float(spans.max())  # of the resting mouth, in frame pixels
        gap = float(np.linalg.norm(points[LOWER_LIP[5], :2] - points[UPPER_LIP[5], :2]))
        shown = np.clip((gap * self.width / width - 0.6) / 1.6, 0, 1)  # lips that touch show nothing
        outline = self._contour.outline(points)
        box = bounds(outline, 4, frame)
        if box is None:
            return
        left, top, right, bottom = box
        size = (right - left, bottom - top)
        corner = np.array([left, top])
        if shown < 1 and self._parted > 0:  # where lips that the photo parts now meet, the mesh leaves specks of teeth
            patch, tone = frame[top:bottom, left:right], 0.78 * self._lips
            self._contour.draw_seam(patch, outline - corner, tone, 0.03, 0.9 * self._parted * (1 - shown))
        if shown <= 0:
            return
        open_share = np.clip(gap / (0.28 * width), 0, 1)
        narrow, narrow_lower = (float(1 - smoothstep(gap / width, *limits)) for limits in (NARROW, NARROW_LOWER))
        inside = np.broadcast_to(self._dark.astype(np.float32), (size[1], size[0], 3)).copy()
        tongue = self._place(jaw, corner, size, self._tongue, drop=-0.38 * gap / width)
        inside = inside * (1 - tongue[..., 3:]) + tongue[..., :3] * (0.40 + 0.35 * open_share)
        for rows, anchors, merged in ((self._lower, jaw, narrow_lower), (self._upper, skull, narrow)):
            teeth = self._place(anchors, corner, size, rows[0] if merged < 1 else rows[1])
            if 0 < merged < 1:
                teeth += merged * (self._place(anchors, corner, size, rows[1]) - teeth)
            if rows is self._upper:
                teeth *= 1 - self._veil
            inside = inside * (1 - teeth[..., 3:]) + teeth[..., :3] * (0.80 + 0.20 * open_share)
        mask = self._contour.mask(outline, (left, top), size)
        # The lips shade the rim of the opening, the upper lip most, and the corners fall into the dark.
        blur = max(0.05 * width * np.clip(gap / (0.16 * width), 0.35, 1), 0.8)
        depth = cv2.GaussianBlur(mask, (0, 0), blur)[..., None]
        lip = max(int(0.04 * width), 1)
        lifted = np.roll(mask[..., 0], lip, axis=0)
        lifted[:lip] = 0
        upper_lip = cv2.GaussianBlur(lifted, (0, 0), blur * 0.8)[..., None]
        inside *= np.clip(0.48 + 0.42 * depth + 0.36 * upper_lip, 0, 1)
        inside = self._tone(inside, mask, points, skull, jaw, corner)
        inside += SHADOW * narrow * (self._dark - inside)
        mask = mask * shown
        patch = frame[top:bottom, left:right]
        patch[:] = np.clip(patch * (1 - mask) + inside * mask + 0.5, 0, 255).astype(np.uint8)

    def _tone(
        self,
        inside: np.ndarray,
        mask: np.ndarray,
        points: np.ndarray,
        skull: np.ndarray,
        jaw: np.ndarray,
        corner: np.ndarray,
    ) -> np.ndarray:
        """`inside` (h, w, 3) with its broad light and colour drawn towards those of real mouths of this shape."""
        height, width = inside.shape[:2]
        learned = self._network(shape_features(points[interior.LIPS, :2], skull, jaw))
        rows, columns = learned.shape[:2]
        axes = np.column_stack([skull[1] - skull[0], skull[2] - skull[0]])
        cell = np.array([interior.RIGHT - interior.LEFT, interior.BOTTOM - interior.TOP]) / [columns, rows]
        start = skull[0] + axes @ (np.array([interior.LEFT, interior.TOP]) + cell / 2) - corner
        matrix = np.column_stack([axes * cell, start])
        learned = cv2.warpAffine(
            learned, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        grey = learned @ LUMA
        learned = (grey[..., None] + (learned - grey[..., None]) * self._colour) * self._full
        blur = max(BROAD * float(np.linalg.norm(axes[:, 0])), 1.0)
        weight = cv2.GaussianBlur(mask, (0, 0), blur)[..., None] + 1e-3
        broad = cv2.GaussianBlur(inside * mask, (0, 0), blur) / weight
        ratio = np.clip((learned + FLOOR) / (broad + FLOOR), 0.3, 3.0)
        light = (ratio @ LUMA)[..., None]
        return inside * light**self._learned * (ratio / light) ** LEARNED_COLOUR

    def _place(
        self, anchors: np.ndarray, corner: np.ndarray, size: tuple[int, int], layer: np.ndarray, drop: float = 0.0
    ) -> np.ndarray:
        """A baked layer moved to its `anchors` (3, 2) and cut to a window; float32 (h, w, 4)."""
        origin = np.stack([self._origin, self._origin + [self.width, 0], self._origin + [0, self.width]])
        target = anchors - corner + drop * (anchors[2] - anchors[0])
        matrix = cv2.getAffineTransform(origin.astype(np.float32), target.astype(np.float32))
        zoom = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        if 0 < zoom < 0.8:  # averaged before it is made smaller, or the gaps between teeth would flicker
            layer = cv2.GaussianBlur(layer, (0, 0), 0.4 / zoom)
        return cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR)


def tooth_colour(skin: np.ndarray, light: float) -> np.ndarray:
    """RGB (3,) of teeth where the skin has the median colour `skin` (3,) and its lit part the luma `light` in 0..1.

    Teeth are ivory under the light that gives the skin its colour: the cast of the picture is the skin's colour over
    that of average skin.
    """
    cast = (skin + 12) / (np.array([205.0, 160.0, 135.0]) + 12)
    cast = cast / cast.max()
    return np.asarray(np.array([245.0, 232.0, 212.0]) * (0.45 + 0.55 * cast) * min(0.34 + 0.80 * light, 1.0))


def _whiskers(portrait: Portrait) -> float:
    """1 for a moustache that hangs over the upper lip, 0 for none that is darker than a shadow."""
    luma = cv2.cvtColor(portrait.texture, cv2.COLOR_RGB2GRAY)
    under, *cheeks = (float(np.median(luma[_inside(portrait, p)])) + FLOOR for p in (UNDER_NOSE, *CHEEKS))
    return float(1 - smoothstep(under / float(np.mean(cheeks)), *WHISKERS))


def _inside(portrait: Portrait, points: np.ndarray) -> np.ndarray:
    """bool (CANVAS, CANVAS): inside the convex hull of some landmarks."""
    mask = np.zeros(portrait.texture.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(portrait.landmarks[points, :2]).astype(np.int32)), 1)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3)))) > 0
