"""Build the detector's training set from real clips and this generator's output.

    python -m detection.training.build DATA_DIR -o .cache/detection/takes [--split train|dev] [--draws 2] [--limit N]

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
from detection.training.looks import Look, draw_look
from detection.training.pseudo import blend, distort, filmed
from detection.training.split import FOLDS, Clip, clips
from detection.training.takes import FILMED, GENERATED, KINDS, PARTIAL, PSEUDO, REAL, Take, load_takes, no_pixels
from vasa_core.face.portrait import Portrait
from vasa_core.pipeline import TalkingFace
from vasa_core.training.media import read_frames, read_sound
from vasa_core.types import FRAME_SIZE, SAMPLE_RATE, Controls, Motion

SKIP = 0.35  # seconds at the beginning of every clip that are not used
SEGMENT = 2.2  # seconds: one window
LEAST_SEGMENT = 2.05
HOP = 0.6  # seconds between windows in training
MOST_SEGMENTS = 4  # of one clip


Box = tuple[float, float, float]  # centre x, y and size of a face, pixels


class Builder:
    """Makes the takes of one clip after another."""

    def __init__(self, data: Path, out: Path, seed: int) -> None:
        self.out, self.seed = out, seed
        self.core = TalkingFace.from_pretrained()
        self.tracker = Tracker(self.core.detector, FollowConfig(search_every=60.0))  # one face, which is there at once
        self.voices = fakes.voices(data / "speech", FOLDS)
        self.skipped: Counter[str] = Counter()
        self._last: tuple[str, Motion | None] = ("", None)

    def build(self, clip: Clip) -> None:
        """All takes of a clip that are not there yet."""
        marker = self.out / f".{clip.name}.done"
        if marker.exists():
            return
        before: Segment | None = None
        for number, segment in enumerate(self._segments(clip)):
            # The photo comes from another moment of the clip than the movement, where there is one.
            self._takes_of(clip, number, segment, before or segment)
            before = segment
        marker.touch()

    def _random(self, clip: Clip, number: int, what: str) -> np.random.Generator:
        """A generator for one purpose, so that what is skipped changes nothing else."""
        return np.random.default_rng([self.seed, zlib.crc32(clip.name.encode()), number, zlib.crc32(what.encode())])

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
        rng = self._random(clip, number, "settings")
        settings = [draw(rng, segment.box[2]) for _ in range(2)]
        own = rng.random(6)  # which of the rarer kinds this segment gets
        photo, face = fakes.best_photo(photo_from), photo_from.box[2]
        looks, portraits = self._looks(self._random(clip, number, "look"), photo, face)
        # One more real take: a share of 1 % cannot be seen among fewer than a hundred, and they cost little.
        settings.append(draw(self._random(clip, number, "third"), segment.box[2]))
        looks.append(looks[1])

        def wanted(kind: str, variant: int) -> bool:
            return not (self.out / f"{clip.name}.{number}.{kind}{variant}.npz").exists()

        def made(
            kind: str, variant: int, frames: list[np.ndarray], times: np.ndarray, box: Box, voice: np.ndarray
        ) -> None:
            # The mark is tossed for every take on its own, so that it goes with neither class.
            marked = bool(self._random(clip, number, f"mark{kind}{variant}").random() < 0.5)
            drawn = Settings(**{**settings[variant].to_dict(), "marked": marked})
            self._take(clip, number, kind, variant, frames, times, box, voice, drawn, looks[variant].kind)

        def seen(variant: int) -> list[np.ndarray]:
            """The clip's own frames, each with the look."""
            grain = self._random(clip, number, f"grain{variant}")
            return [looks[variant].on(f, segment.box[2], grain) for f in segment.frames]

        for variant in range(len(settings)):
            if wanted(REAL, variant):
                made(REAL, variant, seen(variant), segment.times, segment.box, segment.sound)
        points = np.array(segment.trace.points)
        variant = int(own[1] < 0.5)
        if own[0] < 0.3 and len(points) == len(segment.frames) and wanted("blended", variant):
            frames = blend(seen(variant), points, self._random(clip, number, "blended"))
            made("blended", variant, frames, segment.times, segment.box, segment.sound)
        if wanted("kinematic", 0):
            self._kinematic(clip, number, segment, self._random(clip, number, "kinematic"))
        if own[1] < 0.35 and wanted(FILMED, 0):
            still = looks[0].on(photo, face, rng)
            frames = filmed(still, len(segment.frames), face, self._random(clip, number, FILMED))
            made(FILMED, 0, frames, segment.times, photo_from.box, np.zeros(0, np.float32))

        first, second = portraits
        if first is None or second is None:
            self.skipped["no portrait"] += 1
            return
        rate, seconds = segment.rate, float(segment.times[-1])
        motion = fakes.performance(segment.trace, self.core)

        def show(kind: str, variant: int, moves: Motion, controls: Controls, rate: float, voice: np.ndarray) -> None:
            portrait = (first, second)[variant]
            native, small = self._as_sharp_as(segment, fakes.portrait_box(portrait))
            frames = native(fakes.render(self.core, portrait, moves, rate, controls))
            made(kind, variant, frames, np.arange(len(frames)) / rate, small, voice)

        if wanted("self", 0):
            show("self", 0, motion, Controls(), rate, segment.sound)
        chance = self._random(clip, number, "voice")
        varied = own[2] < 0.5
        controls = fakes.random_controls(chance, varied)
        pool = self.voices[clip.fold]
        driven, voice = fakes.spoken(self.core, pool[int(chance.integers(len(pool)))], seconds, controls, chance)
        kind = "controls" if varied else "audio"
        if wanted(kind, 1):
            quiet = np.zeros(0, np.float32)
            show(kind, 1, driven, controls, rate if own[3] < 0.6 else 40.0, voice if clip.sound else quiet)
        if own[4] < 0.25 and wanted("cross", 1):
            show("cross", 1, self._other(clip, motion), Controls(), rate, segment.sound)
        if own[5] < 0.35 and wanted("mouth", 0):
            edited = self._mouth(segment, seen(0), first, motion, driven)
            if edited is not None:
                made("mouth", 0, edited, segment.times[: len(edited)], segment.box, segment.sound)
        self._last = (clip.person, motion)

    def _looks(
        self, rng: np.random.Generator, photo: np.ndarray, face: float
    ) -> tuple[list[Look], list[Portrait | None]]:
        """A look for either variant and the portrait that has it. Where the generator refuses the photo with its look
        there is none, in real takes neither: a look must not tell the class."""
        looks: list[Look] = []
        portraits: list[Portrait | None] = []
        for _ in range(2):
            look = draw_look(rng)
            if look.kind == "none" and look in looks:  # the same picture once more
                looks.append(look)
                portraits.append(portraits[looks.index(look)])
                continue
            portrait = fakes.prepare(self.core, look.on(photo, face, rng))
            if portrait is None and look.kind != "none":
                look = Look()
                portrait = fakes.prepare(self.core, photo)
            looks.append(look)
            portraits.append(portrait)
        return looks, portraits

    def _other(self, clip: Clip, motion: Motion) -> Motion:
        """The movement of the person before, or of the same one where there is none as long."""
        person, other = self._last
        if other is None or person == clip.person or len(other) < len(motion):
            return motion
        return fakes.cut_motion(other, 0, motion.seconds)

    @staticmethod
    def _as_sharp_as(segment: Segment, box: Box) -> tuple[Callable[[list[np.ndarray]], list[np.ndarray]], Box]:
        """Shrinks rendered frames until the face is as large as in the clip, so that sharpness tells nothing; and
        where the face is then."""
        side = max(2, round(FRAME_SIZE * min(1.0, segment.box[2] / box[2])))
        scale = side / FRAME_SIZE

        def shrink(frames: list[np.ndarray]) -> list[np.ndarray]:
            return [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in frames]

        return shrink, (box[0] * scale, box[1] * scale, box[2] * scale)

    def _mouth(
        self, segment: Segment, frames: list[np.ndarray], portrait: Portrait, motion: Motion, driven: Motion
    ) -> list[np.ndarray] | None:
        """Real frames with a mouth that speaks other words."""
        count = min(len(motion), len(driven))
        words = motion.dynamics[:count].copy()
        words[:, 7:] = driven.dynamics[:count, 7:]  # the mouth's coordinates; lids, gaze and brows stay
        spoken = Motion(motion.pose[:count], words, motion.rate)
        drawn = fakes.render(self.core, portrait, spoken, segment.rate, Controls())
        trace = follow_one(self.tracker, drawn, np.arange(len(drawn)) / segment.rate, fakes.portrait_box(portrait))
        if trace is None or len(drawn) < 20:
            return None
        short = Segment(frames[: len(drawn)], segment.times[: len(drawn)], segment.sound, segment.trace)
        return fakes.mouth_only(short, drawn, trace)

    def _take(self, clip: Clip, number: int, kind: str, variant: int, frames: list[np.ndarray], times: np.ndarray,
              box: tuple[float, float, float], sound: np.ndarray, settings: Settings, look: str) -> None:  # fmt: skip
        name = f"{clip.name}.{number}.{kind}{variant}"
        decoded, rate, size = degrade(frames, times, box, settings)
        middle = decoded[0].shape[0] / 2
        place = (middle, middle, float(settings.face))
        trace = follow_one(self.tracker, decoded, np.arange(len(decoded)) / rate, place)
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
            "look": look,
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
            np.stack([w.light for w in windows]), np.stack([w.motion for w in windows]), lips.clock, lips.opening,
            hear(sound), background(decoded, trace), facts,
        ).save(self.out)  # fmt: skip

    def _kinematic(self, clip: Clip, number: int, segment: Segment, rng: np.random.Generator) -> None:
        points = distort(np.array(segment.trace.points), rng)
        clock, channels, trembling = head_frame(np.array(segment.trace.times), points)
        starts = np.arange(0, max(1e-6, clock[-1] - clock[0] - 2.0 + 0.05), HOP)
        rows = [((clock - clock[0] >= s - 1e-3) & (clock - clock[0] <= s + 2.001)) for s in starts]
        motion = np.stack([motion_features(channels[r], trembling[r]) for r in rows])
        Take(
            f"{clip.name}.{number}.kinematic0", "kinematic", clip.person, clip.source, clip.fold, clip.person_fold,
            *no_pixels(len(motion)), motion, clock, channels[:, 0], hear(segment.sound), np.zeros(0, np.float32), {},
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
    counts = Counter(take.kind for take in takes)
    return {
        "takes": len(takes),
        "windows": sum(take.windows for take in takes),
        "people": len({take.person for take in takes}),
        "sources": len({take.source for take in takes}),
        "kinds": {kind: counts[kind] for kind in KINDS if counts[kind]},
        "marked": {
            label: round(float(np.mean([t.facts["marked"] for t in seen])), 2)
            for label, kinds in (("real", (REAL,)), ("fake", (*GENERATED, *PARTIAL, *PSEUDO)))
            if (seen := [t for t in takes if t.has_pixels and t.kind in kinds])
        },
        "folds": {str(fold): sum(take.fold == fold for take in takes) for fold in range(FOLDS)},
    }


def build_draw(options: argparse.Namespace, folder: Path, seed: int) -> None:
    """One take of everything, drawn with `seed`. options: those of the command."""
    folder.mkdir(parents=True, exist_ok=True)
    if options.renew:
        for path in [p for kind in (*GENERATED, *PARTIAL) for p in folder.glob(f"*.{kind}[01].npz")]:
            path.unlink()
        for path in folder.glob(".*.done"):
            path.unlink()
    builder = Builder(options.data, folder, seed)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path(".cache/detection/takes"))
    parser.add_argument("--split", choices=("train", "dev"), default="train", help="dev is for measuring only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=2, help="how often to draw photos, voices, looks, encoders anew")
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="only the first N clips")
    parser.add_argument("--renew", action="store_true", help="make the generator's takes anew, after it has changed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for number in range(options.draws):
        print(f"draw {number}", flush=True)
        build_draw(options, options.output / f"draw{number}", options.seed + number)
    print(json.dumps(summary(options.output), indent=1))


if __name__ == "__main__":
    main()
