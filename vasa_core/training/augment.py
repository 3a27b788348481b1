"""What happens to speech between a mouth and a file: tempo, rooms, microphones, noise, music, codecs."""

from __future__ import annotations

import numpy as np

from vasa_core.training.speech_corpus import Utterance
from vasa_core.types import SAMPLE_RATE


def music(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A made-up piece: chords of decaying harmonics over a beat of noise bursts, float32 (n,), about unit loudness."""
    count = int(seconds * SAMPLE_RATE)
    out = np.zeros(count, np.float32)
    beat = rng.uniform(0.25, 0.6)
    root = rng.uniform(100, 220)
    decay = rng.uniform(0.2, 1.5)
    partials = np.arange(1, rng.integers(4, 12))
    slope = rng.uniform(0.8, 2.0)
    for k in range(int(seconds / beat)):
        start = int(k * beat * SAMPLE_RATE)
        time = np.arange(min(count - start, int(2 * decay * SAMPLE_RATE))) / SAMPLE_RATE
        for step in rng.choice([0, 3, 4, 5, 7, 9, 12, 16, 19], rng.integers(1, 4)):
            f = root * 2 ** (step / 12)
            tone = (np.sin(2 * np.pi * np.outer(partials * f, time)) / partials[:, None] ** slope).sum(0)
            out[start : start + len(time)] += (tone * np.exp(-time / decay)).astype(np.float32)
        if rng.random() < 0.7:
            burst = rng.normal(0, 1, min(count - start, 1600)) * np.exp(-np.arange(min(count - start, 1600)) / 300)
            out[start : start + len(burst)] += burst.astype(np.float32)
    return out / max(1e-6, float(np.sqrt((out**2).mean())))


def coloured_noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise with a random spectral slope between white and brown, float32 (count,), unit loudness."""
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, count)
    return (noise / np.sqrt((noise**2).mean())).astype(np.float32)


def _transfer(rng: np.random.Generator, bins: int) -> np.ndarray:
    """A random equaliser with band limits, like microphones and codecs have, (bins,)."""
    hz = np.linspace(0, SAMPLE_RATE / 2, bins)
    knots = np.geomspace(60, 8000, 8)
    curve = np.interp(np.log(hz + 30), np.log(knots), rng.normal(0, 5, len(knots)))
    if rng.random() < 0.3:
        curve -= 40 / (1 + np.exp(-(hz - rng.uniform(3000, 7000)) / 150))  # telephone, low bit rates
    if rng.random() < 0.3:
        curve -= 40 / (1 + np.exp((hz - rng.uniform(80, 350)) / 20))
    return 10 ** (curve / 20)


def _room(rng: np.random.Generator) -> np.ndarray:
    """An impulse response: the direct sound, then exponentially decaying noise, float64 (n,)."""
    count = int(rng.uniform(0.1, 0.5) * SAMPLE_RATE)
    tail = rng.normal(0, 1, count) * np.exp(-np.arange(count) / (count / 5))
    tail *= rng.uniform(0.1, 0.8) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return tail


def tempo_path(rng: np.random.Generator, length: int, frames: int, sung: float = 0.0) -> np.ndarray:
    """Where in an utterance of `length` labels the borders of `frames` new ones lie, (frames + 1,), in labels.

    The tempo is random and moves the pitch as well. With the probability `sung` it wanders over the notes of a melody
    with vibrato, so that vowels are held and glide as in a song. Positions may lie outside: silence.
    """
    speed = np.full(frames, float(np.exp(rng.normal(0, 0.09))))
    if rng.random() < sung:
        notes, clock = np.zeros(frames), 0
        while clock < frames:
            held = int(rng.uniform(8, 45))  # 160 to 900 ms
            notes[clock : clock + held] = rng.integers(-6, 5)
            clock += held
        notes = np.convolve(np.pad(notes, 2, mode="edge"), np.full(5, 0.2), mode="valid")  # glides of 100 ms
        vibrato = rng.uniform(0, 0.5) * np.sin(
            2 * np.pi * (rng.uniform(4.5, 6.5) * np.arange(frames) / 50 + rng.random())
        )
        speed = rng.uniform(0.6, 1.0) * 2 ** ((notes + vibrato) / 12)
    take = int(speed.sum()) + 1
    start = int(rng.integers(-frames // 6, max(1, length - take + frames // 6)))
    return start + np.concatenate([[0.0], np.cumsum(speed)])


def along(samples: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Samples played along a path in labels of 320 samples, (n,) and (frames + 1,) -> float32 (frames * 320,)."""
    frames = len(path) - 1
    where = 320 * np.interp(np.arange(frames * 320) / 320, np.arange(frames + 1), path)
    return np.interp(where, np.arange(len(samples)), samples, left=0, right=0).astype(np.float32)


def crop(rng: np.random.Generator, utterance: Utterance, frames: int) -> Utterance:
    """`frames` labels of the utterance at a random tempo (which moves the pitch as well); padded with rest."""
    path = tempo_path(rng, len(utterance.labels), frames)
    at = (path[1:] + path[:-1]) / 2
    inside = (at >= 0) & (at < len(utterance.labels))
    near = np.clip(at.astype(int), 0, len(utterance.labels) - 1)
    return Utterance(along(utterance.samples, path), np.where(inside, utterance.labels[near], 0).astype(np.uint8))


def augment(rng: np.random.Generator, utterance: Utterance, pieces: list[np.ndarray]) -> Utterance:
    """A copy as another recording might sound. `pieces` are unit-loudness backgrounds, each at least as long."""
    x, count = utterance.samples.astype(np.float64), len(utterance.samples)
    loud = np.sqrt((x**2).mean()) + 1e-4
    if rng.random() < 0.9:
        size = count + SAMPLE_RATE // 2
        spectrum = np.fft.rfft(x, size)
        if rng.random() < 0.8:
            spectrum *= _transfer(rng, len(spectrum))
        if rng.random() < 0.35:
            spectrum *= np.fft.rfft(_room(rng), size)
        x = np.fft.irfft(spectrum, size)[:count]
        x *= loud / (np.sqrt((x**2).mean()) + 1e-6)
    if rng.random() < 0.6:
        x = x + coloured_noise(rng, count) * loud * 10 ** (-rng.uniform(8, 45) / 20)
    if rng.random() < 0.3 and pieces:
        piece = pieces[rng.integers(len(pieces))]
        start = rng.integers(0, len(piece) - count + 1)
        x = x + piece[start : start + count] * loud * 10 ** (-rng.uniform(0, 20) / 20)
    if rng.random() < 0.15:
        limit = np.quantile(np.abs(x), rng.uniform(0.97, 0.999)) + 1e-6
        x = np.clip(x, -limit, limit)
    if rng.random() < 0.15:  # 8-bit mu-law
        peak = np.abs(x).max() + 1e-6
        y = np.sign(x) * np.log1p(255 * np.abs(x) / peak) / np.log(256)
        x = np.sign(y) * np.expm1(np.abs(np.round(y * 127) / 127) * np.log(256)) / 255 * peak
    return Utterance(x.astype(np.float32), utterance.labels)
