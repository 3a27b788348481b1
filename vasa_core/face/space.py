"""The face space: a linear code for everything a face does besides moving as a whole.

The code stands where VASA-1 (arXiv 2404.10667, section 3.1) has its holistic facial dynamics: lips, cheeks, brows,
lids and irises in one vector. Here it is linear and block-structured: lids, gaze and brows have coordinates of their
own, the mouth, jaw and cheeks share principal components learned from real tracks (vasa_core.training.face_space).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vasa_core.errors import WeightsError
from vasa_core.weights import FOLDER, read_weights

LANDMARKS = 478
KIND, VERSION = "face_space", "1"
FACE_EDGES = (234, 454)  # landmarks whose distance is the unit of length (right and left edge of the face)
UPPER_LIP, LOWER_LIP = 13, 14  # inner lips, middle
FOREHEAD, CHIN = 10, 152

# Lids from the inner to the outer corner, as pairs (upper, lower) that meet when the eye is shut. Left and right are
# the person's own.
LID_PAIRS_RIGHT = ((173, 155), (157, 154), (158, 153), (159, 145), (160, 144), (161, 163), (246, 7))
LID_PAIRS_LEFT = ((398, 382), (384, 381), (385, 380), (386, 374), (387, 373), (388, 390), (466, 249))


@dataclass(frozen=True)
class FaceSpace:
    """Linear map between facial code and landmark displacement.

    basis:      float32 (D, 478, 3), displacement per unit of each coordinate, in the head frame (x to the viewer's
                right,
                y down, z away from the viewer, head upright and frontal), unit = face width.
    template:   float32 (478, 3), an average rest face in the same frame and unit, centred between the face edges.
    names:      D names of the coordinates.
    directions: name -> float32 (D,), meaningful directions (see `direction`).
    """

    basis: np.ndarray
    template: np.ndarray
    names: tuple[str, ...]
    directions: dict[str, np.ndarray]

    @property
    def dim(self) -> int:
        """D, the length of the code."""
        return len(self.basis)

    def decode(self, dynamics: np.ndarray) -> np.ndarray:
        """Code (N, D) -> displacement from the rest face, float32 (N, 478, 3), head frame, face widths. 0 -> 0.

        Raises ValueError when D is not `dim`.
        """
        dynamics = np.asarray(dynamics, np.float32)
        if dynamics.ndim != 2 or dynamics.shape[1] != self.dim:
            raise ValueError(f"a facial code has shape (N, {self.dim}), not {dynamics.shape}")
        return (dynamics @ self.basis.reshape(self.dim, -1)).reshape(-1, LANDMARKS, 3)

    def encode(self, displacement: np.ndarray) -> np.ndarray:
        """Displacement (N, 478, 3) -> the nearest code, float32 (N, D), by least squares (depth counts half)."""
        displacement = np.asarray(displacement, np.float32)
        if displacement.ndim != 3 or displacement.shape[1:] != (LANDMARKS, 3):
            raise ValueError(f"a displacement has shape (N, {LANDMARKS}, 3), not {displacement.shape}")
        weight = np.array([1.0, 1.0, 0.5])  # depth is the least certain coordinate of tracked landmarks
        design = (self.basis * weight).reshape(self.dim, -1)  # (D, 1434)
        target = (displacement * weight).reshape(len(displacement), -1)  # (N, 1434)
        return np.linalg.lstsq(design.T, target.T, rcond=None)[0].T.astype(np.float32)

    def direction(self, name: str) -> np.ndarray:
        """The code (D,) that moves the face in a named way.

        `blink_left`, `blink_right` (the person's own; 1 = shut), `gaze_yaw`, `gaze_pitch` (per degree; positive to the
        viewer's right, down), `brow_raise`, `brow_raise_left`, `brow_raise_right`, `brow_frown`, and of the mouth (1 =
        as strong as people do in speech) `jaw_open`, `lip_round`, `lip_spread`, `lip_close`, `upper_lip_raise`,
        `lower_lip_tuck`, `smile`, `smirk`, `mouth_frown`. Raises ValueError for another name.
        """
        if name not in self.directions:
            raise ValueError(f"the face space has no direction '{name}'; it has {', '.join(sorted(self.directions))}")
        return self.directions[name].copy()

    def personal(self, neutral: np.ndarray) -> FaceSpace:
        """The space fitted to one person: a full blink shuts exactly this person's eyes.

        neutral: (478, 3) the person's rest face in the head frame, in face widths.
        """
        basis = self.basis.copy()
        for name, pairs in (("blink_right", LID_PAIRS_RIGHT), ("blink_left", LID_PAIRS_LEFT)):
            upper, lower = np.array(pairs).T
            asked = (neutral[lower] - neutral[upper])[:, 1].mean()
            given = (self.template[lower] - self.template[upper])[:, 1].mean()
            row = self.names.index(name)
            basis[row] *= np.clip(asked / given, 0.0, 2.5)
            # What is left after scaling is the shape of this person's lids: the upper lid takes it up.
            left = neutral[lower] - neutral[upper] - (basis[row, upper] - basis[row, lower])
            basis[row, upper] += left * np.array([0.0, 1.0, 0.0])
        return FaceSpace(basis, self.template, self.names, self.directions)

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> FaceSpace:
        """The shipped space, or the one in `path`. Raises WeightsError."""
        path = Path(path) if path is not None else FOLDER / "face_space.safetensors"
        tensors, metadata = read_weights(path, KIND, VERSION)
        try:
            names = tuple(json.loads(metadata["names"]))
            basis, template = tensors["basis"], tensors["template"]
            directions = {k.removeprefix("direction."): v for k, v in tensors.items() if k.startswith("direction.")}
        except (KeyError, json.JSONDecodeError) as error:
            raise WeightsError(f"The weights file {path} lacks {error}; install Candor again.") from None
        if basis.shape != (len(names), LANDMARKS, 3) or template.shape != (LANDMARKS, 3):
            raise WeightsError(f"The weights file {path} has tensors of the wrong size; install Candor again.")
        if any(d.shape != (len(names),) for d in directions.values()):
            raise WeightsError(f"The weights file {path} has directions of the wrong size; install Candor again.")
        return cls(basis, template, names, directions)
