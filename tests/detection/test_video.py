"""Reading suspects: what a file may be, and what it may not."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from detection.errors import UnreadableSuspect
from detection.video import ReadingConfig, Suspect
from tests.detection.conftest import save

SOON = 60.0


def shades(count: int, size: tuple[int, int] = (64, 96)) -> list[np.ndarray]:
    """Frames whose brightness is 2 * index."""
    return [np.full((*size, 3), 2 * index, np.uint8) for index in range(count)]


def read(path: Path, config: ReadingConfig = ReadingConfig()) -> list[tuple[float, float]]:
    """(time, mean brightness) of every picture read."""
    with Suspect(path, config) as suspect:
        out = []
        for start, stop in suspect.spans():
            for picture in suspect.pictures(start, stop, time.monotonic() + SOON):
                out.append((picture.time, float(picture.pixels.mean())))
        return out


def test_every_picture_of_a_25_fps_file_comes_once_and_in_order(tmp_path: Path) -> None:
    seen = read(save(tmp_path / "a.mp4", shades(50)))
    assert [t for t, _ in seen] == pytest.approx(np.arange(50) / 25, abs=1e-3)
    assert [b for _, b in seen] == pytest.approx(2 * np.arange(50), abs=4)


@pytest.mark.parametrize(("rate", "expected"), [(60, 50), (30, 50), (12, 24)])
def test_no_more_than_25_pictures_a_second_are_read(tmp_path: Path, rate: int, expected: int) -> None:
    seen = read(save(tmp_path / "a.mp4", shades(2 * rate), rate=rate))
    assert len(seen) == pytest.approx(expected, abs=2)


def test_variable_frame_rates_keep_their_times(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.5, 0.54, 1.2]
    seen = read(save(tmp_path / "a.mkv", shades(6), times=times, rate=1000))
    assert [t for t, _ in seen] == pytest.approx(times, abs=2e-3)


def test_a_long_file_is_read_in_spans_over_all_of_it(tmp_path: Path) -> None:
    path = save(tmp_path / "long.mp4", shades(120), rate=1, options={"g": "5"})
    config = ReadingConfig(whole=20, share=0.2, most=30, span=4)
    with Suspect(path, config) as suspect:
        spans = suspect.spans()
    assert len(spans) > 3 and spans[0][0] == 0 and spans[-1][1] == pytest.approx(120, abs=1)
    seen = read(path, config)
    assert len(seen) <= 45
    assert all(abs(brightness - 2 * t) < 5 for t, brightness in seen)  # seeking lands where it says
    assert max(t for t, _ in seen) > 110


def test_three_hours_are_planned_within_the_budget() -> None:
    config = ReadingConfig()
    suspect = object.__new__(Suspect)
    suspect.config = config

    class Facts:
        seconds = 3 * 3600.0

    suspect.facts = Facts()  # type: ignore[assignment]
    spans = suspect.spans()
    assert sum(b - a for a, b in spans) == pytest.approx(config.most, rel=0.1)
    assert all(b <= 3 * 3600 + 1 for _, b in spans)


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    path = save(tmp_path / "big.mp4", [np.zeros((1080, 1920, 3), np.uint8)] * 2)
    with Suspect(path) as suspect:
        picture = next(suspect.pictures(0, 1, time.monotonic() + SOON))
    assert picture.pixels.shape == (720, 1280, 3) and picture.shrink == pytest.approx(2 / 3)


def test_packets_damaged_in_the_middle_are_skipped_and_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (64, 96, 3), np.uint8) for _ in range(60)]
    path = save(tmp_path / "a.mkv", frames, options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = rng.bytes(4000)
    path.write_bytes(bytes(data))
    seen = read(path)
    assert 15 < len(seen) < 60
    assert seen[0][0] == 0


def test_sound_begins_with_the_pictures(tmp_path: Path) -> None:
    tone = 0.2 * np.sin(np.arange(16_000) / 5)
    with Suspect(save(tmp_path / "a.mp4", shades(25), sound=tone)) as suspect:
        sound = suspect.sound()
    assert len(sound) == pytest.approx(16_000, abs=2500) and sound.dtype == np.float32
    with Suspect(save(tmp_path / "b.mp4", shades(25))) as suspect:
        assert not suspect.facts.sound and not len(suspect.sound())


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "note.mp4").write_text("this is no video " * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://example.org/a.ts\n")
    for name in ("note.mp4", "empty.mp4", "list.m3u8", "missing.mp4"):
        with pytest.raises(UnreadableSuspect, match=name):
            Suspect(tmp_path / name)
    with pytest.raises(UnreadableSuspect, match="not a file"):
        Suspect(tmp_path)


def test_sound_without_pictures_is_named(tmp_path: Path) -> None:
    import av

    container: object
    with av.open(str(tmp_path / "a.m4a"), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        block.rate = 16_000
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableSuspect, match="no pictures"):
        Suspect(tmp_path / "a.m4a")


def test_hdr_and_pictures_are_recognised(tmp_path: Path) -> None:
    from PIL import Image

    path = save(tmp_path / "hdr.mkv", shades(3), codec="libx264", color_trc=16, color_primaries=9, colorspace=9)
    with Suspect(path) as suspect:
        assert suspect.facts.hdr == "PQ"
    Image.fromarray(shades(5)[4]).save(tmp_path / "still.jpg")
    with Suspect(tmp_path / "still.jpg") as suspect:
        assert suspect.facts.picture
