"""Smooth filling of unknown pixels by an image pyramid ("push-pull").

Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4: average what is known down a pyramid, then hand it back
up to where nothing is known. A fraction of a second for half a megapixel whatever the shape of the hole, and no
streaks.
"""

from __future__ import annotations

import cv2
import numpy as np


def push_pull(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill pixels of `image` where `known` is 0.

    Args:
        image: float32 (H, W, C).
        known: float32 (H, W) confidence in 0..1; at least one pixel must be above 0.

    Returns:
        float32 (H, W, C); unchanged where `known` is 1.
    """
    known = known.astype(np.float32)[..., None]
    image = image.astype(np.float32)
    if min(image.shape[:2]) <= 2:
        total = known.sum()
        mean = (image * known).sum((0, 1)) / total if total > 0 else np.full(image.shape[2], 128, np.float32)
        return image * known + mean * (1 - known)
    half = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
    weight = cv2.resize(known, half, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(image * known, half, interpolation=cv2.INTER_AREA)
    colour = colour.reshape(half[1], half[0], -1) / np.maximum(weight, 1e-6)[..., None]
    coarse = push_pull(colour, np.clip(weight * 4, 0, 1))
    back = cv2.resize(coarse, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return image * known + back.reshape(image.shape) * (1 - known)
