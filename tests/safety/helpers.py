"""Moving pictures, sounds and copies for the tests of the safety package."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np

from safety.vault import utc_now
from vasa_core.types import PLAYBACK_RATE, SAMPLE_RATE, Speech


class Clock:
    """The current time, shifted as a test wishes."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.shift


def moving(picture: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """`picture` swaying and breathing: uint8 (512, 512, 3), `count` times."""
    for i in range(count):
        turn = cv2.getRotationMatrix2D((256, 256), 3 * np.sin(i / 9), 1 + 0.03 * np.sin(i / 13))
        yield cv2.warpAffine(picture, turn, (512, 512), borderMode=cv2.BORDER_REFLECT)


def tone(seconds: float, hertz: float = 220.0) -> Speech:
    """A beep as if it had been read from a WAV file."""
    wave_48k = 8000 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * PLAYBACK_RATE)) / PLAYBACK_RATE)
    playback = wave_48k.astype(np.int16)[:, None]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(PLAYBACK_RATE)
        out.writeframes(playback.tobytes())
    samples = (playback[:: PLAYBACK_RATE // SAMPLE_RATE, 0] / 32768).astype(np.float32)
    return Speech(samples, playback, file.getvalue(), "audio/wav")


def picture_file(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def remux(source: Path, target: Path) -> Path:
    """Copy the streams into a new container, as a platform does: pixels stay, the manifest goes."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return target


def no_file(tmp_path: Path) -> bool:
    return list((tmp_path / "out").iterdir()) == []


def untouched(frames: list[np.ndarray]) -> Iterator[np.ndarray]:
    raise AssertionError("a frame was taken without consent")
    yield from frames
