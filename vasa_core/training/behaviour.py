"""How real talkers move head, brows and lids: the few numbers of vasa_core.training.performance.Behaviour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, find_peaks, sosfiltfilt

from vasa_core.face.alignment import AlignedTrack, eye_openness
from vasa_core.motion.prosody import analyse
from vasa_core.training.media import read_sound
from vasa_core.training.performance import Behaviour
from vasa_core.types import MOTION_RATE

SHORTEST = 100  # frames; slow movement cannot be measured in less
LIVELY = 0.75  # quantile over clips: many are studio recordings of people told to sit still


def _band(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Standard deviation of each column between two frequencies in Hz."""
    sections = butter(2, (low, high), "bandpass", fs=MOTION_RATE, output="sos")
    return sosfiltfilt(sections, values - values.mean(0), axis=0).std(0)


def blink_lengths(track: AlignedTrack) -> list[float]:
    """Seconds for which the eyes are at least a third shut, one per blink."""
    openness = eye_openness(track.face).mean(1)
    shut = 1 - openness / np.quantile(openness, 0.7)
    peaks, _ = find_peaks(shut, height=0.45, prominence=0.35, distance=5)
    out = []
    for p in peaks:
        low = shut <= 0.25
        before, after = low[max(0, p - 8) : p][::-1], low[p + 1 : p + 9]
        if not (before.any() and after.any()):
            continue
        width = 1 + int(before.argmax()) + int(after.argmax())
        if 3 <= width <= 9:
            out.append(width / MOTION_RATE)
    return out


def fit_behaviour(tracks: list[AlignedTrack], data: Path) -> Behaviour:
    """Fit on clips in which people speak; numbers a clip cannot tell keep their defaults."""
    slow, fast, calm, shift, lengths = [], [], [], [], []
    for track in tracks:
        lengths += blink_lengths(track)
        if len(track.angles) < SHORTEST or not track.track.synchronous:
            continue
        slow.append(_band(track.angles, 0.05, 0.45))
        fast.append(_band(track.angles, 0.5, 3.0))
        prosody = analyse(read_sound(data / "clips" / track.track.split / f"{track.track.name}.mp4"), len(track.angles))
        speed = np.abs(np.diff(track.angles, axis=0)).mean(1)
        quiet, loud = prosody.activity[1:] < 0.2, prosody.activity[1:] > 0.8
        if quiet.sum() > 20 and loud.sum() > 20:
            calm.append(speed[quiet].mean() / speed[loud].mean())
        centred = track.angles - track.angles.mean(0)
        moved = track.place[:, :2] - track.place[:, :2].mean(0)
        shift.append((centred[:, :2] * moved).sum(0) / (centred[:, :2] ** 2).sum(0))
    sway, gesture = (np.quantile(np.array(v), LIVELY, axis=0) for v in (slow, fast))
    x, y = np.median(np.array(shift), 0)
    print(f"behaviour of {len(slow)} clips: sway {sway.round(2)}, gesture {gesture.round(2)} degrees")
    print(f"  head speed in pauses {np.round(calm, 2)} of that in speech; shift {x:.4f}, {y:.4f} widths a degree")
    print(f"  {len(lengths)} blinks, median {np.median(lengths) if lengths else float('nan'):.2f} s")
    default = Behaviour()
    return replace(
        default,
        sway_yaw=float(np.clip(sway[0], 2.6, 3.4)),
        sway_pitch=float(np.clip(sway[1], 1.4, 2.2)),
        sway_roll=float(np.clip(sway[2], 1.0, 1.7)),
        gesture_yaw=float(np.clip(gesture[0], 1.2, 2.0)),
        gesture_pitch=float(np.clip(gesture[1], 1.0, 1.7)),
        gesture_roll=float(np.clip(gesture[2], 0.7, 1.1)),
        calm=float(np.clip(np.median(calm), 0.25, 0.45)) if calm else default.calm,
        shift_x=float(np.clip(x, 0.002, 0.008)),
        shift_y=float(np.clip(y, 0.002, 0.006)),
        # Tracks show a blink shorter than it is: the tracker smooths, and the ends are below its noise.
        blink_seconds=float(np.clip(1.4 * np.median(lengths), 0.2, 0.28)) if lengths else default.blink_seconds,
    )
