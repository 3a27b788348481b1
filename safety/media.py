"""Looking into files of unknown origin: what they are, a sample of their frames, their sound."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError

from safety.errors import UnreadableVideo

MAX_SIDE = 1280  # larger frames are scaled down before they are looked at
# What FFmpeg may take a file for. Playlists are left out, because they name other files and addresses to open; so is
# its text-art reader, which makes a "video" of any text.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,mpegvideo,ogg,h264,hevc,ivf,gif,yuv4mpegpipe,"
    "jpeg_pipe,png_pipe,apng,webp_pipe,tiff_pipe,bmp_pipe,jpegxl_pipe"
)
OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": ""}
SOUND_OPTIONS = {"format_whitelist": f"{FORMATS},wav,mp3,flac,aac", "protocol_whitelist": ""}
MAX_PIXELS = 80_000_000  # per frame; a few bytes can ask for gigabytes
DECODE_ALL = 1500  # up to this many frames a clip is decoded whole, longer ones are visited in places
FRAMES_PER_PLACE, MOST_PLACES = 5, 60
SECONDS_PER_PLACE = 2.5  # a long clip is visited this often, up to MOST_PLACES times
MOST_SECONDS = 10.0  # of work on one file; then what has been decoded must do
MOST_BYTES = 2 << 30
SOUND_RATE, MOST_SOUND = 48_000, 300  # Hz; seconds


@dataclass(frozen=True)
class Sample:
    """Frames spread over a clip.

    frames: I420, uint8 (H * 3 // 2, W), all of one even size.  seconds: when each is shown.  duration: of the clip,
    seconds, 0 for an image.
    """

    frames: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    duration: float = 0.0

    def windows(self) -> list[list[int]]:
        """Indices of frames that lie together, about a second each and at least three frames; none left out."""
        groups: list[list[int]] = []
        for index, second in enumerate(self.seconds):
            if groups and (second - self.seconds[groups[-1][0]] < 1.0 or len(groups[-1]) < 3):
                groups[-1].append(index)
            else:
                groups.append([index])
        if len(groups) > 1 and len(groups[-1]) < 3:
            groups[-2] += groups.pop()
        return groups


def sniff_mime(path: Path) -> str | None:
    """MIME type by the first bytes, never by the name. None when it is no format that carries C2PA or frames."""
    with path.open("rb") as file:
        head = file.read(32)
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in (b"avif", b"avis"):
            return "image/avif"
        if brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
            return "image/heic"
        return {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4"}.get(brand, "video/mp4")
    riff = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/avi"}
    if head[:4] == b"RIFF":
        return riff.get(head[8:12])
    for magic, mime in (
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF8", "image/gif"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"fLaC", "audio/flac"),
        (b"ID3", "audio/mpeg"),
    ):
        if head.startswith(magic):
            return mime
    return None


def sample_frames(path: Path, count: int = 60) -> list[np.ndarray]:
    """Up to `count` frames spread over a video, or the one frame of an image.

    Each is I420, uint8 (H * 3 // 2, W), all of one even size; sides above 1280 pixels are scaled down.
    Raises UnreadableVideo when nothing can be decoded.
    """
    return sample_clip(path, count).frames


def sample_clip(path: Path, count: int = 60) -> Sample:
    """As `sample_frames`, with times. A clip of minutes gives more frames than `count`, five for every place visited.

    It stops after ten seconds of work with what it has. Raises UnreadableVideo.
    """
    frames: list[np.ndarray] = []
    seconds: list[float] = []
    duration = 0.0
    deadline = time.monotonic() + MOST_SECONDS
    try:
        with (
            path.open("rb") as file,
            av.open(_Nameless(file), "r", options=OPTIONS, metadata_errors="ignore") as container,
        ):
            if not container.streams.video:
                raise UnreadableVideo(f"{path.name} has no picture. Give a video or an image.")
            codec = container.streams.video[0].codec_context
            if codec is None:
                raise ValueError("no decoder")
            if codec.width * codec.height > MAX_PIXELS:
                size = f"{codec.width} x {codec.height} pixels"
                raise UnreadableVideo(f"{path.name} has {size}; give a video or image of at most {MAX_PIXELS:,}.")
            stream = container.streams.video[0]
            duration = float((stream.duration or 0) * (stream.time_base or 0))
            start = float((stream.start_time or 0) * (stream.time_base or 0))
            for picture in _spread(container, count):
                frames.append(_to_i420(picture, frames[0].shape if frames else None))
                seconds.append(max(0.0, (picture.time or 0.0) - start))
                if time.monotonic() > deadline:
                    break
    except (FFmpegError, ValueError, OSError, MemoryError) as error:
        if not frames:  # a broken end does not take away what was readable
            reason = _reason(error)
            raise UnreadableVideo(f"{path.name} cannot be decoded ({reason}). Give a video or an image.") from error
    if not frames:
        raise UnreadableVideo(f"{path.name} holds no frames. Give a video or an image.")
    return Sample(frames, seconds, max(duration, seconds[-1]) if len(frames) > 1 else 0.0)


def read_sound(path: Path) -> np.ndarray | None:
    """The first five minutes of the first sound track: int16 (n,) mono at 48 kHz; None when there is none to decode."""
    parts: list[np.ndarray] = []
    total, deadline = 0, time.monotonic() + MOST_SECONDS
    try:
        with (
            path.open("rb") as file,
            av.open(_Nameless(file), "r", options=SOUND_OPTIONS, metadata_errors="ignore") as container,
        ):
            if not container.streams.audio:
                return None
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SOUND_RATE)
            for frame in container.decode(container.streams.audio[0]):
                for piece in resampler.resample(frame):
                    parts.append(piece.to_ndarray().reshape(-1))
                    total += len(parts[-1])
                if total >= MOST_SOUND * SOUND_RATE or time.monotonic() > deadline:
                    break
    except (FFmpegError, ValueError, OSError, MemoryError):
        pass  # a broken end does not take away what was readable
    return np.concatenate(parts) if parts else None


class _Nameless:
    """A file without its name: FFmpeg takes names for patterns of picture sequences, and endings for formats."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _spread(container: InputContainer, count: int):  # type: ignore[no-untyped-def]  # generator of av.VideoFrame
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    # A few bytes can ask for gigabytes midway, whatever the header said: the decoder refuses before it allocates.
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    total = stream.frames
    if not total and stream.duration and stream.average_rate and stream.time_base:
        total = int(stream.duration * stream.time_base * stream.average_rate)
    if total <= DECODE_ALL or not stream.duration:
        step = max(1, -(-total // count))
        for index, picture in enumerate(container.decode(stream)):
            if index % step == 0:
                yield picture
            if index >= count * step - 1:  # more frames than it said
                return
        return
    seconds = float(stream.duration * stream.time_base) if stream.time_base else 0.0
    # A seek ends at a keyframe, so places of one group of pictures show the same frames; nothing is decoded in between.
    places = min(MOST_PLACES, max(count // FRAMES_PER_PLACE, round(seconds / SECONDS_PER_PLACE)))
    for place in range(places):
        container.seek(int(stream.duration * place / places) + (stream.start_time or 0), stream=stream)
        for index, picture in enumerate(container.decode(stream)):
            if index >= FRAMES_PER_PLACE:
                break
            yield picture


def _to_i420(picture: av.VideoFrame, shape: tuple[int, ...] | None) -> np.ndarray:
    if shape is not None:  # some files change size midway; the first frame decides
        height, width = shape[0] * 2 // 3, shape[1]
    else:
        shrink = min(1.0, MAX_SIDE / max(picture.height, picture.width))
        height, width = (max(2, int(side * shrink) // 2 * 2) for side in (picture.height, picture.width))
    if (picture.format.name, picture.height, picture.width) == ("yuv420p", height, width):
        return picture.to_ndarray()
    # Matrix and range as in our own files (BT.601, limited), whatever the source used.
    scaled = picture.reformat(
        width, height, "yuv420p", dst_colorspace="ITU601", dst_color_range="MPEG", interpolation="AREA"
    )
    return scaled.to_ndarray()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
