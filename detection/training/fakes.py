"""This generator's output from real clips, as frames in memory: the fake half of the training set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from detection.crops import canonical
from detection.faces import Trace, Tracker
from detection.video import Picture
from vasa_core.audio import load_speech
from vasa_core.errors import CandorError
from vasa_core.face.alignment import Track, align, aperture, displacements
from vasa_core.face.geometry import FACE_POINTS
from vasa_core.face.portrait import MARGIN, Portrait
from vasa_core.motion.reenact import between
from vasa_core.pipeline import TalkingFace
from vasa_core.types import MOTION_RATE, PLAYBACK_RATE, SAMPLE_RATE, Controls, Motion, Photo, Speech

LEAD = 0.5  # seconds of driven motion that are thrown away: a generated clip starts from the photo


@dataclass(frozen=True)
class Segment:
    """A stretch of a real clip. frames: uint8 (H, W, 3).  times: (N,) seconds since the stretch began.  sound: float32
    (n,) mono 16 kHz of the same time, empty without.  trace: its face.
    """

    frames: list[np.ndarray]
    times: np.ndarray
    sound: np.ndarray
    trace: Trace

    @property
    def box(self) -> tuple[float, float, float]:
        """Centre x, y and size of the face in pixels, of the whole stretch."""
        points = np.array(self.trace.points)[:, :FACE_POINTS, :2]
        low, high = points.min(1), points.max(1)  # (N, 2)
        x, y = np.median((low + high) / 2, axis=0)
        return float(x), float(y), float(np.median((high - low).max(1)))

    @property
    def rate(self) -> float:
        return (len(self.times) - 1) / max(float(self.times[-1] - self.times[0]), 1e-3)


def follow_one(
    tracker: Tracker, frames: list[np.ndarray], times: np.ndarray, box: tuple[float, float, float] | None = None
) -> Trace | None:
    """The longest trace in frames, None when no face is followed for most of the time.

    box: centre x, y and size of the face in the first frame, if it is known.
    """
    known = None
    if box is not None:  # an average face in its place will do to begin with
        known = canonical().template * (box[2] / np.ptp(canonical().template[:FACE_POINTS, 1]))
        known = known + np.array([box[0], box[1], 0]) - [*known[:FACE_POINTS, :2].mean(0), 0]
    traces = tracker.follow((Picture(float(t), f) for t, f in zip(times, frames, strict=True)), known)
    best = max(traces, key=lambda trace: len(trace.times), default=None)
    return best if best is not None and best.seconds >= 0.85 * (times[-1] - times[0]) else None


def best_photo(segment: Segment) -> np.ndarray:
    """The frame that shows the face most frontally with its lips at rest."""
    gaps = aperture(np.array(segment.trace.points))
    at = np.searchsorted(segment.trace.times, segment.trace.crop_times)
    cost = [
        abs(a[0]) + abs(a[1]) + 0.5 * abs(a[2]) + 300 * gaps[i] for a, i in zip(segment.trace.angles, at, strict=True)
    ]
    moment = segment.trace.crop_times[int(np.argmin(cost))]
    return segment.frames[int(np.argmin(np.abs(segment.times - moment)))]


def prepare(core: TalkingFace, pixels: np.ndarray) -> Portrait | None:
    """The portrait of a frame, None when the generator would refuse it."""
    try:
        return core.prepare(Photo(pixels, b"", "image/png", "frame"))
    except CandorError:
        return None


def portrait_box(portrait: Portrait) -> tuple[float, float, float]:
    """Where the resting face is in rendered frames: centre x, y and size in pixels."""
    points = portrait.landmarks[:FACE_POINTS, :2] - MARGIN
    low, high = points.min(0), points.max(0)
    x, y = (low + high) / 2
    return float(x), float(y), float((high - low).max())


def performance(trace: Trace, core: TalkingFace) -> Motion:
    """Motion latents of a followed face, relative to its own rest, as `vasa_core.motion.reenact` takes them."""
    space = core._face_space()
    times, points = np.array(trace.times), np.array(trace.points)
    clock = np.arange(times[0], times[-1] + 1e-6, 1 / MOTION_RATE)
    steady = between(times, points, clock) / np.float32(512)
    (aligned,), _ = align([Track("", steady, np.ones(len(clock), bool))], space.template)
    moved, _ = displacements([aligned])
    dynamics = space.personal(aligned.neutral).encode(moved)
    turned = np.radians(aligned.angles - np.median(aligned.angles, 0))
    pose = np.hstack([turned, aligned.place]).clip(-0.5, 0.5)
    return Motion(pose.astype(np.float32), dynamics.astype(np.float32))


def render(core: TalkingFace, portrait: Portrait, motion: Motion, rate: float, controls: Controls) -> list[np.ndarray]:
    """All frames, uint8 (512, 512, 3)."""
    return list(core.render(portrait, motion, float(np.clip(rate, 12, 60)), controls))


def cut_motion(motion: Motion, start: float, seconds: float) -> Motion:
    first, count = round(start * motion.rate), round(seconds * motion.rate)
    return Motion(motion.pose[first : first + count], motion.dynamics[first : first + count], motion.rate)


def spoken(
    core: TalkingFace, voice: np.ndarray, seconds: float, controls: Controls, rng: np.random.Generator
) -> tuple[Motion, np.ndarray]:
    """Motion for a random stretch of a voice, and the stretch's sound; both begin in the middle of what was made."""
    need = round((seconds + LEAD + 0.2) * SAMPLE_RATE)
    start = int(rng.integers(0, max(1, len(voice) - need)))
    piece = voice[start : start + need]
    piece = np.pad(piece, (0, need - len(piece)))
    speech = Speech(piece, np.zeros((len(piece) * PLAYBACK_RATE // SAMPLE_RATE, 1), np.int16), b"", "audio/wav")
    motion = cut_motion(core.animate(speech, controls), LEAD, seconds)
    first = round(LEAD * SAMPLE_RATE)
    return motion, piece[first : first + round(seconds * SAMPLE_RATE)]


def random_controls(rng: np.random.Generator, varied: bool) -> Controls:
    """varied: gaze, distance, emotion and gains as a person might set them; else only the seed."""
    seed = int(rng.integers(2**31))
    if not varied:
        return Controls(seed=seed)
    emotion = str(rng.choice(Controls.EMOTIONS[1:]))
    return Controls(
        gaze=(float(rng.uniform(-12, 12)), float(rng.uniform(-6, 6))),
        distance=float(rng.uniform(-0.15, 0.15)),
        head_motion=float(rng.uniform(0.4, 1.6)),
        mouth=float(rng.uniform(0.7, 1.3)),
        emotion={emotion: float(rng.uniform(0.2, 0.9))},
        seed=seed,
    )


def mouth_only(segment: Segment, drawn: list[np.ndarray], drawn_trace: Trace) -> list[np.ndarray] | None:
    """Real frames whose lower face is taken from generated ones, moved into place and brought to their brightness."""
    real_t, real_p = np.array(segment.trace.times), np.array(segment.trace.points)
    fake_t, fake_p = np.array(drawn_trace.times), np.array(drawn_trace.points)
    anchor = [1, 2, 98, 327, 61, 291, 50, 280, 172, 397, 132, 361]
    out = []
    for index, (frame, time) in enumerate(zip(segment.frames, segment.times, strict=True)):
        if index >= len(drawn):
            return None
        own = real_p[int(np.argmin(np.abs(real_t - time)))][:, :2]
        other = fake_p[int(np.argmin(np.abs(fake_t - index / max(segment.rate, 1))))][:, :2]
        matrix, _ = cv2.estimateAffinePartial2D(other[anchor].astype(np.float32), own[anchor].astype(np.float32))
        if matrix is None:
            return None
        size = frame.shape[1::-1]
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        source = drawn[index]
        if scale < 0.8:  # average first, as a camera would
            small = (round(source.shape[1] * scale), round(source.shape[0] * scale))
            source = np.asarray(cv2.resize(source, small, interpolation=cv2.INTER_AREA))
            matrix = matrix.copy()
            matrix[:, :2] /= scale
        moved = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        ring = [2, 98, 327, 205, 425, 215, 435, 152, 148, 377, 176, 400, 149, 378]
        mask = np.zeros(frame.shape[:2], np.float32)
        hull = cv2.convexHull(np.rint(own[ring]).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 1.0)
        inside = mask > 0
        if not inside.any():
            return None
        width = float(np.ptp(own[:FACE_POINTS, 0]))
        soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, 0.03 * width))[..., None]
        gain = (frame[inside].mean(0) + 1) / (moved[inside].mean(0) + 1)
        out.append(np.clip(frame * (1 - soft) + moved * gain * soft, 0, 255).astype(np.uint8))
    return out


def voices(folder: Path, folds: int) -> list[list[np.ndarray]]:
    """The recordings of a folder, float32 (n,) at 16 kHz, dealt out to the folds so that no voice is in two."""
    out: list[list[np.ndarray]] = [[] for _ in range(folds)]
    for index, path in enumerate(sorted(folder.glob("*.ogg"))):
        try:
            samples = load_speech(path).samples
        except CandorError:
            continue
        if len(samples) > 3 * SAMPLE_RATE:
            out[index % folds].append(samples)
    return out
