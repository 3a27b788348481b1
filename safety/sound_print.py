"""What a sound is like, in 2 kB for ten seconds: to tell whether a video still has the sound it was sealed with.

The robust hash of Haitsma & Kalker ("A Highly Robust Audio Fingerprinting System", ISMIR 2002): every 16 ms one
32-bit word, each bit the sign of how the difference between two neighbouring bands changes in time. Encoders,
resampling and loudness leave most bits alone; another voice or text agrees in half of them. Quiet frames carry none.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import resample_poly

RATE = 6000  # Hz that are looked at; speech has its weight below 3 kHz
HOP, WINDOW = 96, 2048  # samples: 16 ms, 341 ms
BANDS = 33
LOWEST, HIGHEST = 200.0, 2800.0  # Hz
QUIET = 1e-4  # of the loudest frame's power (-40 dB): below it, bits are chance
FAINT = 1e-4  # of a frame's power: smaller changes are an encoder's noise and count as none, as beside a pure tone
AUDIBLE = 1e-9  # mean square of full scale (-90 dB): a track below it is silence
MIN_FRAMES = 30  # half a second; less is no basis for a statement
SAME, OTHER = 0.20, 0.28  # bit error rates: up to the first the same sound, from the second another one


def sound_print(samples: np.ndarray, rate: int) -> bytes:
    """Fingerprint of float or int16 samples (n,) or (n, channels); empty when there is nothing to hear.

    Layout: 4 bytes per frame, big-endian bands, then one bit per frame that says whether it counts.
    """
    if samples.size == 0:
        return b""
    mono = samples.reshape(len(samples), -1).astype(np.float32).mean(1)
    if np.issubdtype(samples.dtype, np.integer):
        mono /= 32768.0
    if float(np.mean(mono**2)) < AUDIBLE:
        return b""
    divisor = int(np.gcd(RATE, rate))
    narrow = resample_poly(mono, RATE // divisor, rate // divisor).astype(np.float32)
    narrow = np.pad(narrow, WINDOW // 2)  # so that the first and last moments count too
    frames = np.lib.stride_tricks.sliding_window_view(narrow, WINDOW)[::HOP]  # (n, WINDOW)
    power = np.empty((len(frames), BANDS), np.float32)
    window = np.hanning(WINDOW).astype(np.float32)
    edges = np.geomspace(LOWEST, HIGHEST, BANDS + 1) * WINDOW / RATE
    bins = np.round(edges).astype(int)
    for start in range(0, len(frames), 512):  # a long track as one spectrogram would take a gigabyte
        spectrum = np.abs(np.fft.rfft(frames[start : start + 512] * window, axis=1)) ** 2
        power[start : start + 512] = np.add.reduceat(spectrum, bins, axis=1)[:, :BANDS]
    slope = power[:, :-1] - power[:, 1:]  # (n, 32)
    loud = power.sum(1)[1:]
    bits = np.diff(slope, axis=0) > FAINT * loud[:, None]
    counts = loud > QUIET * loud.max() if len(loud) else loud > 0
    return np.packbits(bits, axis=1).tobytes() + np.packbits(counts).tobytes()


def bit_error_rate(one: bytes, other: bytes) -> float | None:
    """Share of differing bits where the two fit best, 0 to about 0.5; None when either says too little.

    One may be a part of the other: every shift is tried at which they overlap for half of the shorter.
    """
    signs = [_signs(one), _signs(other)]  # (n, 32) of -1, 0, 1; 0 where a frame does not count
    if min(int(np.abs(s).sum()) // 32 for s in signs) < MIN_FRAMES:
        return None
    size = 1 << (len(signs[0]) + len(signs[1])).bit_length()
    first, second = (np.fft.rfft(s, size, axis=0) for s in signs)
    agree = np.fft.irfft((first * np.conj(second)).sum(1), size)
    first, second = (np.fft.rfft(np.abs(s[:, 0]), size) for s in signs)
    both = np.round(np.fft.irfft(first * np.conj(second), size)) * 32
    enough = 16 * min(int(np.abs(s[:, 0]).sum()) for s in signs)
    rates = np.where(both >= max(enough, 32 * MIN_FRAMES // 2), (1 - agree / np.maximum(both, 1)) / 2, 1.0)
    return float(max(0.0, rates.min()))


def _signs(data: bytes) -> np.ndarray:
    count = len(data) * 8 // 33  # 32 bits and one more per frame
    bits = np.unpackbits(np.frombuffer(data[: 4 * count], np.uint8)).reshape(count, 32)
    counts = np.unpackbits(np.frombuffer(data[4 * count :], np.uint8))[:count]
    return (2.0 * bits - 1.0).astype(np.float32) * counts[:, None]
