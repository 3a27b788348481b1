"""Suspect files as streams of upright pictures: nothing of their length is ever held in memory.

A short clip is read whole, a long one in spans spread evenly over it. Damaged packets are skipped and counted.
"""

from __future__ import annotations

import time as clock
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NoReturn

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame

from detection.errors import UnreadableSuspect
from vasa_core.types import MOTION_RATE, SAMPLE_RATE

# Self-contained formats only: playlists name other files and addresses, and text art makes a "video" of any text.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,ogg,h264,hevc,ivf,gif,yuv4mpegpipe,"
    "jpeg_pipe,png_pipe,apng,webp_pipe,tiff_pipe,bmp_pipe,jpegxl_pipe"
)
PICTURES = {"jpeg_pipe", "png_pipe", "webp_pipe", "tiff_pipe", "bmp_pipe", "jpegxl_pipe"}
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
MAX_PIXELS = 40_000_000  # per frame: a few bytes can ask for gigabytes
MAX_BYTES = 8 << 30
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}  # ITU-T H.273, table 3


@dataclass(frozen=True)
class ReadingConfig:
    rate: int = MOTION_RATE  # pictures per second looked at
    longest_side: int = 1280  # pixels; larger pictures are made smaller before anything looks at them
    whole: float = 24.0  # seconds that are read without gaps
    share: float = 0.25  # of what lies beyond
    most: float = 80.0  # seconds read of any file
    span: float = 4.0  # seconds read at one place of a long file
    patience: float = 240.0  # seconds of work on one file, after which what has been read must do
    most_damage: int = 400  # damaged packets in a row after which a stream is given up


@dataclass(frozen=True)
class Facts:
    """What the container says. seconds: 0 when unknown; hdr: name of the transfer function, "" for SDR."""

    format: str
    codec: str
    width: int
    height: int
    seconds: float
    fps: float
    sound: bool
    hdr: str = ""
    rotated: bool = False
    picture: bool = False


@dataclass
class Damage:
    """What could not be read. Filled while reading."""

    packets: int = 0
    frames: int = 0
    out_of_time: bool = False


@dataclass(frozen=True)
class Picture:
    """time: seconds since the stream began.  pixels: uint8 (H, W, 3) RGB, upright.  shrink: pixels here per pixel of
    the file, at most 1."""

    time: float
    pixels: np.ndarray
    shrink: float = 1.0


class Suspect:
    """An open file. A context manager; use it from one thread. Raises UnreadableSuspect."""

    def __init__(self, path: str | Path, config: ReadingConfig = ReadingConfig()) -> None:
        self.path, self.config = Path(path), config
        self.damage = Damage()
        self._file = _open_file(self.path)
        try:
            self._container = _open_container(self._file, self.path.name)
            self.facts = self._read_facts()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Suspect:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        container = getattr(self, "_container", None)
        if container is not None:
            container.close()
        self._file.close()

    def spans(self) -> list[tuple[float, float]]:
        """(from, to) in seconds that will be read, in order. One span for a short file or one of unknown length."""
        total, c = self.facts.seconds, self.config
        if total <= c.whole:
            return [(0.0, total or c.most)]
        read = min(c.most, c.whole + c.share * (total - c.whole))
        count = max(2, round(read / c.span))
        return [(float(t), float(t) + c.span) for t in np.linspace(0, total - c.span, count)]

    def pictures(self, start: float, end: float, deadline: float) -> Iterator[Picture]:
        """Pictures from `start` to `end` at no more than `rate` a second. deadline: of `time.monotonic`."""
        stream = self._container.streams.video[0]
        began = float((stream.start_time or 0) * (stream.time_base or 0))
        if start > 0 and stream.time_base:
            with suppress(FFmpegError):
                self._container.seek(int((start + began) / stream.time_base), stream=stream)
        last = -1
        for index, frame in enumerate(self._frames()):
            time = frame.time - began if frame.time is not None else start + index / max(self.facts.fps, 1.0)
            if clock.monotonic() > deadline:
                self.damage.out_of_time = True
                return
            if time >= end:
                return
            tick = round(time * self.config.rate)
            if time < start or tick <= last:
                continue
            last = tick
            picture = self._picture(frame, time)
            if picture is not None:
                yield picture

    def sound(self) -> np.ndarray:
        """float32 (n,) mono at 16 kHz of at most 5 minutes, beginning with the pictures; empty without sound."""
        if not self.facts.sound:
            return np.zeros(0, np.float32)
        with self.path.open("rb") as file, _open_container(file, self.path.name) as container:
            return _read_sound(container)

    def _frames(self) -> Iterator[VideoFrame]:
        """Decoded frames; damaged packets are skipped."""
        stream = self._container.streams.video[0]
        bad = 0
        packets = self._container.demux(stream)
        while bad <= self.config.most_damage:
            try:
                packet = next(packets)
                frames = packet.decode()
                bad = 0
            except StopIteration:
                return
            except (FFmpegError, ValueError) as error:
                if isinstance(error, av.error.EOFError):
                    return
                self.damage.packets += 1
                bad += 1
                continue
            yield from frames  # type: ignore[misc]

    def _picture(self, frame: VideoFrame, time: float) -> Picture | None:
        shrink = min(1.0, self.config.longest_side / max(frame.width, frame.height))
        try:
            if shrink < 1:
                width, height = (max(2, round(side * shrink / 2) * 2) for side in (frame.width, frame.height))
                frame = frame.reformat(width, height, "rgb24", interpolation="AREA")
            pixels = frame.to_ndarray(format="rgb24")
        except (FFmpegError, ValueError, MemoryError):
            self.damage.frames += 1
            return None
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        return Picture(time, np.ascontiguousarray(np.rot90(pixels, turns)), shrink)

    def _read_facts(self) -> Facts:
        container, name = self._container, self.path.name
        streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            raise UnreadableSuspect(f"'{name}' has no pictures. Give a video.")
        stream, codec = streams[0], streams[0].codec_context
        if codec.width * codec.height > MAX_PIXELS:
            raise UnreadableSuspect(
                f"'{name}' has {codec.width} x {codec.height} pixels; make it smaller, {MAX_PIXELS:,} are the most."
            )
        stream.thread_type = "AUTO"
        codec.options = {"max_pixels": str(MAX_PIXELS)}  # files may change size midway
        seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        if not seconds and container.duration:
            seconds = container.duration / 1e6
        kind = container.format.name
        return Facts(
            format=kind,
            codec=codec.name,
            width=codec.width,
            height=codec.height,
            seconds=max(0.0, seconds),
            fps=float(stream.average_rate or stream.guessed_rate or MOTION_RATE),
            sound=bool(container.streams.audio),
            hdr=HDR_TRANSFERS.get(int(getattr(codec, "color_trc", 0) or 0), ""),
            picture=kind in PICTURES,
        )


@dataclass
class _Nameless:
    """A file without its name: FFmpeg takes names for patterns of picture sequences, and endings for formats."""

    file: BinaryIO
    read: object = field(init=False)
    seek: object = field(init=False)
    tell: object = field(init=False)

    def __post_init__(self) -> None:
        self.read, self.seek, self.tell = self.file.read, self.file.seek, self.file.tell


def _open_file(path: Path) -> BinaryIO:
    name = path.name or str(path)
    try:
        if not path.is_file():
            raise UnreadableSuspect(
                f"There is no file '{name}'. Check the path."
                if not path.exists()
                else f"'{name}' is not a file. Give a video or a folder of videos."
            )
        size = path.stat().st_size
        if size == 0:
            raise UnreadableSuspect(f"'{name}' is empty. Copy it again.")
        if size > MAX_BYTES:
            raise UnreadableSuspect(f"'{name}' is larger than {MAX_BYTES >> 30} GiB. Cut out the part in question.")
        return path.open("rb")
    except (OSError, ValueError):
        raise UnreadableSuspect(f"'{name}' cannot be opened. Check that you may read it.") from None


def _open_container(file: BinaryIO, name: str) -> InputContainer:
    try:
        return av.open(_Nameless(file), "r", options=OPTIONS, metadata_errors="ignore", io_open=_refuse)
    except Exception:  # FFmpegError, ValueError or OSError, depending on what is wrong
        raise UnreadableSuspect(f"'{name}' is not a video that can be read here. Use MP4, MOV or WebM.") from None


def _read_sound(container: InputContainer) -> np.ndarray:
    parts: list[np.ndarray] = []
    total = 0
    first: float | None = None
    try:
        resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE)
        for frame in container.decode(container.streams.audio[0]):
            if first is None:
                first = float(frame.time or 0.0)
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray()[0])
                total += len(parts[-1])
            if total > 300 * SAMPLE_RATE:
                break
    except (FFmpegError, ValueError, OSError, MemoryError):
        pass  # what was readable must do
    if not parts:
        return np.zeros(0, np.float32)
    sound = np.nan_to_num(np.concatenate(parts).astype(np.float32), posinf=0, neginf=0).clip(-1, 1)
    video = container.streams.video[0]
    lead = (first or 0.0) - float((video.start_time or 0) * (video.time_base or 0))
    shift = round(lead * SAMPLE_RATE)
    if abs(shift) > 10 * SAMPLE_RATE:
        return sound
    return np.concatenate([np.zeros(shift, np.float32), sound]) if shift > 0 else sound[-shift:]


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"a video may not open '{url}'")


__all__ = ["Damage", "Facts", "Picture", "ReadingConfig", "Suspect"]
