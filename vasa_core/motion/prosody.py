"""Loudness, pitch and accents of speech at the motion's rate: what head, brows and lids answer to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from vasa_core.types import MOTION_RATE, SAMPLE_RATE

FRAME = SAMPLE_RATE // MOTION_RATE  # samples per motion frame
WINDOW = 1024  # samples (64 ms) in which pitch is sought
PITCH_RANGE = (60.0, 420.0)  # Hz
VOICED = 0.35  # of the energy that comes back after one period
_BLOCK = 500  # frames
FLOOR_DB, SPAN_DB = -55.0, 30.0  # quieter than this, or than the loud parts by this, is silence


@dataclass(frozen=True)
class Prosody:
    """All (N,) at MOTION_RATE.

    activity: 0 in silence, 1 in speech, with soft edges.
    energy:   loudness in standard deviations of the clip's speech, 0 in silence.
    pitch:    height in semitones around the clip's median, 0 where unvoiced.
    accents:  0 but at stressed syllables, where it holds their strength (about 0.3 to 1.5).
    """

    activity: np.ndarray
    energy: np.ndarray
    pitch: np.ndarray
    accents: np.ndarray


def analyse(samples: np.ndarray, count: int) -> Prosody:
    """Prosody of float32 (n,) at 16 kHz, in `count` frames."""
    padded = np.pad(samples.astype(np.float32), (0, max(0, count * FRAME - len(samples))))[: count * FRAME]
    rms = np.sqrt((padded.reshape(count, FRAME) ** 2).mean(1))
    level = 20 * np.log10(rms + 1e-6)
    speaking = level > max(float(np.percentile(level, 95)) - SPAN_DB, FLOOR_DB)
    activity = np.clip(gaussian_filter1d(speaking.astype(float), 2.0), 0, 1)
    energy = np.zeros(count)
    if speaking.any():
        loud = level[speaking]
        energy[speaking] = (loud - loud.mean()) / max(float(loud.std()), 1.0)
    pitch = _pitch(padded, speaking)
    lift = gaussian_filter1d(np.where(speaking, 0.7 * energy + 0.15 * np.clip(pitch, -6, 6), -1.0), 1.5)
    peaks, found = find_peaks(lift, height=0.15, prominence=0.35, distance=6)
    accents = np.zeros(count)
    accents[peaks] = np.clip(found["prominences"], 0.3, 1.5)
    return Prosody(activity, energy, pitch, accents)


def _pitch(padded: np.ndarray, speaking: np.ndarray) -> np.ndarray:
    """Semitones around the median by the peak of the normalised autocorrelation, (N,)."""
    count = len(speaking)
    sound = np.pad(padded, (WINDOW // 2, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[FRAME // 2 :: FRAME][:count]  # (N, WINDOW)
    best, clear = np.zeros(count, int), np.zeros(count)
    for start in range(0, count, _BLOCK):  # five minutes at once would take 300 MB
        block = slice(start, start + _BLOCK)
        best[block], clear[block] = periods(windows[block])
    voiced = speaking & (clear > VOICED)
    out = np.zeros(count)
    if voiced.sum() > 4:
        tone = 12 * np.log2(SAMPLE_RATE / best[voiced])
        out[voiced] = np.clip(tone - np.median(tone), -9, 9)
    return out


def periods(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Period in samples and its clearness (voiced above VOICED) of windows (N, WINDOW), both (N,)."""
    low, high = int(SAMPLE_RATE / PITCH_RANGE[1]), int(SAMPLE_RATE / PITCH_RANGE[0])
    spectrum = np.fft.rfft(windows * np.hanning(WINDOW), 2 * WINDOW, axis=1)
    echo = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :WINDOW]
    best = echo[:, low:high].argmax(1) + low
    return best, echo[np.arange(len(echo)), best] / echo[:, 0].clip(1e-9)
