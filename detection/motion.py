"""How a face moves: landmark kinematics, head pose, blinks, as one vector per two seconds.

Displacement, velocity, acceleration and jerk of mouth, lids, brows and head (after BioLip, arXiv 2604.16808, which
uses them around the lips), and how they go together.
"""

from __future__ import annotations

import numpy as np

from detection.crops import canonical
from vasa_core.face.alignment import RIGID, Track, align, aperture, eye_openness, move, procrustes
from vasa_core.motion.reenact import between
from vasa_core.types import MOTION_RATE

CHANNELS = (
    *("aperture", "lip_width", "lip_out", "jaw", "mouth_left", "mouth_right", "brow_left", "brow_right"),
    *("eye_left", "eye_right", "gaze_x", "gaze_y", "yaw", "pitch", "roll", "x", "y", "size"),
)
_PAIRS = (
    ("aperture", "jaw"),
    ("aperture", "lip_width"),
    ("mouth_left", "mouth_right"),
    ("brow_left", "brow_right"),
    ("eye_left", "eye_right"),
    ("yaw", "x"),
    ("pitch", "y"),
    ("roll", "x"),
    ("brow_left", "pitch"),
    ("gaze_x", "yaw"),
    ("gaze_y", "pitch"),
    ("eye_left", "gaze_y"),
)
# Landmarks whose trembling is compared: what is drawn differently may tremble differently.
_REGIONS = {
    "nose": (168, 6, 197, 195, 5, 4, 1),
    "forehead": (10, 151, 9, 67, 297, 109, 338),
    "cheeks": (50, 280, 205, 425, 117, 346),
    "outline": (234, 454, 132, 361, 172, 397, 152),
    "lips": (61, 291, 0, 17, 13, 14, 37, 267, 84, 314),
    "lids": (159, 145, 386, 374, 33, 133, 362, 263),
    "irises": (468, 473),
}
_FLOOR = {"x": 1e-3, "y": 1e-3, "size": 1e-3, "yaw": 0.1, "pitch": 0.1, "roll": 0.1}
FEATURES = len(CHANNELS) * 4 + len(_PAIRS) + len(_REGIONS) + 4


def head_frame(times: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A trace on the clock of the motion latents: times (M,), channels (M, 18) and trembling (M, 7).

    times: (N,) seconds.  points: (N, 478, 3) pixels.  Needs half a second at least.
    """
    template = canonical().template
    clock = np.arange(times[0], times[-1] + 1e-6, 1 / MOTION_RATE)
    steady = between(times, points, clock)  # (M, 478, 3)
    steady = steady / np.float32(max(float(np.ptp(steady[..., 1])), 1.0))
    (aligned,), _ = align([Track("", steady, np.ones(len(clock), bool))], template)
    face = aligned.face
    brow = {"left": (105, 159), "right": (334, 386)}
    columns = [
        aperture(face) * 1.3,
        np.linalg.norm(face[:, 61] - face[:, 291], axis=1),
        face[:, [0, 17], 2].mean(1),
        face[:, 152, 1],
        face[:, 61, 1],
        face[:, 291, 1],
        *(face[:, b, 1] - face[:, e, 1] for b, e in brow.values()),
        *eye_openness(face).T,
        face[:, [468, 473], 0].mean(1),
        face[:, [468, 473], 1].mean(1),
        *aligned.angles.T,
        *aligned.place.T,
    ]
    raw = move(steady, procrustes(steady[:, RIGID], template[RIGID]))  # unsmoothed: trembling is the point
    trembling = np.zeros((len(raw), len(_REGIONS)), np.float32)
    trembling[1:-1] = np.stack(
        [np.linalg.norm(np.diff(raw[:, list(r)], n=2, axis=0)[..., :2], axis=2).mean(1) for r in _REGIONS.values()], 1
    )
    return clock, np.stack(columns, 1).astype(np.float32), trembling


def liveliness(motion: np.ndarray) -> np.ndarray:
    """How much lips, chin and lids move by themselves, (N,) thousandths of the average face's width, of
    `motion_features` (N, FEATURES). What a filmed photo shows is the tracker's unrest: below 10."""
    spread = [np.exp(motion[:, 4 * CHANNELS.index(name)]) for name in ("aperture", "jaw", "eye_left", "eye_right")]
    return 1000 * np.sqrt(spread[0] ** 2 + spread[1] ** 2 + ((spread[2] + spread[3]) / 2) ** 2)


def motion_features(channels: np.ndarray, trembling: np.ndarray) -> np.ndarray:
    """float32 (FEATURES,) of one window: channels (M, 18) and trembling (M, 7), M >= 12."""
    rate = MOTION_RATE
    out: list[float] = []
    for column, name in zip(channels.T, CHANNELS, strict=True):
        floor = _FLOOR.get(name, 5e-4)
        velocity = np.diff(column) * rate / 10
        out += [
            float(np.log(part.std() + floor))
            for part in (column, velocity, np.diff(velocity) * rate / 10, np.diff(velocity, n=2) * (rate / 10) ** 2)
        ]
    at = {name: index for index, name in enumerate(CHANNELS)}
    for a, b in _PAIRS:
        x, y = channels[:, at[a]], channels[:, at[b]]
        spread = x.std() * y.std()
        out.append(float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 1e-9 else 0.0)
    tremble = np.log(np.median(trembling[1:-1], 0) + 2e-4)
    out += [float(t) for t in tremble - tremble.mean()]  # relative: the absolute one tells the resolution
    eyes = channels[:, [at["eye_left"], at["eye_right"]]].mean(1)
    opened = max(float(np.quantile(eyes, 0.8)), 1e-3)
    shut = eyes < 0.6 * opened
    blinks = int((np.diff(shut.astype(int)) > 0).sum())
    lips = channels[:, at["aperture"]]
    out += [float(blinks), float(shut.mean()), float((lips < 0.01).mean()), float(np.abs(np.diff(lips)).max())]
    return np.array(out, np.float32)
