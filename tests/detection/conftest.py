"""Small real videos: two public-domain portraits that sway, encoded as people encode them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from detection import Detector
from vasa_core.face.detector import FaceDetector

Writer = Callable[..., Path]


def sway(pixels: np.ndarray, index: int, size: int = 256) -> np.ndarray:
    """Frame `index` of a portrait that rocks and breathes, uint8 (size, size, 3)."""
    height, width = pixels.shape[:2]
    scale = size / min(height, width) * (1 + 0.02 * np.sin(index / 9))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 3 * np.sin(index / 7), scale)
    turn[:, 2] += [size / 2 - width / 2 + 3 * np.sin(index / 5), size / 2 - height / 2]
    return cv2.warpAffine(pixels, turn, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def save(
    path: Path,
    frames: list[np.ndarray],
    rate: int = 25,
    codec: str = "libx264",
    sound: np.ndarray | None = None,
    times: list[float] | None = None,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    **context: Any,
) -> Path:
    """Write a video. times: seconds of every frame, for variable frame rates."""
    container: Any
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width, stream.pix_fmt = frames[0].shape[0], frames[0].shape[1], pix_fmt
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        voice = container.add_stream("aac", rate=16_000, layout="mono") if sound is not None else None
        for index, frame in enumerate(frames):
            kind = "rgba" if frame.shape[2] == 4 else "rgb24"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=kind)
            picture.pts = round(times[index] * 1000) if times is not None else index
            picture.time_base = Fraction(1, 1000) if times is not None else Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if voice is not None and sound is not None:
            block = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            block.rate = 16_000
            container.mux(voice.encode(block))
            container.mux(voice.encode(None))
    return path


@pytest.fixture(scope="session")
def astronaut() -> np.ndarray:
    """Eileen Collins, NASA; public domain."""
    return np.ascontiguousarray(skimage.data.astronaut()[:300, 80:380])


@pytest.fixture(scope="session")
def hopper(hopper_jpeg: Path) -> np.ndarray:
    return np.asarray(Image.open(hopper_jpeg).convert("RGB"))[20:420, 60:460].copy()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, astronaut: np.ndarray) -> Path:
    """2.8 s of one swaying portrait with a tone, 256 x 256, 25 fps."""
    tone = 0.1 * np.sin(np.arange(16_000 * 28 // 10) / 8)
    frames = [sway(astronaut, index) for index in range(70)]
    return save(tmp_path_factory.mktemp("clips") / "sway.mp4", frames, sound=tone)


@pytest.fixture(scope="session")
def examiner(detector: FaceDetector) -> Iterator[Detector]:
    """The shipped detector."""
    yield Detector(faces=detector)
