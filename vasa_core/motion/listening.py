"""What a live listener knows of loudness and prosody: the same measures as for a whole file, from the past alone."""

from __future__ import annotations

import numpy as np

from vasa_core.motion.prosody import FLOOR_DB, FRAME, SPAN_DB, VOICED, WINDOW, Prosody, periods
from vasa_core.motion.visemes import LOUDNESS, MAX_GAIN
from vasa_core.types import SAMPLE_RATE

LOUDNESS_FRAME = 320  # samples (20 ms) whose loudness is taken together
_MEMORY = 30.0  # seconds of sound by which loudness is judged
_USUAL = 0.05  # root mean square of loud speech before any has been heard
_USUAL_LEVEL, _USUAL_SPREAD, _USUAL_WEIGHT = -27.0, 6.0, 50  # dB of speech frames, and how many frames that is worth
_SMOOTH = 2.0  # frames, spread of the smoothing of activity
_LIFT = 1.5  # frames, the same of accents
_BACK = 6  # frames that smoothing reaches back
_VALLEY = 12  # frames that the valley before an accent is looked for in


class RunningLoudness:
    """Brings speech to LOUDNESS like vasa_core.motion.visemes.normalise_loudness, knowing only what has been heard."""

    def __init__(self) -> None:
        self._heard = np.full(15, _USUAL)  # root mean squares of the last frames
        self._gain = LOUDNESS / _USUAL

    def normalise(self, samples: np.ndarray) -> np.ndarray:
        """float32 (k * LOUDNESS_FRAME,), k >= 0 -> the same, louder or softer."""
        frames = samples.reshape(-1, LOUDNESS_FRAME)
        rms = np.sqrt((frames.astype(np.float64) ** 2).mean(1))
        known = np.concatenate([self._heard, rms])
        keep = int(_MEMORY * 50)
        out = np.empty_like(frames)
        ramp = np.arange(1, LOUDNESS_FRAME + 1, dtype=np.float32) / LOUDNESS_FRAME
        for i, frame in enumerate(frames):
            end = len(self._heard) + i + 1
            past = known[max(0, end - keep) : end]
            loud = np.partition(past, int(0.9 * (len(past) - 1)))[int(0.9 * (len(past) - 1))]
            gain = min(MAX_GAIN, LOUDNESS / max(float(loud), 1e-6))
            out[i] = frame * (self._gain + (gain - self._gain) * ramp)  # no step between frames
            self._gain = gain
        self._heard = known[-keep:]
        return out.reshape(-1)


class RunningProsody:
    """Activity, energy, pitch and accents of the frames so far; each frame knows one frame after it.

    Levels, spreads and the median pitch are those of what has been heard, with usual values before that.
    """

    def __init__(self) -> None:
        self._sound = np.zeros(WINDOW // 2, np.float32)  # from WINDOW / 2 before the next frame on
        self._levels: list[float] = []
        self._speaking: list[bool] = []
        self._energy: list[float] = []
        self._pitch: list[float] = []
        self._lift: list[float] = []
        self._tones: list[float] = []
        self._given = 0  # of the frames that are still in these lists

    def push(self, samples: np.ndarray) -> None:
        """Take samples (n,) in."""
        self._sound = np.concatenate([self._sound, samples])
        while len(self._sound) >= FRAME // 2 + WINDOW:
            self._take(self._sound[WINDOW // 2 : WINDOW // 2 + FRAME], self._sound[FRAME // 2 : FRAME // 2 + WINDOW])
            self._sound = self._sound[FRAME:]

    def frames(self, count: int) -> Prosody:
        """The next `count` frames. One frame more must have been heard."""
        rows = [self._row(k) for k in range(self._given, self._given + count)]
        self._given += count
        old = max(0, self._given - _VALLEY - _BACK - 1)  # nothing reaches further back
        for values in (self._speaking, self._energy, self._pitch, self._lift):
            del values[:old]
        self._given -= old
        return Prosody(*np.array(rows, float).reshape(-1, 4).T)

    def _take(self, frame: np.ndarray, window: np.ndarray) -> None:
        """Measure one frame (FRAME,) and the window (WINDOW,) around its middle."""
        level = 20 * np.log10(float(np.sqrt((frame.astype(np.float32) ** 2).mean())) + 1e-6)
        self._levels = [*self._levels, level][-int(_MEMORY * 25) :]
        floor = max(float(np.percentile(self._levels, 95)) - SPAN_DB, FLOOR_DB)
        speaking = level > floor
        energy = pitch = 0.0
        if speaking:
            loud = [x for x in self._levels if x > floor]
            weight = _USUAL_WEIGHT / (_USUAL_WEIGHT + len(loud))
            mean = weight * _USUAL_LEVEL + (1 - weight) * float(np.mean(loud))
            spread = weight * _USUAL_SPREAD + (1 - weight) * float(np.std(loud))
            energy = (level - mean) / max(spread, 1.0)
            period, clear = (float(v[0]) for v in periods(window[None]))
            if clear > VOICED:
                tone = 12 * np.log2(SAMPLE_RATE / period)
                self._tones = [*self._tones, tone][-int(_MEMORY * 25) :]
                if len(self._tones) > 4:
                    pitch = float(np.clip(tone - np.median(self._tones), -9, 9))
        self._speaking.append(speaking)
        self._energy.append(energy)
        self._pitch.append(pitch)
        self._lift.append(0.7 * energy + 0.15 * float(np.clip(pitch, -6, 6)) if speaking else -1.0)

    def _row(self, k: int) -> tuple[float, float, float, float]:
        """activity, energy, pitch, accent of frame k."""
        known = k + 2  # one frame after it
        activity = _smoothed(self._speaking[:known], k, _SMOOTH)
        lift = self._lift[:known]
        before, here, after = (_smoothed(lift, j, _LIFT) for j in (k - 1, k, k + 1))
        accent = 0.0
        if here > 0.15 and here > before and here >= after:
            valley = min(_smoothed(lift, j, _LIFT) for j in range(max(0, k - _VALLEY), k + 1))
            if here - valley > 0.35:
                accent = float(np.clip(here - valley, 0.3, 1.5))
        return activity, self._energy[k], self._pitch[k], accent


def _smoothed(values: list, k: int, spread: float) -> float:
    """Gaussian mean of the values around frame k, as far as they are known."""
    first, last = max(0, k - _BACK), min(len(values), k + _BACK + 1)
    if first >= last:
        return float(values[0]) if values else 0.0
    weight = np.exp(-0.5 * ((np.arange(first, last) - k) / spread) ** 2)
    return float(weight @ np.asarray(values[first:last], float) / weight.sum())
