"""Suspect files of people who are in no training set: real clips, this generator's output of them, and what happens to
either on its way."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from detection.faces import FollowConfig, Tracker
from detection.training import fakes
from detection.training.degrade import ROOM, Settings, frame_around
from detection.training.fakes import Segment, follow_one
from detection.training.split import clips
from safety.video_mark import VideoMark
from safety.watermark import rgb_to_i420
from vasa_core.photo import load_photo
from vasa_core.pipeline import TalkingFace
from vasa_core.training.media import read_frames, read_sound
from vasa_core.types import SAMPLE_RATE, Controls

SECONDS = 4.5
PORTRAIT_RATE = 25.0  # frames a second


@dataclass(frozen=True)
class Made:
    """A take in memory. frames: uint8 (H, W, 3).  sound: float32 (n,) mono 16 kHz.  face: its size in pixels.
    codec, crf: what it will be written with."""

    name: str
    fake: bool
    frames: list[np.ndarray]
    rate: float
    sound: np.ndarray
    face: float
    codec: str = "libx264"
    crf: int = 23


class Suspects:
    """Takes of the held-out people of a data folder: per person one real, one re-enacted, one driven by another voice,
    one with another mouth only."""

    def __init__(self, data: Path, people: int = 8) -> None:
        self.data = data
        self.people = people

    def all(self) -> list[Made]:
        core = TalkingFace.from_pretrained()
        out: list[Made] = []
        voices = fakes.voices(self.data / "speech", 1)[0]
        with Tracker(core.detector, FollowConfig(search_every=60.0)) as tracker:
            for clip in [c for c in clips(self.data) if c.split == "dev"][: self.people]:
                pairs = [(t, f) for t, f in read_frames(clip.path) if 0.1 <= t < 0.1 + SECONDS]
                times = np.array([t for t, _ in pairs])
                frames = [f for _, f in pairs]
                trace = follow_one(tracker, frames, times)
                if trace is None:
                    continue
                first = round(times[0] * SAMPLE_RATE)
                sound = read_sound(clip.path)[first : first + round((times[-1] - times[0]) * SAMPLE_RATE)]
                segment = Segment(frames, times - times[0], sound, trace)
                portrait = fakes.prepare(core, fakes.best_photo(segment))
                settings = Settings(int(segment.box[2]), 0, "h264", 23, "veryfast", 50)
                out.append(self._made(clip.name, False, frames, segment.rate, sound, segment.box, settings))
                if portrait is None:
                    continue
                box = fakes.portrait_box(portrait)
                motion = fakes.performance(trace, core)
                seconds = float(segment.times[-1])
                rng = np.random.default_rng(zlib.crc32(clip.name.encode()))
                controls = fakes.random_controls(rng, True)
                spoken, voice = fakes.spoken(core, voices[int(rng.integers(len(voices)))], seconds, controls, rng)
                for kind, moves, heard in (("reenacted", motion, sound), ("spoken", spoken, voice)):
                    drawn = fakes.render(core, portrait, moves, segment.rate, Controls())
                    name = f"{clip.name} {kind}"
                    out.append(self._made(name, True, drawn, segment.rate, heard, box, settings))
        return out

    def portraits(self) -> list[Made]:
        """This generator's output of every picture in `portraits` of the data folder that it takes, each with another
        voice."""
        core = TalkingFace.from_pretrained()
        voices = fakes.voices(self.data / "speech", 1)[0]
        out = []
        for number, path in enumerate(sorted((self.data / "portraits").glob("*.jpg"))):
            portrait = fakes.prepare(core, load_photo(path).pixels)
            if portrait is None:
                continue
            rng = np.random.default_rng(zlib.crc32(path.name.encode()))
            motion, voice = fakes.spoken(core, voices[number % len(voices)], SECONDS, Controls(seed=number), rng)
            box = fakes.portrait_box(portrait)
            frames = fakes.render(core, portrait, motion, PORTRAIT_RATE, Controls())
            settings = Settings(int(box[2]), 0, "h264", 23, "veryfast", 50)
            out.append(self._made(path.stem, True, frames, PORTRAIT_RATE, voice, box, settings))
        return out

    @staticmethod
    def _made(
        name: str, fake: bool, frames: list[np.ndarray], rate: float, sound: np.ndarray, box: Any, settings: Settings
    ) -> Made:
        return Made(name, fake, frame_around(frames, box, settings), rate, sound, float(settings.face))


def write(
    made: Made,
    path: Path,
    marked: bool = False,
    canvas: tuple[int, int] | None = None,
    seconds: float = 0.0,
) -> Path:
    """A file of a take. canvas: (width, height) that the frames are put into, enlarged.  seconds: played forth and back
    until that long."""
    frames = made.frames
    if canvas is not None:
        frames = [_on(canvas, frame) for frame in frames]
    order = list(range(len(frames)))
    count = round(seconds * made.rate) if seconds else len(order)
    swing = order + order[-2:0:-1]
    container: Any
    with av.open(str(path), "w") as container:
        rate = Fraction(round(made.rate * 1000), 1000)
        options = {"crf": str(made.crf), "preset": "veryfast"}
        if made.codec == "libvpx-vp9":
            options = {"crf": str(made.crf), "b": "0", "deadline": "realtime", "cpu-used": "8"}
        elif made.codec == "libx265":
            options["x265-params"] = "log-level=none:pools=1"
        video = container.add_stream(made.codec, rate=rate, options=options)
        height, width = (side // 2 * 2 for side in frames[0].shape[:2])
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = Fraction(1, rate.numerator) * rate.denominator
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if len(made.sound) else None
        mark = VideoMark(bytes(range(32))).writer(0x1234567, height // 8 * 8, width // 8 * 8) if marked else None
        for index in range(count):
            frame = frames[swing[index % len(swing)]][:height, :width]
            if mark is not None:
                frame = np.ascontiguousarray(frame[: height // 8 * 8, : width // 8 * 8])
                i420 = rgb_to_i420(frame)
                mark(i420)
                frame = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
                frame = cv2.copyMakeBorder(
                    frame, 0, height - frame.shape[0], 0, width - frame.shape[1], cv2.BORDER_REPLICATE
                )
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts = index
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if sound is not None:
            heard = made.sound if not seconds else np.resize(made.sound, round(seconds * SAMPLE_RATE))
            block = av.AudioFrame.from_ndarray(heard[None].astype(np.float32), format="fltp", layout="mono")
            block.rate = SAMPLE_RATE
            fifo = av.AudioFifo()
            fifo.write(block)
            while (part := fifo.read(1024, partial=True)) is not None:
                container.mux(sound.encode(part))
            container.mux(sound.encode(None))
    return path


def _on(canvas: tuple[int, int], frame: np.ndarray) -> np.ndarray:
    width, height = canvas
    side = height
    square = cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC)
    left = (width - side) // 2
    return cv2.copyMakeBorder(square, 0, 0, left, width - side - left, cv2.BORDER_REPLICATE)


def _pixels(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Made], Made]:
    return lambda made: replace(made, frames=[np.ascontiguousarray(change(f)) for f in made.frames])


def _face(pixels: int) -> Callable[[Made], Made]:
    """The face `pixels` large: what is left of it at 720, 360 or 180 lines."""

    def change(made: Made) -> Made:
        side = round(pixels * ROOM / 2) * 2
        small = [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in made.frames]
        return replace(made, frames=small, face=pixels)

    return change


def _rate(rate: float) -> Callable[[Made], Made]:
    def change(made: Made) -> Made:
        times = np.arange(0, len(made.frames) / made.rate - 1e-6, 1 / rate)
        index = np.minimum((times * made.rate + 1e-6).astype(int), len(made.frames) - 1)
        return replace(made, frames=[made.frames[i] for i in index], rate=rate)

    return change


def _noise(frame: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(frame[::16, ::16].tobytes()))
    return np.clip(frame + rng.normal(0, 6, frame.shape), 0, 255).astype(np.uint8)


def _jpeg(frame: np.ndarray) -> np.ndarray:
    coded = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1]


def _gamma(value: float) -> Callable[[np.ndarray], np.ndarray]:
    table = np.clip(255 * (np.arange(256) / 255) ** value, 0, 255).astype(np.uint8)
    return lambda frame: np.asarray(cv2.LUT(frame, table))


def _screen(made: Made) -> Made:
    """Filmed from a screen: another size, softer, another gamma, a little noise, 30 frames a second."""
    bigger = [cv2.resize(f, None, fx=1.23, fy=1.23, interpolation=cv2.INTER_LINEAR) for f in made.frames]
    soft = replace(made, frames=[cv2.GaussianBlur(f, (0, 0), 0.7) for f in bigger])
    return replace(_rate(30)(_pixels(_gamma(0.9))(soft)), crf=28)


CONDITIONS: dict[str, Callable[[Made], Made]] = {
    **{f"H.264 CRF {crf}": (lambda made, crf=crf: replace(made, crf=crf)) for crf in (18, 23, 28, 35, 40)},  # type: ignore[misc]
    "H.265 CRF 28": lambda made: replace(made, codec="libx265", crf=28),
    "VP9 CRF 36": lambda made: replace(made, codec="libvpx-vp9", crf=36),
    "face 120 px": _face(120),
    "face 80 px": _face(80),
    "face 60 px": _face(60),
    "blur 1.2 px": _pixels(lambda f: cv2.GaussianBlur(f, (0, 0), 1.2)),
    "noise 6": _pixels(_noise),
    "JPEG 60 frames": _pixels(_jpeg),
    "15 frames a second": _rate(15),
    "30 frames a second": _rate(30),
    "gamma 0.8": _pixels(_gamma(0.8)),
    "gamma 1.25": _pixels(_gamma(1.25)),
    "filmed from a screen": _screen,
    "sound removed": lambda made: replace(made, sound=np.zeros(0, np.float32)),
    "sound swapped": lambda made: replace(made, sound=np.roll(made.sound[::-1], SAMPLE_RATE)),
}
