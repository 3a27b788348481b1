"""How the light on a moving face changes, as one vector per two seconds.

A real head turns under its lamps: neighbouring patches of skin brighten and darken by different amounts, slowly, and
in step with the turn. A warped portrait carries one photo's light along; what changes on its skin is where the warp and
the tracker miss each other. So every patch of the flat skin (`crops.unwrap`) is explained, frame by frame, by its own
mean picture: brighter or darker, and shifted by a fraction of a pixel. The gain is the light; what neither explains is
noise when it changes from frame to frame, and wrinkles or relief when it changes slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from detection.crops import MAP, canonical

PATCH = 12  # pixels
SCALES = (0.8, 2.0)  # pixels, sigma of the smoothing before patches are compared
SLOW = 3.0  # frames, sigma of what counts as slow
FEATURES = 18 * len(SCALES)
_DAMPING = np.array([1e-3, 1e-4, 1e-4], np.float32)  # of gain and shifts, against patches without texture


@dataclass(frozen=True)
class _Patches:
    """inside: float32 (B, P), 1 where a pixel of a patch is skin.   centres: (B, 2) x, y from -1 to 1."""

    rows: np.ndarray
    columns: np.ndarray
    inside: np.ndarray
    centres: np.ndarray

    def cut(self, pictures: np.ndarray) -> np.ndarray:
        """(..., MAP, MAP) -> (..., B, P), 0 outside the skin."""
        return pictures[..., self.rows, self.columns] * self.inside


@lru_cache(maxsize=1)
def _patches() -> _Patches:
    face = canonical().inside
    y, x = np.mgrid[:PATCH, :PATCH].reshape(2, -1)
    corners = [
        (top, left)
        for top in range(0, MAP, PATCH)
        for left in range(0, MAP, PATCH)
        if face[top : top + PATCH, left : left + PATCH].mean() >= 0.95
    ]
    rows, columns = (np.array([c[k] for c in corners])[:, None] + (y, x)[k] for k in (0, 1))
    centres = np.array(
        [((left + PATCH / 2) / (MAP / 2) - 1, (top + PATCH / 2) / (MAP / 2) - 1) for top, left in corners]
    )
    return _Patches(rows, columns, face[rows, columns].astype(np.float32), centres)


def smoothed(flat: np.ndarray) -> np.ndarray:
    """Flat skin uint8 (N, MAP, MAP) at all SCALES and at even brightness, float32 (S, N, MAP, MAP)."""
    inside = canonical().inside
    stack = flat.astype(np.float32)
    stack /= np.maximum(stack[:, inside].mean(1), 8.0)[:, None, None]
    return np.stack([[cv2.GaussianBlur(frame, (0, 0), sigma) for frame in stack] for sigma in SCALES])


def light_features(scales: np.ndarray, points: np.ndarray) -> np.ndarray:
    """float32 (FEATURES,) of one window.

    scales: `smoothed` (S, N, MAP, MAP) of consecutive frames, N >= 8.   points: (N, 478, 3) landmarks of these frames,
    pixels.
    """
    pose = _pose(points)
    return np.array([figure for stack in scales for figure in _at_scale(stack, pose)], np.float32)


def _at_scale(stack: np.ndarray, pose: np.ndarray) -> list[float]:
    """18 figures of a smoothed stack (N, MAP, MAP) and the head's movement (N, 6)."""
    patches = _patches()
    mean = stack.mean(0)
    down, right = np.gradient(mean)
    basis = np.stack([patches.cut(b) for b in (mean, right, down)], 2)  # (B, P, 3)
    change = patches.cut(stack - mean).transpose(1, 2, 0)  # (B, P, N)
    count = patches.inside.sum(1)  # (B,)
    normal = basis.transpose(0, 2, 1) @ basis + np.diag(_DAMPING) * count[:, None, None]  # (B, 3, 3)
    explained = np.linalg.solve(normal, basis.transpose(0, 2, 1) @ change)  # (B, 3, N): gain, shifts
    left = change - basis @ explained
    slowly = gaussian_filter1d(left, SLOW, axis=2)

    def size(part: np.ndarray) -> np.ndarray:
        return 0.5 * np.log(np.einsum("bpn,bpn->b", part, part) / (part.shape[2] * count) + 1e-7)

    slow, fast = size(slowly), size(left - slowly)
    gain = gaussian_filter1d(explained[:, 0], SLOW, axis=1)  # (B, N)
    overall = np.median(gain, 0)
    gain = gain - overall
    changes = np.log(gain.std(1) + 1e-4)
    # How loud noise and texture are by themselves is left out: it tells the camera and the encoder.
    rows = np.stack([slow - fast, changes, changes - fast])  # (3, B)
    out = np.quantile(rows, [0.5, 0.2, 0.8], axis=1).T.ravel().tolist()
    # Light from aside: gain that rises across the face. How much there is, and how much of it goes with the head.
    plane = np.column_stack([patches.centres, np.ones(len(count))])
    across = np.linalg.lstsq(plane, gain, rcond=None)[0]  # (3, N)
    rest = gain - plane @ across
    amounts = [float(np.log(part.std() + 1e-4)) for part in (across[0], across[1], rest, overall)]
    moved = np.log(pose.std(0) + 1e-3)
    return [
        *out,
        *amounts,
        *(_follows(part, pose) for part in (across[0], across[1], rest.T)),
        amounts[0] - float(moved[0]),
        amounts[1] - float(moved[1]),
    ]


def _follows(values: np.ndarray, pose: np.ndarray) -> float:
    """Share of the variance of (N,) or (N, B) that is linear in the pose (N, 6)."""
    told = np.column_stack([pose, np.ones(len(pose))])
    left = values - told @ np.linalg.lstsq(told, values, rcond=None)[0]
    return float(1 - (left**2).sum() / max(float(((values - values.mean(0)) ** 2).sum()), 1e-9))


def _pose(points: np.ndarray) -> np.ndarray:
    """How a head moves, (N, 6) about its mean: turn, nod (of the nose against eyes and mouth), x, y, log size, roll,
    lengths in distances between the eyes."""
    left, right, mouth = points[:, 33, :2], points[:, 263, :2], (points[:, 61, :2] + points[:, 291, :2]) / 2
    eyes, along = (left + right) / 2, right - left
    apart = np.maximum(np.linalg.norm(along, axis=1), 1e-6)
    along = along / apart[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    nose = (points[:, 1, :2] - (eyes + mouth) / 2) / apart[:, None]
    place = eyes / apart.mean()
    pose = np.column_stack(
        [(nose * along).sum(1), (nose * across).sum(1), place, np.log(apart), np.arctan2(along[:, 1], along[:, 0])]
    )
    return pose - pose.mean(0)
