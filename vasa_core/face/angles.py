"""How a head is turned, from its landmarks."""

from __future__ import annotations

import numpy as np

from vasa_core.face.geometry import procrustes

# A frontal face at skull points that expressions hardly move: index left in the picture, index right, then |x|, y, z in
# face widths (x right, y down, z away). It is the mean of 53 tracked clips of about 45 people in MediaPipe's landmarks,
# mirrored so that zero yaw and roll mean symmetry; zero pitch is the median of those people, who face their camera.
_FRONTAL = np.array([
    (10, 10, 0.000, -0.344, -0.145),
    (151, 151, 0.000, -0.230, -0.173),
    (9, 9, 0.000, -0.108, -0.195),
    (8, 8, 0.000, -0.045, -0.186),
    (168, 168, 0.000, 0.011, -0.184),
    (6, 6, 0.000, 0.068, -0.216),
    (197, 197, 0.000, 0.121, -0.252),
    (195, 195, 0.000, 0.171, -0.292),
    (5, 5, 0.000, 0.224, -0.333),
    (4, 4, 0.000, 0.288, -0.351),
    (33, 263, 0.319, 0.041, -0.026),
    (133, 362, 0.124, 0.053, -0.064),
    (127, 356, 0.505, 0.079, 0.331),
    (234, 454, 0.500, 0.187, 0.363),
    (93, 323, 0.491, 0.296, 0.364),
    (132, 361, 0.473, 0.412, 0.344),
    (109, 338, 0.135, -0.340, -0.133),
    (67, 297, 0.250, -0.320, -0.088),
    (103, 332, 0.357, -0.277, -0.009),
    (54, 284, 0.428, -0.209, 0.082),
])  # fmt: skip
_ANCHORS = np.concatenate([_FRONTAL[:, 0], _FRONTAL[:, 1]]).astype(int)
_REFERENCE = np.concatenate([_FRONTAL[:, 2:] * [-1, 1, 1], _FRONTAL[:, 2:]])  # (2 n, 3); mid points appear twice


def head_angles(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees of `landmarks` (478, 3), with z in the unit of x and y.

    The rotation that brings a frontal face nearest to the landmarks (Procrustes), taken apart as
    `vasa_core.face.geometry.rotation` composes it. (0, 0, 0) looks into the camera; positive yaw turns the nose to the
    viewer's right, positive pitch lowers it, positive roll tilts the top of the head to the viewer's right.
    """
    _, matrix, _ = procrustes(_REFERENCE, landmarks[_ANCHORS].astype(np.float64))
    yaw = np.arctan2(matrix[2, 0], matrix[2, 2])
    pitch = np.arcsin(np.clip(matrix[2, 1], -1, 1))
    roll = np.arctan2(-matrix[0, 1], matrix[1, 1])
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))
