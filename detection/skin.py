"""What happens on the skin of a face while it moves, as a map per two seconds.

A camera sees a face anew in every frame: light shifts over it, wrinkles come and go, the sensor adds noise. A portrait
that is warped carries one photo's skin along, except where a mouth or an eye is drawn. Laid flat (`crops.unwrap`), the
difference is what stays and what changes, place by place.
"""

from __future__ import annotations

import cv2
import numpy as np

from detection.crops import canonical

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
