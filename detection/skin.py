"""What happens on the skin of a face while it moves, as a map per two seconds.

A camera sees a face anew in every frame: light shifts over it, wrinkles come and go, the sensor adds noise. A portrait
that is warped carries one photo's skin along, except where a mouth or an eye is drawn. Laid flat (`crops.unwrap`), the
difference is what stays and what changes, place by place.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from detection.crops import MAP, canonical

CHANNELS = ("detail", "flicker", "step", "shading", "persistent")
FINE = 1.5  # pixels, sigma that separates detail from shading
FLOOR = 2e-3  # of the mean luma: below one grey level nothing is measured


def skin_maps(flat: np.ndarray) -> np.ndarray:
    """float32 (5, MAP, MAP) from flat skin uint8 (N, MAP, MAP) of consecutive frames, N >= 8.

    All channels are logarithms of amplitudes relative to the face's brightness: `detail` mean amplitude of fine
    texture; `flicker` how much it varies in time; `step` how much from frame to frame; `shading` how much the coarse
    brightness varies; `persistent` what of the fine texture is always there. 0 outside the face.
    """
    inside = canonical().inside
    stack = flat.astype(np.float32)
    stack /= np.maximum(stack[:, inside].mean(1), 8.0)[:, None, None]
    mean = stack.mean(0)
    coarse = np.stack([cv2.GaussianBlur(np.where(inside, f, 1.0), (0, 0), FINE) for f in stack])
    fine = stack - coarse  # (N, MAP, MAP)
    step = np.diff(fine, axis=0)
    maps = np.stack(
        [
            np.abs(fine).mean(0),
            fine.std(0),
            np.sqrt((step**2).mean(0)) / np.sqrt(2),
            coarse.std(0),
            np.abs(fine.mean(0)),
        ]
    )
    dark = np.maximum(mean, 0.25)  # eyes, nostrils and open mouths are dark, not smooth
    return ((np.log(maps / dark + FLOOR) + 4.0) * inside).astype(np.float32)


# Landmarks around the regions whose medians are taken.
_REGIONS = {
    "forehead": (67, 297, 151, 9),
    "cheek_left": (50, 205, 117, 187),
    "cheek_right": (280, 425, 346, 411),
    "nose": (6, 5, 48, 278),
    "chin": (182, 406, 171, 396),
    "mouth": (61, 291, 0, 17),
    "eyes": (33, 263, 159, 145, 386, 374),
}
REGION_FEATURES = 6 * (len(_REGIONS) + 1)


def region_features(skin: np.ndarray) -> np.ndarray:
    """float32 (REGION_FEATURES,) of one window's maps (5, MAP, MAP): per region the detail, how much of it flickers,
    how smoothly, how much the shading changes, how much of the detail stays, and shading against flicker."""
    maps = skin.astype(np.float32)
    out: list[float] = []
    for mask in _masks():
        detail, flicker, step, shading, persistent = (float(np.median(channel[mask])) for channel in maps)
        out += [detail, flicker - detail, step - flicker, shading, persistent - detail, shading - flicker]
    return np.array(out, np.float32)


@lru_cache(maxsize=1)
def _masks() -> list[np.ndarray]:
    """bool (MAP, MAP) of every region, and of all skin without eyes and mouth."""
    face = canonical()
    masks = {}
    for name, landmarks in _REGIONS.items():
        pad = 1 if name in ("mouth", "eyes") else 0
        places = face.places[list(landmarks)]
        left, top = np.maximum(np.floor(places.min(0) - pad).astype(int), 0)
        right, bottom = np.minimum(np.ceil(places.max(0) + pad).astype(int), MAP)
        mask = np.zeros((MAP, MAP), bool)
        mask[top:bottom, left:right] = True
        masks[name] = mask & face.inside
    return [*masks.values(), face.inside & ~masks["mouth"] & ~masks["eyes"]]
