"""One item of the training set: a few seconds of one face, what was done to it, and the evidence gathered from it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detection.crops import CROP, MAP
from detection.evidence import CROPS
from detection.motion import FEATURES
from detection.skin import CHANNELS

REAL = "real"
GENERATED = ("self", "cross", "audio", "controls")  # whole frames by this generator
PARTIAL = ("mouth",)  # real frames in which a part is by this generator
PSEUDO = ("blended", "kinematic")  # made from real video without the generator
FILMED = "filmed"  # a photo under a moving camera: neither a real talking face nor a generated one
KINDS = (REAL, *GENERATED, *PARTIAL, *PSEUDO, FILMED)


@dataclass
class Take:
    """crops: uint8 (W, CROPS, CROP, CROP, 3).  skin: float16 (W, 5, MAP, MAP).  light: float32 (W, L).
    motion: float32 (W, FEATURES).
    clock, lips: (M,) of the whole take.  voice: float32 (N, 14) viseme posteriors at 25 Hz, empty without sound.
    background: float32 (B,) numbers of what lies around the face, for a probe only.  facts: everything else.
    """

    name: str
    kind: str
    person: str
    source: str
    fold: int
    person_fold: int
    crops: np.ndarray
    skin: np.ndarray
    light: np.ndarray
    motion: np.ndarray
    clock: np.ndarray
    lips: np.ndarray
    voice: np.ndarray
    background: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def fake(self) -> bool:
        return self.kind not in (REAL, FILMED)

    @property
    def windows(self) -> int:
        return len(self.motion)

    @property
    def has_pixels(self) -> bool:
        return self.kind != "kinematic"

    def save(self, folder: Path) -> None:
        """Write NAME.npz, whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        meta = {k: getattr(self, k) for k in ("name", "kind", "person", "source", "fold", "person_fold", "facts")}
        part = folder / f".{self.name}.part.npz"
        arrays = {k: getattr(self, k) for k in ARRAYS}
        np.savez(part, meta=np.array(json.dumps(meta)), **arrays)
        os.replace(part, folder / f"{self.name}.npz")

    @classmethod
    def load(cls, path: Path) -> Take:
        """Raises ValueError for a take that an earlier version of the program wrote."""
        with np.load(path) as file:
            if missing := [name for name in ARRAYS if name not in file]:
                raise ValueError(f"{path} lacks {', '.join(missing)}; delete the folder and build the set again")
            return cls(**json.loads(str(file["meta"])), **{k: file[k] for k in ARRAYS})


ARRAYS = ("crops", "skin", "light", "motion", "clock", "lips", "voice", "background")


def load_takes(folder: Path) -> list[Take]:
    """All takes of a folder and those in it (one for each draw), in order of name."""
    return [Take.load(path) for path in sorted(folder.rglob("*.npz")) if not path.name.startswith(".")]


def no_pixels(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty crops, skin and light for takes that have motion only."""
    skin = np.zeros((count, len(CHANNELS), 0, MAP), np.float16)
    return np.zeros((count, CROPS, 0, CROP, 3), np.uint8), skin, np.zeros((count, 0), np.float32)


__all__ = ["FEATURES", "FILMED", "GENERATED", "KINDS", "PARTIAL", "PSEUDO", "REAL", "Take", "load_takes", "no_pixels"]
