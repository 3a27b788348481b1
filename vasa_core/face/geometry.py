"""Where things are on a MediaPipe face, and how a head turns.

Axes everywhere: x to the viewer's right, y down, z away from the camera. Indices follow MediaPipe's 478-point
face mesh; "left" and "right" name the side of the picture, not of the person.
"""

from __future__ import annotations

import numpy as np

FACE_POINTS = 468  # the mesh proper; 468..477 are the irises

# Points that the skull moves and expressions barely do.
RIGID = np.array(
    [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 33, 133, 362, 263, 127, 356, 234, 454, 93, 323, 132, 361, 109, 338, 67, 297]
    + [103, 332, 54, 284]
)
OVAL = np.array(
    [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150]
    + [136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
)
# Lip and lid contours run from the picture's left corner to its right one; upper[i] faces lower[i].
UPPER_LIP = np.array([78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308])
LOWER_LIP = np.array([78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308])
OUTER_LIPS = np.array([61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146])
UPPER_LID = {
    "left": np.array([33, 246, 161, 160, 159, 158, 157, 173, 133]),
    "right": np.array([362, 398, 384, 385, 386, 387, 388, 466, 263]),
}
LOWER_LID = {
    "left": np.array([33, 7, 163, 144, 145, 153, 154, 155, 133]),
    "right": np.array([362, 382, 381, 380, 374, 373, 390, 249, 263]),
}
IRIS = {"left": np.arange(468, 473), "right": np.arange(473, 478)}  # centre first, then four on the rim
LEFT_EDGE, RIGHT_EDGE = 234, 454  # ends of the face width
FOREHEAD, CHIN, NOSE_TIP = 10, 152, 1


def face_width(landmarks: np.ndarray) -> float:
    """Distance between the two edges of the face, in the unit of `landmarks` (478, 3)."""
    return float(np.linalg.norm(landmarks[RIGHT_EDGE] - landmarks[LEFT_EDGE]))


def face_height(landmarks: np.ndarray) -> float:
    """Distance from the top of the forehead to the chin, in the unit of `landmarks` (478, 3)."""
    return float(np.linalg.norm(landmarks[CHIN] - landmarks[FOREHEAD]))


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix (3, 3), float64, from angles in radians; signs as in `vasa_core.types.Motion`.

    Applied to column vectors; yaw first, then pitch, then roll.
    """
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return tilt @ nod @ turn


def procrustes(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale s, rotation R (3, 3) and shift t (3,) that bring `source` (n, 3) nearest to `target`: s R x + t.

    Least squares over similarities (Umeyama, IEEE PAMI 13(4), 1991).
    """
    mean_s, mean_t = source.mean(0), target.mean(0)
    a, b = source - mean_s, target - mean_t
    u, sigma, vt = np.linalg.svd(a.T @ b)
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    matrix = vt.T @ np.diag(flip) @ u.T
    scale = float((sigma * flip).sum() / (a**2).sum())
    return scale, matrix, mean_t - scale * matrix @ mean_s


def smoothstep(x: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, a cubic ease between."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
