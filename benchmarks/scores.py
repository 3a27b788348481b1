"""Figures of lips and head, from landmarks, phones and sound alone (see benchmarks.lipsync for what they mean)."""

from __future__ import annotations

import numpy as np

from vasa_core.face.alignment import eye_openness
from vasa_core.motion.prosody import analyse
from vasa_core.training.phones import Phone
from vasa_core.types import MOTION_RATE

OPEN = {"AA", "AE", "AO", "AY", "AW", "AH", "EH", "EY"}
CLOSED = {"M", "B", "P"}


def viseme_openings(opening: np.ndarray, phones: list[Phone], lag: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean opening of each open vowel and least opening of each closure; lag in seconds moves the phones."""
    clock = (np.arange(len(opening)) + 0.5) / MOTION_RATE
    vowels, closures = [], []
    for name, start, end in phones:
        start, end = start + lag, end + lag
        if start <= 0 or end >= clock[-1]:
            continue
        if name in CLOSED and (near := (clock >= start - 0.02) & (clock <= end + 0.02)).any():
            closures.append(opening[near].min())
        if name in OPEN and end - start >= 0.06 and (near := (clock >= start) & (clock <= end)).any():
            vowels.append(opening[near].mean())
    return np.array(vowels), np.array(closures)


def auc(vowels: np.ndarray, closures: np.ndarray) -> float:
    if len(vowels) < 4 or len(closures) < 2:
        return float("nan")
    return float((vowels[:, None] > closures).mean() + 0.5 * (vowels[:, None] == closures).mean())


def viseme_figures(opening: np.ndarray, phones: list[Phone]) -> dict[str, float]:
    """viseme_auc, lag, closure, seal and 95th percentile of openings (N,) at MOTION_RATE."""
    vowels, closures = viseme_openings(opening, phones)
    wide = float(np.percentile(opening, 95))
    grid = np.arange(-8, 9) * 0.04
    curve = np.array([auc(*viseme_openings(opening, phones, g)) for g in grid])
    out = {"viseme_auc": auc(vowels, closures), "ap95": wide, "pairs": len(vowels) * len(closures)}
    if not np.isnan(curve).all():
        out["lag_ms"] = 1000 * float(grid[int(np.nanargmax(curve))])
    if len(closures):
        out["closure"] = float((closures < 0.15 * wide).mean())
        out["seal"] = float((closures < 0.10 * wide).mean())
    return out


def score_lips(opening: np.ndarray, phones: list[Phone], samples: np.ndarray) -> dict[str, float]:
    """The figures of the lips, from openings (N,) at MOTION_RATE."""
    out = viseme_figures(opening, phones)
    wide = out["ap95"]
    speaking = analyse(samples, len(opening)).activity > 0.02
    quiet, speed = ~(speaking[1:] | speaking[:-1]), np.abs(np.diff(opening))
    if quiet.sum() >= 10 and (~quiet).sum() >= 10:
        out["silence"] = float(speed[quiet].mean() / speed[~quiet].mean())
    last = int(np.flatnonzero(speaking)[-1]) if speaking.any() else 0
    moving = np.flatnonzero(opening[last:] > 0.1 * wide)
    if len(opening) - last > 12:
        out["settle_ms"] = 1000 * float(moving[-1] + 1 if len(moving) else 0) / MOTION_RATE
    return out


def score_head(angles: np.ndarray, face: np.ndarray) -> dict[str, float]:
    """The figures of head and lids, from yaw, pitch, roll (N, 3) in degrees and landmarks (N, 478, 3)."""
    power = np.abs(np.fft.rfft(angles - angles.mean(0), axis=0)) ** 2
    high = np.fft.rfftfreq(len(angles), 1 / MOTION_RATE) > 6
    eyes = eye_openness(face).mean(1)
    shut = eyes < 0.6 * np.median(eyes)
    return {
        "dP": float(np.abs(np.diff(angles, axis=0)).mean()),
        "yaw": float(angles[:, 0].std()),
        "pitch": float(angles[:, 1].std()),
        "roll": float(angles[:, 2].std()),
        "blinks": float((shut[1:] & ~shut[:-1]).sum() / len(shut) * 60 * MOTION_RATE),
        "jitter": float((power[high].sum(0) / power.sum(0).clip(1e-9)).mean()),
    }


def pool(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over clips, weighted by seconds; lip figures by their number of pairs."""
    out = {"seconds": sum(r["seconds"] for r in rows)}
    for key in sorted({k for r in rows for k in r} - {"seconds", "pairs", "file"}):
        lips = key in ("viseme_auc", "closure", "seal", "lag_ms")
        pairs = [(r[key], r["pairs"] if lips else r["seconds"]) for r in rows if key in r and not np.isnan(r[key])]
        total = sum(w for _, w in pairs)
        if total:
            out[key] = sum(v * w for v, w in pairs) / total
    return out
