"""A driving video in memory, its face followed; and motion that survives a file."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from safetensors.numpy import save_file

from vasa_core.errors import UnreadableMotion, UnusableDriver
from vasa_core.face.space import FaceSpace
from vasa_core.motion.file import load_motion, save_motion
from vasa_core.motion.reenact import between, follow, gaps_of, pictures, reenact, without_jumps
from vasa_core.render.renderer import LiveRenderer
from vasa_core.types import Motion, Speech


def video(frames: list[np.ndarray], rate: int = 25) -> bytes:
    """Frames uint8 (H, W, 3) as the bytes of an MP4 without sound."""
    held = io.BytesIO()
    with av.open(held, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "veryfast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return held.getvalue()


def driver(data: bytes, seconds: float) -> Speech:
    count = int(seconds * 16000)
    return Speech(np.zeros(count, np.float32), np.zeros((3 * count, 1), np.int16), data, "video/mp4", "driver.mp4")


@pytest.fixture(scope="module")
def performance(space: FaceSpace) -> Motion:
    """Known movement: a head that turns, a mouth that opens twice, one blink; (50 frames)."""
    time = np.arange(50) / 25
    pose = np.zeros((50, 6), np.float32)
    pose[:, 0] = np.radians(8) * np.sin(2 * np.pi * 0.5 * time)
    pose[:, 1] = np.radians(4) * np.sin(2 * np.pi * 0.8 * time)
    code = 0.8 * np.clip(np.sin(2 * np.pi * time), 0, 1)[:, None] * space.direction("jaw_open")
    blink = np.exp(-0.5 * ((np.arange(50) - 38) / 1.6) ** 2)[:, None]
    return Motion(pose, (code + blink * (space.direction("blink_left") + space.direction("blink_right"))).astype("f4"))


@pytest.fixture(scope="module")
def driving(portrait, space, performance) -> bytes:
    return video(list(LiveRenderer(portrait, space).render(performance, 25)))


def test_a_performance_is_recovered(driving, detector, space, performance) -> None:
    seen: list[float] = []
    motion = reenact(driver(driving, 2.0), detector, space, seen.append)
    assert len(motion) == 50 and motion.rate == 25
    assert seen == sorted(seen) and seen[-1] > 0.9

    def alike(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(a, b)[0, 1])

    assert alike(motion.pose[:, 0], performance.pose[:, 0]) > 0.95
    assert np.degrees(motion.pose[:, 0]).std() == pytest.approx(np.degrees(performance.pose[:, 0]).std(), rel=0.35)
    assert alike(motion.pose[:, 1], performance.pose[:, 1]) > 0.8
    opening, asked = (
        space.decode(m.dynamics)[:, 14, 1] - space.decode(m.dynamics)[:, 13, 1] for m in (motion, performance)
    )
    assert alike(opening, asked) > 0.9
    lids = motion.dynamics @ space.direction("blink_left")
    assert abs(int(lids.argmax()) - 38) <= 2 and lids.max() > 0.5


def test_length_follows_the_sound(driving, detector, space) -> None:
    assert len(reenact(driver(driving, 1.21), detector, space)) == 31
    longer = reenact(driver(driving, 2.6), detector, space)
    assert len(longer) == 65 and np.allclose(longer.dynamics[-5], longer.dynamics[-1], atol=0.05)  # it holds


def test_a_small_face_in_a_wide_picture_is_followed(driving, detector) -> None:
    wide = np.full((240, 640, 3), 90, np.uint8)
    frames = []
    for _, frame in list(pictures(driving, "a"))[:6]:
        wide[10:230, 400:620] = frame[::2, ::2][18:238, 18:238]
        frames.append(wide.copy())
    _, landmarks = follow(video(frames), "wide.mp4", detector)
    assert landmarks.shape == (6, 478, 3)
    assert 400 / 240 < np.nanmean(landmarks[..., 0]) < 620 / 240  # picture heights


def test_what_cannot_drive_is_named(driving, detector, space) -> None:
    grey = video([np.full((128, 128, 3), 128, np.uint8)] * 15)
    with pytest.raises(UnusableDriver, match="0% of its frames"):
        reenact(driver(grey, 0.6), detector, space)
    with pytest.raises(UnusableDriver, match="cannot be followed|can be read"):
        reenact(driver(b"no video at all", 1.0), detector, space)
    sound = io.BytesIO()
    with av.open(sound, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UnusableDriver, match="no pictures"):
        reenact(driver(sound.getvalue(), 1.0), detector, space)
    with pytest.raises(UnusableDriver):
        reenact(driver(driving[: len(driving) // 3], 2.0), detector, space)


def test_interpolation_holds_the_ends() -> None:
    values = between(np.array([0.0, 1.0]), np.array([[0.0], [2.0]]), np.array([-1.0, 0.25, 5.0]))
    assert values.tolist() == [[0.0], [0.5], [2.0]]


def test_motion_survives_a_file(tmp_path: Path, space: FaceSpace, performance: Motion) -> None:
    path = tmp_path / "hello.motion"
    save_motion(replace(performance, rate=30.0), path, space)
    read = load_motion(path, space)
    assert np.array_equal(read.pose, performance.pose) and np.array_equal(read.dynamics, performance.dynamics)
    assert read.rate == 30.0
    assert [p.name for p in tmp_path.iterdir()] == ["hello.motion"]


@pytest.mark.parametrize("kind", ["missing", "text", "cut", "foreign", "nan", "shape", "rate", "long", "other space"])
def test_a_bad_motion_file_is_named(tmp_path: Path, space: FaceSpace, performance: Motion, kind: str) -> None:
    path = tmp_path / "m"
    pose, dynamics = performance.pose.copy(), performance.dynamics
    metadata = {"kind": "candor motion", "version": "1", "rate": "25.0", "names": ",".join(space.names)}
    if kind == "foreign":
        metadata["kind"] = "visemes"
    if kind == "other space":
        metadata["names"] = "jaw"
    if kind == "rate":
        metadata["rate"] = "1000"
    if kind == "nan":
        pose[3, 0] = np.nan
    if kind == "shape":
        dynamics = dynamics[:-1]
    if kind == "long":
        pose, dynamics = np.zeros((7501, 6), np.float32), np.zeros((7501, space.dim), np.float32)
    if kind != "missing":
        save_file({"pose": pose, "dynamics": np.ascontiguousarray(dynamics)}, str(path), metadata=metadata)
    if kind == "text":
        path.write_text("hello")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableMotion):
        load_motion(path, space)


def test_a_frame_that_jumps_is_not_believed() -> None:
    rng = np.random.default_rng(0)
    face = rng.uniform(0.3, 0.7, (478, 3)).astype(np.float32)
    track = face + np.linspace(0, 0.1, 30, dtype=np.float32)[:, None, None] * [1, 0, 0]  # a head that walks away
    track[12] += 0.4
    track[13] += 0.4
    track[20] = np.nan
    kept = ~np.isnan(without_jumps(track)[:, 0, 0])
    assert sorted(np.flatnonzero(~kept)) == [12, 13, 20]


def test_gaps_are_told() -> None:
    times, seen = np.arange(50) / 25, np.ones(50, bool)
    seen[10] = seen[20:30] = False
    assert gaps_of(times, seen) == ((0.76, 1.2),)


def test_a_hand_before_the_face_is_bridged_and_told(driving, detector, space, performance) -> None:
    frames = [frame.copy() for _, frame in pictures(driving, "a")]
    for frame in frames[20:32]:
        frame[:] = 90
    motion = reenact(driver(video(frames), 2.0), detector, space)
    ((start, end),) = motion.gaps
    assert start == pytest.approx(0.8, abs=0.1) and end == pytest.approx(1.28, abs=0.1)
    assert np.abs(np.diff(motion.pose[:, 0])).max() < np.radians(4)  # nothing leaps over the gap
