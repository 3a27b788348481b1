"""What flows through Candor, with shapes and units. Nothing here computes more than its own consistency."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from vasa_core.errors import ControlError

FRAME_SIZE = 512  # pixels, side of every rendered frame
SAMPLE_RATE = 16_000  # Hz, what the models hear
PLAYBACK_RATE = 48_000  # Hz, what the finished video plays
MOTION_RATE = 25  # Hz, rate of motion latents
MAX_FPS = 60
POSE_DIM = 6  # yaw, pitch, roll [rad], x, y [face widths], log scale


@dataclass(frozen=True)
class Photo:
    """A decoded picture together with the file it came from.

    pixels: uint8 (H, W, 3) RGB, EXIF orientation applied.
    file:   the bytes as they were given; provenance needs them unchanged.
    """

    pixels: np.ndarray
    file: bytes
    mime: str
    name: str = "photo"


@dataclass(frozen=True)
class Speech:
    """Decoded sound together with the file it came from.

    samples:  float32 (n,) mono at SAMPLE_RATE, in [-1, 1].
    playback: int16 (m, channels) at PLAYBACK_RATE, one or two channels.
    """

    samples: np.ndarray
    playback: np.ndarray
    file: bytes
    mime: str
    name: str = "speech"

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class FaceBox:
    """One human face found in a photo.

    box:       left, top, right, bottom in photo pixels.
    landmarks: float32 (478, 3) in photo pixels (MediaPipe order; z grows away from the camera).
    yaw, pitch, roll: head angles in degrees; 0 looks into the camera.
    advice:    a sentence for the person, empty when the face is fine as it is.
    covered:   whether something (a mask, a hand, a microphone) hides the mouth.
    """

    box: tuple[int, int, int, int]
    landmarks: np.ndarray
    yaw: float
    pitch: float
    roll: float
    score: float
    advice: str = ""
    covered: bool = False

    @property
    def size(self) -> int:
        """Longer side of the box in pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)


@dataclass(frozen=True)
class Motion:
    """Motion latents: the waist between what drives a face and what draws it.

    pose:     float32 (N, 6) yaw, pitch, roll [rad], x, y [face widths], log scale, relative to the photo's own pose.
              Positive yaw turns the nose to the viewer's right, positive pitch lowers the nose, positive roll tilts
              the top of the head to the viewer's right; positive x and y shift right and down.
    dynamics: float32 (N, D) holistic facial code (lips, cheeks, brows, lids, irises); 0 is the rest face.
    rate:     latents per second.
    gaps:     (start, end) in seconds of stretches in which a driving video's face could not be followed and the last
              movement is carried over to the next; empty for other motion.
    """

    pose: np.ndarray
    dynamics: np.ndarray
    rate: float = MOTION_RATE
    gaps: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.pose.ndim != 2 or self.pose.shape[1] != POSE_DIM or len(self.pose) != len(self.dynamics):
            raise ValueError(f"pose {self.pose.shape} and dynamics {self.dynamics.shape} do not belong together")

    def __len__(self) -> int:
        return len(self.pose)

    @property
    def seconds(self) -> float:
        return len(self) / self.rate


@dataclass(frozen=True)
class Controls:
    """What a person may set. Every field has a neutral default.

    gaze:        yaw, pitch in degrees, each -30..30 (positive: viewer's right, down).
    distance:    0 is the photo's own framing; -0.5..0.5 as change of log scale (positive: closer).
    head_motion: gain of the head's movement, 0..2.   mouth: gain of the lips, 0..2.
    blinks:      per minute, 0..60; None leaves it to the model.
    emotion:     name -> strength 0..1.
    position:    x, y in face widths, each -0.5..0.5.  rotation: yaw, pitch, roll in degrees, each -20..20.
    seed:        same seed, same motion.
    """

    gaze: tuple[float, float] = (0.0, 0.0)
    distance: float = 0.0
    head_motion: float = 1.0
    mouth: float = 1.0
    blinks: float | None = None
    emotion: dict[str, float] = field(default_factory=dict)
    position: tuple[float, float] = (0.0, 0.0)
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seed: int = 0

    EMOTIONS: ClassVar[tuple[str, ...]] = (
        "neutral",
        "happy",
        "sad",
        "angry",
        "surprised",
        "disgusted",
        "fearful",
        "contempt",
    )

    def __post_init__(self) -> None:
        def check(name: str, value: float, low: float, high: float) -> None:
            if not low <= value <= high:  # also catches NaN
                raise ControlError(f"{name} is {value:g}; choose a value from {low:g} to {high:g}.")

        for axis, value in zip(("yaw", "pitch"), self.gaze, strict=True):
            check(f"Gaze {axis}", value, -30, 30)
        check("Distance", self.distance, -0.5, 0.5)
        check("Head motion", self.head_motion, 0, 2)
        check("Mouth", self.mouth, 0, 2)
        if self.blinks is not None:
            check("Blinks per minute", self.blinks, 0, 60)
        for name, strength in self.emotion.items():
            if name not in self.EMOTIONS:
                raise ControlError(f"Emotion '{name}' is unknown; choose one of {', '.join(self.EMOTIONS)}.")
            check(f"Emotion {name}", strength, 0, 1)
        for axis, value in zip("xy", self.position, strict=True):
            check(f"Position {axis}", value, -0.5, 0.5)
        for axis, value in zip(("yaw", "pitch", "roll"), self.rotation, strict=True):
            check(f"Rotation {axis}", value, -20, 20)
        check("Seed", self.seed, 0, 2**31 - 1)

    def but(self, **changes: object) -> Controls:
        """A copy with some fields changed, checked again."""
        return replace(self, **changes)  # type: ignore[arg-type]
