"""What an emotion looks like: an offset in the face space, added to everything else that a face does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vasa_core.face.space import FaceSpace
from vasa_core.types import MOTION_RATE, Controls

# Facial directions of an emotion at full strength, after the action units that Ekman and Friesen (1978) name for it, as
# far as the face space has them; judged on rendered faces. They are offsets: the lips still close
# (articulation.close_lips).
EMOTIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "happy": {"smile": 1.6, "lip_spread": 0.3, "blink_left": 0.2, "blink_right": 0.2, "brow_raise": 0.4},
    "sad": {"mouth_frown": 1.0, "brow_frown": 2.2, "brow_raise": 1.0, "blink_left": 0.28, "blink_right": 0.28},
    "angry": {"brow_frown": 4.5, "brow_raise": -2.2, "mouth_frown": 0.45, "lip_spread": -0.3},
    "surprised": {"brow_raise": 3.2, "blink_left": -0.35, "blink_right": -0.35, "jaw_open": 0.3},
    "disgusted": {
        "upper_lip_raise": 0.8,
        "smile": -0.3,
        "brow_frown": 3.0,
        "brow_raise": -1.2,
        "blink_left": 0.35,
        "blink_right": 0.35,
    },
    "fearful": {"brow_raise": 2.0, "brow_frown": 4.5, "blink_left": -0.35, "blink_right": -0.35, "lip_spread": 1.3},
    "contempt": {"smirk": 1.8, "brow_raise_left": 1.6, "blink_left": 0.1, "blink_right": 0.2},
}


def emotion_offset(space: FaceSpace, emotion: Mapping[str, float]) -> np.ndarray:
    """Facial code (D,) of a mixture of emotions, name -> strength."""
    code = np.zeros(space.dim)
    for name, strength in emotion.items():
        for direction, amount in EMOTIONS[name].items():
            code += strength * amount * space.direction(direction)
    return code


def emotion_offsets(space: FaceSpace) -> np.ndarray:
    """Facial codes (8, D) of all emotions at full strength, in the order of Controls.EMOTIONS."""
    return np.array([emotion_offset(space, {name: 1.0}) for name in Controls.EMOTIONS])


_BLINK = (0.2, 0.65)  # lid closure from which a blink is under way, from which it is meant to be whole


def lids_of(space: FaceSpace, code: np.ndarray, feeling: np.ndarray) -> np.ndarray:
    """Code (N, D) with lids that shut fully in a blink, however wide or narrow the emotion holds them.

    A sampler's mean of blinks that come a little sooner or later is a blink that stops half-way; people's do not.
    feeling: (N, D) what the emotions added.
    """
    out = code.astype(np.float64)
    for side in ("left", "right"):
        lid = space.names.index(f"blink_{side}")
        shut = np.clip(code[:, lid] - feeling[:, lid], 0, 1)
        meant = np.clip((shut - _BLINK[0]) / (_BLINK[1] - _BLINK[0]), 0, 1)
        whole = shut + (1 - shut) * meant * meant * (3 - 2 * meant)
        out[:, lid] += (whole - shut) - feeling[:, lid] * whole
    return out


def ease_in(count: int, seconds: float) -> np.ndarray:
    """0 in the first frame, 1 from `seconds` on, smooth, (count,)."""
    x = np.clip(np.arange(count) / (seconds * MOTION_RATE), 0, 1)
    return x * x * x * (x * (6 * x - 15) + 10)
