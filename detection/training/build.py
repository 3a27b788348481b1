"""Build the detector's training set from real clips and this generator's output.

    python -m detection.training.build DATA_DIR -o .cache/detection/takes [--split train|dev] [--seed 0] [--limit N]

DATA_DIR holds clips/ (with manifest.csv) and speech/. One .npz per take is written, whole or not at all, and clips that
are done are skipped: the command can be stopped and started again. The same seed gives the same set. Frames stay in
memory; what is stored is face crops and measurements.
"""

from __future__ import annotations

import argparse
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from detection.evidence import gather
from detection.faces import FollowConfig, Trace, Tracker
from detection.motion import head_frame, motion_features
from detection.sync import voice as hear
from detection.training import fakes
from detection.training.degrade import Settings, degrade, draw
from detection.training.fakes import Segment, follow_one
from detection.training.pseudo import blend, distort
from detection.training.split import FOLDS, Clip, clips
from detection.training.takes import KINDS, REAL, Take, load_takes, no_pixels
from vasa_core.pipeline import TalkingFace
from vasa_core.training.media import read_frames, read_sound
from vasa_core.types import SAMPLE_RATE

SKIP = 0.35  # seconds at the beginning of every clip that are not used
SEGMENT = 2.7  # seconds
LEAST_SEGMENT = 2.1
HOP = 0.6  # seconds between windows in training
MOST_SEGMENTS = 4  # of one clip


class Builder:
    """Makes the takes of one clip after another."""

    def __init__(self, data: Path, out: Path, seed: int) -> None:
        self.out, self.seed = out, seed
        self.core = TalkingFace.from_pretrained()
        self.tracker = Tracker(self.core.detector, FollowConfig(search_every=60.0))  # one face, which is there at once
        self.voices = fakes.voices(data / "speech", FOLDS)
        self.skipped: Counter[str] = Counter()

    def build(self, clip: Clip) -> None:
        """All takes of a clip that are not there yet."""
        marker = self.out / f".{clip.name}.done"
        if marker.exists():
            return
        before: Segment | None = None
        for number, segment in enumerate(self._segments(clip)):
            # The photo comes from another moment of the clip than the movement, where there is one.
            source = before or segment
            self._takes_of(clip, number, segment, source)
            before = segment
        marker.touch()

    def _segments(self, clip: Clip) -> Iterator[Segment]:
        sound = read_sound(clip.path)
        count = max(1, min(MOST_SEGMENTS, int((clip.seconds - SKIP) / (SEGMENT + 0.2))))
        starts = np.linspace(SKIP, max(SKIP, clip.seconds - SEGMENT - 0.05), count)
        frames: list[list[np.ndarray]] = [[] for _ in starts]
        times: list[list[float]] = [[] for _ in starts]
        at = 0
        for moment, pixels in read_frames(clip.path):
            while at < count and moment >= starts[at] + SEGMENT:
                made = self._segment(frames[at], times[at], sound, float(starts[at]))
                frames[at] = []
                at += 1
                if made is not None:
                    yield made
            if at < count and moment >= starts[at]:
                frames[at].append(pixels)
                times[at].append(moment - float(starts[at]))
        if at < count and (made := self._segment(frames[at], times[at], sound, float(starts[at]))) is not None:
            yield made

    def _segment(self, frames: list[np.ndarray], times: list[float], sound: np.ndarray, start: float) -> Segment | None:
        if len(frames) < 20 or times[-1] - times[0] < LEAST_SEGMENT:
            self.skipped["too short"] += 1
            return None
        trace = follow_one(self.tracker, frames, np.array(times))
        if trace is None:
            self.skipped["no steady face"] += 1
            return None
        first = round((start + times[0]) * SAMPLE_RATE)
        piece = sound[first : first + round((times[-1] - times[0]) * SAMPLE_RATE)]
        return Segment(frames, np.array(times) - times[0], piece, trace)

    def _takes_of(self, clip: Clip, number: int, segment: Segment, photo_from: Segment) -> None:
        rng = np.random.default_rng([self.seed, zlib.crc32(clip.name.encode()), number])
        settings = [draw(rng, segment.box[2]) for _ in range(2)]
        own = rng.random(6)  # which of the rarer kinds this segment gets

        def made(kind: str, variant: int, frames: list[np.ndarray], times: np.ndarray, box: tuple, voice: np.ndarray,
                 photo: int = 0) -> None:  # fmt: skip
            # The mark is tossed anew for every take, so that it goes with neither class.
            drawn = Settings(**{**settings[variant].to_dict(), "marked": bool(rng.random() < 0.5)})
            self._take(clip, number, kind, variant, frames, times, box, voice, drawn)

        made(REAL, 0, segment.frames, segment.times, segment.box, segment.sound)
        made(REAL, 1, segment.frames, segment.times, segment.box, segment.sound)
        points = np.array(segment.trace.points)
        if own[0] < 0.35 and len(points) == len(segment.frames):
            made(
                "blended",
                int(own[1] < 0.5),
                blend(segment.frames, points, rng),
                segment.times,
                segment.box,
                segment.sound,
            )
        self._kinematic(clip, number, segment, rng)

        portrait = fakes.prepare(self.core, fakes.best_photo(photo_from))
        if portrait is None:
            self.skipped["no portrait"] += 1
            return
        box, rate, seconds = fakes.portrait_box(portrait), segment.rate, float(segment.times[-1])
        native = self._as_sharp_as(segment, box)
        motion = fakes.performance(segment.trace, self.core)
        quiet = np.zeros(0, np.float32)

        def show(motion: object, controls: object, rate: float) -> tuple[list[np.ndarray], np.ndarray]:
            frames = native(fakes.render(self.core, portrait, motion, rate, controls))  # type: ignore[arg-type]
            return frames, np.arange(len(frames)) / rate

        small = self._scaled(segment, box)
        frames, times = show(motion, fakes.random_controls(rng, False), rate)
        made("self", 0, frames, times, small, segment.sound)
        varied = own[2] < 0.5
        controls = fakes.random_controls(rng, varied)
        pool = self.voices[clip.fold]
        driven, voice = fakes.spoken(self.core, pool[int(rng.integers(len(pool)))], seconds, controls, rng)
        frames, times = show(driven, controls, rate if own[3] < 0.6 else 40.0)
        made("controls" if varied else "audio", 1, frames, times, small, voice if clip.sound else quiet)
        if own[4] < 0.3:
            other = fakes.cut_motion(self._other(clip, motion), 0, seconds)
            frames, times = show(other, fakes.random_controls(rng, False), rate)
            made("cross", 1, frames, times, small, segment.sound)
        if own[5] < 0.4:
            edited = self._mouth(segment, portrait, motion, driven)
            if edited is not None:
                made("mouth", 0, edited, segment.times[: len(edited)], segment.box, segment.sound)
        self._last = (clip.person, motion)

    _last: tuple[str, object] = ("", None)

    def _other(self, clip: Clip, motion):  # type: ignore[no-untyped-def]
        """The movement of somebody else, from the clip before; mirrored movement of the same person at the start."""
        person, other = self._last
        if other is not None and person != clip.person and len(other) >= len(motion):  # type: ignore[arg-type]
            return other
        return motion

    @staticmethod
    def _as_sharp_as(
        segment: Segment, box: tuple[float, float, float]
    ) -> Callable[[list[np.ndarray]], list[np.ndarray]]:
        """Shrinks rendered frames until the face is as large as in the clip, so that sharpness tells nothing."""
        scale = min(1.0, segment.box[2] / box[2])
        side = max(2, round(512 * scale))
        return lambda frames: [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in frames]

    @staticmethod
    def _scaled(segment: Segment, box: tuple[float, float, float]) -> tuple[float, float, float]:
        scale = max(2, round(512 * min(1.0, segment.box[2] / box[2]))) / 512
        return box[0] * scale, box[1] * scale, box[2] * scale

    def _mouth(self, segment: Segment, portrait, motion, driven):  # type: ignore[no-untyped-def]
        """Real frames with a mouth that speaks other words."""
        count = min(len(motion), len(driven))
        words = motion.dynamics[:count].copy()
        words[:, 7:] = driven.dynamics[:count, 7:]  # the mouth's coordinates; lids, gaze and brows stay
        spoken = type(motion)(motion.pose[:count], words, motion.rate)
        drawn = fakes.render(self.core, portrait, spoken, segment.rate, fakes.Controls())
        trace = follow_one(self.tracker, drawn, np.arange(len(drawn)) / segment.rate)
        if trace is None or len(drawn) < 20:
            return None
        short = Segment(segment.frames[: len(drawn)], segment.times[: len(drawn)], segment.sound, segment.trace)
        return fakes.mouth_only(short, drawn, trace)

    def _take(self, clip: Clip, number: int, kind: str, variant: int, frames: list[np.ndarray], times: np.ndarray,
              box: tuple[float, float, float], sound: np.ndarray, settings: Settings) -> None:  # fmt: skip
        name = f"{clip.name}.{number}.{kind}{variant}"
        decoded, rate, size = degrade(frames, times, box, settings)
        trace = follow_one(self.tracker, decoded, np.arange(len(decoded)) / rate)
        if trace is None:
            self.skipped[f"lost after encoding: {kind}"] += 1
            return
        windows, lips = gather(trace, HOP)
        if not windows or lips is None:
            self.skipped[f"no window: {kind}"] += 1
            return
        seconds = len(decoded) / rate
        facts = {
            **settings.to_dict(),
            "container": [decoded[0].shape[1], decoded[0].shape[0], rate, seconds, size * 8 / seconds / 1000,
                          size * 8 / (len(decoded) * decoded[0].shape[0] ** 2), float(len(sound) > 0)],
            "face_px": float(np.median(trace.width)),
            "lead": leading(sound),
            "widths": [float(np.min(trace.width)), float(np.max(trace.width))],
            "trace_share": trace.seconds / max(seconds, 1e-3),
        }  # fmt: skip
        Take(
            name, kind, clip.person, clip.source, clip.fold, clip.person_fold,
            np.stack([w.crops for w in windows]), np.stack([w.skin for w in windows]),
            np.stack([w.motion for w in windows]), lips.clock, lips.opening, hear(sound),
            background(decoded, trace), facts,
        ).save(self.out)  # fmt: skip

    def _kinematic(self, clip: Clip, number: int, segment: Segment, rng: np.random.Generator) -> None:
        points = distort(np.array(segment.trace.points), rng)
        clock, channels, trembling = head_frame(np.array(segment.trace.times), points)
        starts = np.arange(0, max(1e-6, clock[-1] - clock[0] - 2.0 + 0.05), HOP)
        rows = [((clock - clock[0] >= s - 1e-3) & (clock - clock[0] <= s + 2.001)) for s in starts]
        motion = np.stack([motion_features(channels[r], trembling[r]) for r in rows])
        crops, skin = no_pixels(len(motion))
        Take(
            f"{clip.name}.{number}.kinematic0", "kinematic", clip.person, clip.source, clip.fold, clip.person_fold,
            crops, skin, motion, clock, channels[:, 0], hear(segment.sound), np.zeros(0, np.float32), {},
        ).save(self.out)  # fmt: skip


def leading(sound: np.ndarray) -> float:
    """Log energy of the first 0.2 s against that of all; 0 without sound."""
    if len(sound) < SAMPLE_RATE:
        return 0.0
    first, whole = (float(np.sqrt((part**2).mean())) for part in (sound[: SAMPLE_RATE // 5], sound))
    return float(np.log((first + 1e-4) / (whole + 1e-4)))


def background(frames: list[np.ndarray], trace: Trace) -> np.ndarray:
    """What a still picture shows around the face: colour, spread and sharpness of the four corners, float32 (28,)."""
    frame = frames[len(frames) // 2]
    side = frame.shape[0] // 7
    out = []
    for rows in (slice(0, side), slice(-side, None)):
        for columns in (slice(0, side), slice(-side, None)):
            patch = frame[rows, columns].astype(np.float32)
            grey = patch.mean(2)
            fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.2)
            out += [*patch.mean((0, 1)), *patch.std((0, 1)), np.log(fine.std() + 0.1) * 20]
    return np.array(out, np.float32)


def summary(folder: Path) -> dict[str, object]:
    """Figures of a built set."""
    takes = load_takes(folder)
    kinds = Counter(take.kind for take in takes)
    return {
        "takes": len(takes),
        "windows": sum(take.windows for take in takes),
        "people": len({take.person for take in takes}),
        "sources": len({take.source for take in takes}),
        "kinds": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
        "marked": {
            label: round(float(np.mean([t.facts["marked"] for t in takes if t.has_pixels and t.fake is fake])), 2)
            for label, fake in (("real", False), ("fake", True))
            if any(t.has_pixels and t.fake is fake for t in takes)
        },
        "folds": {str(fold): sum(take.fold == fold for take in takes) for fold in range(FOLDS)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(".cache/detection/takes"))
    parser.add_argument("--split", choices=("train", "dev"), default="train", help="dev is for measuring only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N clips")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    builder = Builder(options.data, options.output, options.seed)
    todo = [clip for clip in clips(options.data) if clip.split == options.split]
    if options.limit:
        todo = todo[:: max(1, len(todo) // options.limit)][: options.limit]
    todo.sort(key=lambda clip: zlib.crc32(clip.name.encode()))  # sources mixed: a part of the set is a small set
    for index, clip in enumerate(todo):
        began = time.perf_counter()
        builder.build(clip)
        print(f"{index + 1}/{len(todo)} {clip.name}: {time.perf_counter() - began:.1f} s", flush=True)
    if builder.skipped:
        print("left out:", dict(builder.skipped))
    print(json.dumps(summary(options.output), indent=1))


if __name__ == "__main__":
    main()
