"""A driving video in, motion latents out: another person's performance for the portrait.

The face is followed through the video (MediaPipe Face Mesh), head pose is taken apart from expression, and the
driver's own rest face is subtracted, so that movement is carried over and looks are not. The result starts where
the portrait is: poses are relative to the driver's usual one.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator

import av
import cv2
import numpy as np

from vasa_core.audio import FORMATS
from vasa_core.errors import UnusableDriver
from vasa_core.face.alignment import Track, align, displacements
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import LEFT_EDGE, RIGHT_EDGE, RIGID
from vasa_core.face.graphs import quiet_start
from vasa_core.face.space import LANDMARKS, FaceSpace
from vasa_core.types import MAX_FPS, MOTION_RATE, SAMPLE_RATE, Motion, Speech

CROP = 2.2  # side of the followed square in face sizes
CROP_PIXELS = 384  # and the most it is looked at with
LEAST_SHARE = 0.6  # of the frames must show the face
LEAST_FRAMES = 12  # with a face
LARGEST = 4096  # pixels, longer side of a frame
SEARCH_EVERY = 6  # frames between searches of the whole picture while the face is lost
JUMP = 0.1  # face widths by which the skull may lie off the middle of its neighbours in time before it is not believed
GAP = 0.2  # seconds without a face that are worth telling
_LIMITS = np.array([0.6, 0.5, 0.5, 0.4, 0.4, 0.3])  # of the pose: rad, face widths, log scale
_SQUINT = 0.2  # lid closure above which a blink is under way
_LONGEST = 300.0  # seconds


def reenact(
    driver: Speech, detector: FaceDetector, space: FaceSpace, progress: Callable[[float], None] | None = None
) -> Motion:
    """Motion of the largest face in the video that `driver` was read from, as long as its sound.

    Frames that jump are not believed; what is missing is filled from both sides, and longer gaps are told in
    `Motion.gaps`.
    Raises UnusableDriver when the file holds no pictures, or no face that can be followed for most of it.
    """
    times, landmarks = follow(driver.file, driver.name, detector, driver.seconds, progress)
    landmarks = without_jumps(landmarks)
    count = math.ceil(len(driver.samples) / SAMPLE_RATE * MOTION_RATE)
    seen = ~np.isnan(landmarks[:, 0, 0])
    if seen.sum() < LEAST_FRAMES or seen.mean() < LEAST_SHARE:
        raise UnusableDriver(
            f"'{driver.name}' shows a face that can be followed in only {seen.mean():.0%} of its frames. "
            "Use a video in which one person faces the camera all the time."
        )
    clock = (np.arange(count) + 0.5) / MOTION_RATE
    track = Track(driver.name, between(times[seen], landmarks[seen], clock), np.ones(count, bool))
    (aligned,), _ = align([track], space.template)
    moved, _ = displacements([aligned])
    dynamics = space.personal(aligned.neutral).encode(moved)
    lids = [space.names.index(f"blink_{side}") for side in ("left", "right")]
    shut = dynamics[:, lids]  # the tracker never sees an eye quite shut
    dynamics[:, lids] = np.where(shut > _SQUINT, np.minimum(1, _SQUINT + 1.8 * (shut - _SQUINT)), shut)
    turned = np.radians(aligned.angles - np.median(aligned.angles, 0))
    pose = np.hstack([turned, aligned.place])
    pose = _LIMITS * np.tanh(pose / _LIMITS)  # a driver who walks out of the picture does not take the portrait along
    return Motion(pose.astype(np.float32), dynamics.astype(np.float32), gaps=gaps_of(times, seen))


def without_jumps(landmarks: np.ndarray) -> np.ndarray:
    """A copy of landmarks (F, 478, 3) with frames that leap away from their neighbours made NaN.

    A tracker that loses a face for a frame or two finds it in the wallpaper; a head does not jump there and back. Each
    frame's skull is held against the median of the five frames around it.
    """
    out = landmarks.copy()
    seen = np.flatnonzero(~np.isnan(landmarks[:, 0, 0]))
    if len(seen) < 5:
        return out
    skull = landmarks[seen][:, RIGID, :2].astype(np.float64)  # (n, rigid, 2)
    width = np.median(np.linalg.norm(landmarks[seen, LEFT_EDGE, :2] - landmarks[seen, RIGHT_EDGE, :2], axis=1))
    padded = np.concatenate([skull[:2], skull, skull[-2:]])
    middle = np.median([padded[k : k + len(skull)] for k in range(5)], axis=0)
    off = np.linalg.norm(skull - middle, axis=2).mean(1) / width
    out[seen[off > JUMP]] = np.nan
    return out


def gaps_of(times: np.ndarray, seen: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Stretches of at least GAP seconds between two frames with a face, from times (F,) and seen (F,) bool."""
    good = times[seen]
    wide = np.flatnonzero(np.diff(good) >= GAP)
    return tuple((round(float(good[i]), 2), round(float(good[i + 1]), 2)) for i in wide)


def follow(
    data: bytes,
    name: str,
    detector: FaceDetector,
    seconds: float = _LONGEST,
    progress: Callable[[float], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Times (F,) in s since the sound began and landmarks (F, 478, 3) in picture heights, NaN where no face is seen.

    The largest face of the first frames is followed. Raises UnusableDriver.
    """
    from mediapipe.python.solutions.face_mesh import FaceMesh

    times: list[float] = []
    rows: list[np.ndarray] = []
    region: tuple[float, float, float] | None = None  # centre x, y and side of the square that is looked at
    lost = 0
    with quiet_start():
        mesh = FaceMesh(refine_landmarks=True, max_num_faces=1)
        mesh.process(np.zeros((96, 96, 3), np.uint8))  # the first run still starts threads that print
    with mesh:
        for time, pixels in pictures(data, name):
            if time > seconds:
                break
            points = None
            if region is None and lost % SEARCH_EVERY == 0:
                faces = detector.find(pixels)
                region = _around(faces[0].landmarks) if faces else None
            if region is not None:
                crop, back = _cut(pixels, region)
                found = mesh.process(crop).multi_face_landmarks
                if found:
                    side = crop.shape[0]
                    points = np.array([[p.x, p.y, p.z] for p in found[0].landmark]) * side  # (478, 3)
                    points = np.column_stack([points[:, :2] @ back[:, :2].T + back[:, 2], points[:, 2] * back[0, 0]])
                    centre = (points.max(0) + points.min(0))[:2] / 2
                    if np.abs(centre - region[:2]).max() > 0.15 * region[2]:
                        region = _around(points)  # the face has moved: so does the square
            if points is None:
                region = None if lost else region
                lost += 1
            else:
                lost = 0
            times.append(time)
            rows.append(points / pixels.shape[0] if points is not None else np.full((LANDMARKS, 3), np.nan))
            if progress is not None:
                progress(min(1.0, time / max(seconds, 1e-3)))
    if not rows:
        raise UnusableDriver(f"'{name}' holds no pictures that can be read. Choose a video of a face.")
    return np.array(times), np.array(rows, np.float32)


def pictures(data: bytes, name: str) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (time in s since the sound began, uint8 (H, W, 3) RGB), upright, at most MAX_FPS a second.

    Raises UnusableDriver.
    """
    try:
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
        container = av.open(io.BytesIO(data), mode="r", options=options, io_open=_refuse)
    except Exception:  # FFmpegError, ValueError or OSError, depending on what is wrong
        raise UnusableDriver(f"'{name}' is not a video that can be read here. Use MP4, MOV or WebM.") from None
    with container:
        streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            raise UnusableDriver(f"'{name}' has no pictures. Choose a video of a face; `generate` takes sound alone.")
        stream = streams[0]
        if max(stream.codec_context.width, stream.codec_context.height) > LARGEST:
            raise UnusableDriver(f"'{name}' is larger than {LARGEST} pixels. Make it smaller.")
        stream.codec_context.options = {"max_pixels": str(LARGEST**2)}  # files may change size midway
        began = 0.0
        for sound in container.streams.audio[:1]:
            if sound.start_time is not None and sound.time_base is not None:
                began = float(sound.start_time * sound.time_base)
        rate, last = float(stream.average_rate or MOTION_RATE), -1.0
        try:
            for index, frame in enumerate(container.decode(stream)):
                time = (frame.time if frame.time is not None else index / rate) - began
                if time < last + 0.9 / MAX_FPS:
                    continue
                last = time
                turns = round(getattr(frame, "rotation", 0) / 90) % 4
                yield time, np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
        except av.FFmpegError:
            if last < 0:
                raise UnusableDriver(f"The pictures of '{name}' are damaged. Export the video again.") from None


def between(times: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Linear interpolation of values (F, ...) at `times` (F,) to `wanted` (N,), held at both ends; float32 (N, ...)."""
    right = np.clip(np.searchsorted(times, wanted), 1, len(times) - 1)
    t0, t1 = times[right - 1], times[right]
    mix = np.clip((wanted - t0) / np.maximum(t1 - t0, 1e-6), 0, 1).reshape(-1, *([1] * (values.ndim - 1)))
    return (values[right - 1] * (1 - mix) + values[right] * mix).astype(np.float32)


def _around(points: np.ndarray) -> tuple[float, float, float]:
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    x, y = (low + high) / 2
    return float(x), float(y), float((high - low).max() * CROP)


def _cut(pixels: np.ndarray, region: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The square region as uint8 (S, S, 3) and the affine (2, 3) from its pixels to the picture's."""
    x, y, side = region
    size = int(min(CROP_PIXELS, max(96, side)))
    step = side / size
    back = np.array([[step, 0, x - side / 2], [0, step, y - side / 2]])
    flags = (cv2.INTER_AREA if step > 1.5 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(pixels, back, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE), back


def _refuse(url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
    raise PermissionError(f"a video may not open '{url}'")
