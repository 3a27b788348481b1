"""Performances to learn from: all that a talking head does besides articulating. It moves, breathes, blinks, looks
about and lifts its brows.

All processes are sums of smooth, seeded noise and of answers to the prosody, so that the same seed gives the same
motion and nothing drifts, however long the speech is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, sosfilt

from vasa_core.face.space import FaceSpace
from vasa_core.motion.emotion import ease_in
from vasa_core.motion.prosody import Prosody
from vasa_core.types import MOTION_RATE, POSE_DIM, Controls


@dataclass(frozen=True)
class Behaviour:
    """Numbers fitted on real talkers by vasa_core.training.behaviour; angles in degrees, times in seconds."""

    sway_yaw: float = 3.0  # standard deviation of the slow wandering of the head (below 0.5 Hz)
    sway_pitch: float = 2.2
    sway_roll: float = 1.5
    gesture_yaw: float = 1.4  # the same of movements that go with speech (0.5 to 3 Hz)
    gesture_pitch: float = 1.2
    gesture_roll: float = 0.8
    calm: float = 0.3  # share of the gestures that is left in silence
    nod: float = 1.6  # pitch of a nod on an accent of strength 1
    shift_x: float = 0.006  # face widths the head moves sideways per degree of yaw
    shift_y: float = 0.004  # and down per degree of pitch
    brow_lift: float = 0.7  # brow raise on an accent of strength 1
    brow_idle: float = 0.18  # standard deviation of the brows' slow wandering
    blinks: float = 27.0  # per minute (26 in conversation, Bentivoglio 1997)
    blink_spread: float = 0.45  # standard deviation of the logarithm of the time between blinks
    blink_seconds: float = 0.24  # median length of a blink
    fixation_seconds: float = 1.3  # median time between saccades
    saccade: float = 2.0  # standard deviation of where the eyes rest, yaw; pitch has half of it

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray]) -> Behaviour:
        """From weights named behaviour.FIELD; fields that are not there keep their defaults."""
        names = [f.name for f in fields(cls)]
        return cls(**{n: float(tensors[f"behaviour.{n}"].ravel()[0]) for n in names if f"behaviour.{n}" in tensors})


@dataclass(frozen=True)
class Temper:
    """How an emotion at full strength changes the way a head moves (its look is vasa_core.motion.emotion's).

    liveliness: factor on gestures, nods and brow lifts.   pitch, roll: posture in degrees.   blinks: factor on their
    rate.
    """

    liveliness: float = 1.0
    pitch: float = 0.0
    roll: float = 0.0
    blinks: float = 1.0


TEMPERS = {
    "neutral": Temper(),
    "happy": Temper(1.15, -1.0, 0.5),
    "sad": Temper(0.6, 3.0, 1.0),
    "angry": Temper(1.25, 1.5),
    "surprised": Temper(1.0, -2.5, blinks=0.8),
    "disgusted": Temper(0.85, -1.5, 1.5),
    "fearful": Temper(0.9, -1.0, blinks=1.2),
    "contempt": Temper(0.8, -2.5, 2.0),
}


def temper_of(emotion: dict[str, float]) -> Temper:
    """Of a mixture of emotions: their differences from neutral, added."""
    total = {f.name: getattr(TEMPERS["neutral"], f.name) for f in fields(Temper)}
    for name, strength in emotion.items():
        for field in total:
            total[field] += strength * (getattr(TEMPERS[name], field) - getattr(TEMPERS["neutral"], field))
    return Temper(**total)


# Streams of randomness: adding one must not change the others, and a longer speech must begin like a shorter one.
_STREAMS = {name: i for i, name in enumerate(("sway", "gesture", "nod", "blink", "gaze", "brow", "breath"))}
_SPIN_UP = 12 * MOTION_RATE  # frames a filter runs before its output counts


def stream(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAMS[name]])


def smooth_noise(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Gaussian noise between two frequencies in Hz, standard deviation 1, (count,); its start does not depend on
    `count`."""
    sections = butter(2, (low, high), "bandpass", fs=MOTION_RATE, output="sos")
    impulse = np.zeros(4000)
    impulse[0] = 1
    gain = np.sqrt((sosfilt(sections, impulse) ** 2).sum())
    return sosfilt(sections, rng.normal(size=_SPIN_UP + count))[_SPIN_UP:] / gain


def head_pose(
    prosody: Prosody, behaviour: Behaviour, gain: float, seed: int, temper: Temper = TEMPERS["neutral"]
) -> np.ndarray:
    """Pose (N, 6) relative to the photo's, as in Motion. The first frame is the photo's own pose."""
    count = len(prosody.activity)
    talk = behaviour.calm + (1 - behaviour.calm) * gaussian_filter1d(prosody.activity, 8.0, mode="nearest")
    sway, gesture = stream(seed, "sway"), stream(seed, "gesture")
    upward, size = stream(seed, "nod").spawn(2)
    angles = np.zeros((count, 3))
    rows = zip(
        sway.spawn(3),
        gesture.spawn(3),
        (behaviour.sway_yaw, behaviour.sway_pitch, behaviour.sway_roll),
        (behaviour.gesture_yaw, behaviour.gesture_pitch, behaviour.gesture_roll),
        strict=True,
    )
    for axis, (slow, fast, sway_size, gesture_size) in enumerate(rows):
        angles[:, axis] = sway_size * smooth_noise(slow, count, 0.04, 0.35) * (0.6 + 0.4 * talk)
        angles[:, axis] += temper.liveliness * gesture_size * smooth_noise(fast, count, 0.5, 2.0) * talk
    # Nods: down with the accent, back more slowly; some go up instead, some are left out.
    strength = prosody.accents * np.where(upward.random(count) < 0.15, -0.7, 1.0) * size.uniform(0.0, 1.4, count)
    time = np.arange(-10, 26) / MOTION_RATE
    bump = np.exp(-0.5 * (time / np.where(time < 0, 0.11, 0.2)) ** 2)
    angles[:, 1] += (
        temper.liveliness
        * behaviour.nod
        * (np.convolve(strength, bump)[10 : 10 + count] - 0.5 * gaussian_filter1d(strength, 25.0) * 9)
    )
    angles[:, 2] += 0.25 * angles[:, 0] * (behaviour.sway_roll / behaviour.sway_yaw)  # a turning head tilts
    limit = np.array([13.0, 10.0, 8.0])
    angles = limit * np.tanh(angles / limit) * gain + np.array([0.0, temper.pitch, temper.roll])

    breath = stream(seed, "breath")
    start = breath.uniform(0, 2 * np.pi)
    rate = 0.26 * (1 + 0.12 * smooth_noise(breath, count, 0.02, 0.1))  # Hz, about 16 a minute
    phase = start + 2 * np.pi * np.cumsum(rate) / MOTION_RATE
    lift = np.sin(phase) + 0.25 * np.sin(2 * phase)
    pose = np.zeros((count, POSE_DIM))
    pose[:, :3] = np.radians(angles)
    pose[:, 3] = behaviour.shift_x * angles[:, 0]
    pose[:, 4] = behaviour.shift_y * angles[:, 1] - 0.004 * lift
    pose[:, 5] = 0.0025 * lift + 0.002 * angles[:, 1] / limit[1] * gain
    return (pose * ease_in(count, 1.0)[:, None]).astype(np.float32)


def blink_times(prosody: Prosody, behaviour: Behaviour, per_minute: float, seed: int) -> list[int]:
    """Frames in which the lids meet. Log-normal intervals; ends of phrases attract them (Nakano and Kitazawa 2010)."""
    count = len(prosody.activity)
    if per_minute <= 0:
        return []
    rng = stream(seed, "blink")
    mean = 60 / per_minute
    spread = behaviour.blink_spread
    ends = np.flatnonzero((prosody.activity[:-1] >= 0.5) & (prosody.activity[1:] < 0.5))
    shortest = min(0.45, 0.6 * mean)
    times: list[int] = []
    at = mean * rng.uniform(0.25, 0.9)
    while at * MOTION_RATE < count - 3:
        frame = int(round(at * MOTION_RATE))
        near = ends[np.abs(ends - frame) <= 8]
        if len(near) and rng.random() < 0.6:
            frame = int(near[0]) + 2
        if (not times or frame - times[-1] >= shortest * MOTION_RATE) and 3 <= frame < count - 2:
            times.append(frame)
        at += max(shortest, mean * float(np.exp(rng.normal(-0.5 * spread**2, spread))))
    return times


def lids(prosody: Prosody, behaviour: Behaviour, per_minute: float, seed: int) -> np.ndarray:
    """Closure of the left and right lid, (N, 2) in 0..1: down fast, up at half that speed."""
    count = len(prosody.activity)
    out = np.zeros((count, 2))
    rng = np.random.default_rng([seed, 101])
    for frame in blink_times(prosody, behaviour, per_minute, seed):
        seconds = float(np.clip(behaviour.blink_seconds * np.exp(rng.normal(0, 0.2)), 0.15, 0.3))
        down, up = 0.34 * seconds, 0.66 * seconds
        time = (np.arange(count)[max(0, frame - 6) : frame + 12] - frame) / MOTION_RATE
        shape = np.clip(1 - np.where(time < 0, -time / down, time / up), 0, 1)
        shape = np.minimum(1.0, shape * 1.3)  # the lids stay shut for about two frames
        shape = shape * shape * (3 - 2 * shape)
        near = slice(max(0, frame - 6), max(0, frame - 6) + len(shape))
        for eye in (0, 1):
            out[near, eye] = np.maximum(out[near, eye], shape * (1 if eye == 0 else rng.uniform(0.97, 1.0)))
    return out


def gaze(prosody: Prosody, behaviour: Behaviour, pose: np.ndarray, mean: tuple[float, float], seed: int) -> np.ndarray:
    """Direction of the eyes in the head, (N, 2) yaw, pitch in degrees: fixations, saccades, and holding on to the
    viewer.

    `mean` is where the eyes look on average, relative to the photo's own gaze.
    """
    count = len(prosody.activity)
    rng = stream(seed, "gaze")
    target = np.zeros((count, 2))
    at, place = 0, np.zeros(2)
    while at < count:
        stay = max(0.25, behaviour.fixation_seconds * float(np.exp(rng.normal(0, 0.6))))
        end = min(count, at + int(stay * MOTION_RATE) + 1)
        target[at:end] = place
        at = end
        wide = 2.2 if rng.random() < 0.12 else 1.0  # now and then a glance to the side
        back = rng.random() < 0.45  # people return to the face they talk to
        drawn = rng.normal(0, 1, 2) * behaviour.saccade * np.array([1.0, 0.5]) * wide
        place = np.zeros(2) if back else np.clip(drawn, -7, 7)
    kernel = np.array([0.25, 0.5, 0.25])  # a saccade of this size takes one to two frames
    padded = np.pad(target, ((1, 1), (0, 0)), mode="edge")
    moved = sum(k * padded[i : i + count] for i, k in enumerate(kernel))
    held = -0.6 * np.degrees(pose[:, :2])  # vestibulo-ocular reflex, partly: eyes stay while the head turns
    ease = ease_in(count, 0.4)[:, None]
    return (np.asarray(mean) * ease_in(count, 0.2)[:, None] + (moved + held) * ease).astype(np.float32)


def brows(prosody: Prosody, behaviour: Behaviour, seed: int) -> np.ndarray:
    """Brow raise, (N,): lifts on some accents and a slow wandering."""
    count = len(prosody.activity)
    rng = stream(seed, "brow")
    idle, pick, size = rng.spawn(3)
    strength = prosody.accents * (pick.random(count) < 0.5) * size.uniform(0.4, 1.2, count)
    time = np.arange(-12, 32) / MOTION_RATE
    bump = np.exp(-0.5 * (time / np.where(time < 0, 0.14, 0.3)) ** 2)
    lift = np.tanh(np.convolve(strength, bump)[12 : 12 + count]) * behaviour.brow_lift
    wander = behaviour.brow_idle * smooth_noise(idle, count, 0.05, 0.6) * (0.4 + 0.6 * prosody.activity)
    return (lift + wander) * ease_in(count, 0.4)


def upper_face(
    space: FaceSpace, prosody: Prosody, behaviour: Behaviour, pose: np.ndarray, controls: Controls
) -> np.ndarray:
    """Facial code (N, D) of lids, eyes and brows; what an emotion adds to them for good is left out."""
    count, temper = len(prosody.activity), temper_of(controls.emotion)
    per_minute = behaviour.blinks * temper.blinks if controls.blinks is None else controls.blinks
    shut = lids(prosody, behaviour, per_minute, controls.seed)
    look = gaze(prosody, behaviour, pose, controls.gaze, controls.seed)
    code = np.zeros((count, space.dim))
    for column, side in enumerate(("left", "right")):
        code += shut[:, column, None] * space.direction(f"blink_{side}")
    # Shut lids hide the eyes: lids that follow the gaze must not be pushed through each other.
    seen = 1 - shut.max(1)
    code += look[:, :1] * space.direction("gaze_yaw") + (look[:, 1] * seen)[:, None] * space.direction("gaze_pitch")
    lift = temper.liveliness * brows(prosody, behaviour, controls.seed)
    code += lift[:, None] * space.direction("brow_raise")
    return code
