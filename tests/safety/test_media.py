"""Reading suspect files within limits."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from safety import media


def h264(side: int, count: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="h264") as sink:
        stream = sink.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for _ in range(count):
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((side, side, 3), np.uint8), format="rgb24")))
        sink.mux(stream.encode())
    return file.getvalue()


def test_a_size_that_grows_midway_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header promises 64 x 64; what follows would take a hundred times the memory."""
    monkeypatch.setattr(media, "MAX_PIXELS", 100_000)
    clip = tmp_path / "grows.h264"
    clip.write_bytes(h264(64, 20) + h264(640, 5))
    frames = media.sample_frames(clip)
    assert 10 <= len(frames) <= 20
    assert {frame.shape for frame in frames} == {(96, 64)}
