"""The tone of a mouth's inside for any shape of the lips: a small network, learned from real mouths.

It is told the shape of the inner lips and how far the jaw has dropped and answers with a coarse picture of the inside,
relative to the colour that teeth would have in full light. What it knows is where a mouth is dark, where flesh shows
and how much light reaches the teeth; it knows no edges. Decoders of sharp pictures, trained on the same clips, gave
grey mush for people they had not seen (docs/decisions/0010-mouth-tone-learned-teeth-drawn.md), so teeth are drawn
(`render/mouth.py`) and take their tone from here.

Coordinates are those of the mouth: origin at the middle of the resting seam, unit = the resting mouth's width, x to the
picture's right, y down; they move with the skull.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vasa_core.errors import WeightsError
from vasa_core.face.geometry import CHIN, FOREHEAD, LOWER_LIP, UPPER_LIP
from vasa_core.weights import FOLDER, read_weights

KIND, VERSION = "mouth_interior", "1"
JAW = np.array([CHIN, 148, 377, 175, 199, 200, 14, 17, 87, 317])  # chin and lower lip: the jaw as the mouth sees it
LIPS = np.concatenate([UPPER_LIP, LOWER_LIP[1:-1]])  # 20 inner-lip landmarks
FEATURES = 2 * len(LIPS) + 2
LEFT, TOP, RIGHT, BOTTOM = -0.6, -0.2, 0.6, 0.6  # what the picture covers
BRIGHTEST = 1.3  # largest value of the picture; 1 is the colour of teeth in full light
BEHIND = 0.08  # depth of the teeth behind the lips, in mouth widths


@dataclass(frozen=True)
class InteriorConfig:
    """Size of the network."""

    hidden: int = 64
    style: int = 4  # numbers that tell the mouths of different people apart; 0 is the average person
    rows: int = 12
    columns: int = 18


def mouth_frame(face: np.ndarray) -> tuple[np.ndarray, float]:
    """Origin, end of the x axis and end of the y axis of the mouth's coordinates, (3, 3), and the mouth's width.

    face: (468+, 3) with its lips together, in any unit and attitude.
    """
    face = face.astype(np.float64)
    across = face[UPPER_LIP[-1]] - face[UPPER_LIP[0]]
    width = float(np.linalg.norm(across))
    across = across / width
    down = face[CHIN] - face[FOREHEAD]
    down = down - across * (down @ across)
    down = down / np.linalg.norm(down)
    seam = (face[13] + face[14]) / 2 + BEHIND * width * np.cross(across, down)
    return np.stack([seam, seam + across * width, seam + down * width]), width


def shape_features(lips: np.ndarray, skull: np.ndarray, jaw: np.ndarray) -> np.ndarray:
    """What the network is told, float32 (FEATURES,).

    lips: (20, 2) where LIPS are.  skull, jaw: (3, 2) where `mouth_frame` went with the skull and with the jaw. All in
    pixels of one picture.
    """
    axes = np.column_stack([skull[1] - skull[0], skull[2] - skull[0]])
    if abs(np.linalg.det(axes)) < 1e-6:  # seen edge-on
        return np.zeros(FEATURES, np.float32)
    inside = (np.vstack([lips, jaw[:1]]) - skull[0]) @ np.linalg.inv(axes).T
    return inside.astype(np.float32).ravel()


class Interior:
    """The network in NumPy: three hidden layers and a linear map to the picture. Read-only, so threads may share it.

    tensors: `w0, b0, w1, b1, w2, b2` of the hidden layers (in, out), `wout, bout`, `mean, spread` of the features.
    Raises WeightsError when one is missing or of another size than `config` says.
    """

    def __init__(self, tensors: dict[str, np.ndarray], config: InteriorConfig = InteriorConfig()) -> None:
        self.config = config
        inputs, size = FEATURES + config.style, 3 * config.rows * config.columns
        hidden = config.hidden
        shapes: dict[str, tuple[int, ...]] = {"w0": (inputs, hidden), "w1": (hidden, hidden), "w2": (hidden, hidden)}
        shapes |= {"b0": (hidden,), "b1": (hidden,), "b2": (hidden,), "wout": (hidden, size), "bout": (size,)}
        shapes |= {"mean": (FEATURES,), "spread": (FEATURES,)}
        if any(name not in tensors or tensors[name].shape != shape for name, shape in shapes.items()):
            raise WeightsError("The weights of the mouth have the wrong size; install Candor again.")
        self._t = {name: tensors[name].astype(np.float32) for name in shapes}

    @classmethod
    def from_pretrained(cls, path: Path | None = None) -> Interior:
        """The shipped network, or the one in `path`. Raises WeightsError."""
        tensors, metadata = read_weights(path or FOLDER / "mouth_interior.safetensors", KIND, VERSION)
        try:
            return cls(tensors, InteriorConfig(**json.loads(metadata["config"])))
        except (KeyError, TypeError, json.JSONDecodeError):
            raise WeightsError("The weights of the mouth do not say their size; install Candor again.") from None

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """The average person's mouth, float32 (rows, columns, 3) in 0..BRIGHTEST, from features (FEATURES,)."""
        t, c = self._t, self.config
        told = np.clip((features - t["mean"]) / t["spread"], -3, 3)  # shapes far from all that was seen are held back
        h = np.concatenate([told, np.zeros(c.style, np.float32)])
        for layer in "012":
            h = h @ t["w" + layer] + t["b" + layer]
            h = h / (1 + np.exp(-h))  # SiLU
        out = BRIGHTEST / (1 + np.exp(-(h @ t["wout"] + t["bout"])))
        return np.ascontiguousarray(out.reshape(3, c.rows, c.columns).transpose(1, 2, 0))


def metadata_of(config: InteriorConfig) -> dict[str, str]:
    """What a weights file says of its network."""
    return {"config": json.dumps(asdict(config))}
