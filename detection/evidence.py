"""From a followed face to what the three branches look at, in windows of two seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detection.faces import Trace
from detection.light import light_features, smoothed
from detection.motion import head_frame, motion_features
from detection.skin import skin_maps

WINDOW = 2.0  # seconds
HOP = 1.0
LEAST = 1.7  # seconds of face that make a window
LEAST_PICTURES = 16  # in a window; below about 9 a second movement cannot be judged
CROPS = 4  # per window


@dataclass(frozen=True)
class Window:
    """Evidence of two seconds of one face.

    crops: uint8 (CROPS, CROP, CROP, 3).  skin: float16 (5, MAP, MAP).  light: float32 (L,).  motion: float32 (F,).
    crop_indices: which of the trace's crops these are.
    """

    start: float
    end: float
    crops: np.ndarray
    skin: np.ndarray
    light: np.ndarray
    motion: np.ndarray
    crop_indices: tuple[int, ...]


@dataclass(frozen=True)
class Lips:
    """The lips of a whole trace for the lip-sync branch: clock (M,) seconds, opening (M,) share of the face."""

    clock: np.ndarray
    opening: np.ndarray


def gather(trace: Trace, hop: float = HOP) -> tuple[list[Window], Lips | None]:
    """Windows of a trace, in order, and its lips; nothing when it is too short or has too few pictures."""
    if trace.seconds < LEAST or len(trace.times) < LEAST_PICTURES:
        return [], None
    times = np.array(trace.times)
    points = np.array(trace.points)
    clock, channels, trembling = head_frame(times, points)
    flat, crop_times = np.array(trace.flat), np.array(trace.crop_times)
    scales = smoothed(flat)
    windows = []
    length = min(WINDOW, trace.seconds)
    count = 1 + max(0, int((trace.seconds - length + 0.05) / hop))
    for k in range(count):
        start = times[0] + k * hop
        end = start + length
        inside = (times >= start - 1e-3) & (times <= end + 1e-3)
        beats = (clock >= start - 1e-3) & (clock <= end + 1e-3)
        at = np.flatnonzero((crop_times >= start - 1e-3) & (crop_times <= end + 1e-3))
        if inside.sum() < LEAST_PICTURES or len(at) < 2 or beats.sum() < 12:
            continue
        chosen = at[np.linspace(0, len(at) - 1, CROPS).round().astype(int)]
        windows.append(
            Window(
                float(start),
                float(end),
                np.stack([trace.crops[i] for i in chosen]),
                skin_maps(flat[inside]).astype(np.float16),
                light_features(scales[:, inside], points[inside]),
                motion_features(channels[beats], trembling[beats]),
                tuple(int(i) for i in chosen),
            )
        )
    return windows, Lips(clock, channels[:, 0])
