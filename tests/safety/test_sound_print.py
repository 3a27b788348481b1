from __future__ import annotations

import io

import av
import numpy as np
import pytest

from safety.sound_print import OTHER, SAME, bit_error_rate, sound_print
from tests.safety.helpers import tone
from vasa_core.audio import load_speech


def voice(seconds: float, seed: int, rate: int = 48_000) -> np.ndarray:
    """Something like speech: a gliding buzz through moving formants, in syllables. int16 (n, 1)."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    knots = round(seconds * 5) + 2

    def glide(low: float, high: float) -> np.ndarray:
        return np.interp(np.arange(n), np.linspace(0, n, knots), rng.uniform(low, high, knots))

    phase = 2 * np.pi * np.cumsum(glide(90, 220)) / rate
    formants = [(glide(250, 900), 90.0), (glide(900, 2400), 160.0)]
    sound = np.zeros(n)
    for harmonic in range(1, 25):
        frequency = harmonic * np.gradient(phase) * rate / (2 * np.pi)
        gain = sum(np.exp(-(((frequency - centre) / (2 * width)) ** 2)) for centre, width in formants)
        sound += gain * np.sin(harmonic * phase)
    sound *= np.clip(np.sin(2 * np.pi * np.cumsum(glide(2, 5)) / rate) + 0.6, 0, 1)
    return (9000 * sound / np.abs(sound).max()).astype(np.int16)[:, None]


def coded(samples: np.ndarray, codec: str, rate: int, bit_rate: int, container: str) -> tuple[np.ndarray, int]:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono", options={"b": str(bit_rate)})
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 48_000
        for piece in resampler.resample(frame) + resampler.resample(None):
            piece.pts = None
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return load_speech(buffer.getvalue()).playback, 48_000


@pytest.mark.parametrize(
    "change",
    [
        lambda s: coded(s, "aac", 48_000, 64_000, "mp4"),
        lambda s: coded(s, "aac", 22_050, 32_000, "mp4"),
        lambda s: coded(s, "libopus", 48_000, 24_000, "ogg"),
        lambda s: (s[::6], 8_000),
        lambda s: (s // 4, 48_000),
        lambda s: (np.repeat(s, 2, axis=1), 48_000),
        lambda s: (s[40_123:150_000], 48_000),
        lambda s: (np.concatenate([np.zeros((70_000, 1), np.int16), s]), 48_000),
        lambda s: (s + np.random.default_rng(0).normal(0, s.std() / 10, s.shape).astype(np.int16), 48_000),
    ],
    ids=["aac 64", "aac 32, 22 kHz", "opus 24", "8 kHz", "quieter", "stereo", "cut", "later", "noise"],
)
def test_the_same_sound_is_known_again(change) -> None:  # type: ignore[no-untyped-def]
    original = voice(4.0, 1)
    rate = bit_error_rate(sound_print(original, 48_000), sound_print(*change(original)))
    assert rate is not None
    assert rate < SAME


def test_other_sounds_are_other() -> None:
    prints = [sound_print(voice(4.0, seed), 48_000) for seed in range(8)]
    prints.append(sound_print(tone(4.0).playback, 48_000))
    rates = [bit_error_rate(a, b) for i, a in enumerate(prints) for b in prints[:i]]
    assert all(rate is not None and rate > OTHER for rate in rates)


def test_a_pure_tone_survives_an_encoder() -> None:
    """All but one of its bands hold nothing but the encoder's noise."""
    beep = tone(2.0).playback
    rate = bit_error_rate(sound_print(beep, 48_000), sound_print(*coded(beep, "aac", 48_000, 64_000, "mp4")))
    assert rate is not None
    assert rate < SAME


def test_silence_and_moments_say_nothing() -> None:
    assert sound_print(np.zeros((48_000, 1), np.int16), 48_000) == b""
    assert sound_print(np.zeros((0, 1), np.int16), 48_000) == b""
    short = sound_print(voice(0.3, 2), 48_000)
    assert bit_error_rate(short, sound_print(voice(3.0, 2), 48_000)) is None
    assert bit_error_rate(b"", short) is None


def test_ten_seconds_take_two_kilobytes() -> None:
    assert 1500 < len(sound_print(voice(10.0, 3), 48_000)) < 3000
