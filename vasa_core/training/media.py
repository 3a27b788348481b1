"""Reading training clips: frames and sound through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from vasa_core.types import SAMPLE_RATE


def read_frames(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (time in s, uint8 (H, W, 3) RGB) of every video frame, in order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate or 25)
        for index, frame in enumerate(container.decode(stream)):
            yield float(frame.time) if frame.time is not None else index / rate, frame.to_ndarray(format="rgb24")


def read_sound(path: Path) -> np.ndarray:
    """float32 (n,) mono at SAMPLE_RATE; empty when the file has no sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        parts = [out.to_ndarray()[0] for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)
