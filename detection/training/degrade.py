"""What happens to a video on its way to the detector, drawn at random and alike for real and generated ones.

Both classes arrive as frames in memory and leave as decoded frames: the same framing around the face, the same colour
changes, the same resize, the same encoder settings, the watermark on either by the toss of a coin. Nothing is written
to a file: encoder and decoder are coupled packet by packet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from safety.video_mark import VideoMark
from safety.watermark import rgb_to_i420

ROOM = 1.75  # side of the framed square in face sizes
LONGEST = 2.1  # seconds of a take: rendered and filmed frames do not end at the same moment by themselves
CODECS = {  # name -> encoder, decoder, quality range, probability
    "h264": ("libx264", "h264", (18, 36), 0.72),
    "hevc": ("libx265", "hevc", (20, 36), 0.16),
    "vp9": ("libvpx-vp9", "vp9", (26, 46), 0.12),
}


@dataclass(frozen=True)
class Settings:
    """One draw. face: pixels of the face's longer side after the resize.  rate: frames a second, 0 keeps the source's.
    quality: CRF.  gop: frames between key frames.  gamma, contrast, saturation: factors.  blur, noise: sigma in pixels
    and grey levels, 0 for none.  marked: watermark in the pixels.
    """

    face: int
    rate: int
    codec: str
    quality: int
    preset: str
    gop: int
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    marked: bool = False
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def draw(rng: np.random.Generator, native_face: float, marked: bool | None = None) -> Settings:
    """Random settings for a source whose face is `native_face` pixels large: never much larger than it came."""
    names = list(CODECS)
    codec = str(rng.choice(names, p=[CODECS[n][3] for n in names]))
    low, high = CODECS[codec][2]
    largest = min(230.0, 1.1 * native_face)
    return Settings(
        face=int(np.exp(rng.uniform(np.log(min(80.0, largest * 0.8)), np.log(largest)))),
        rate=int(rng.choice([0, 0, 24, 25, 30])),
        codec=codec,
        quality=int(rng.integers(low, high + 1)),
        preset=str(rng.choice(["ultrafast", "veryfast", "medium"])),
        gop=int(rng.choice([12, 25, 50, 250])),
        gamma=float(np.exp(rng.uniform(-0.15, 0.15))),
        contrast=float(rng.uniform(0.88, 1.12)),
        saturation=float(rng.uniform(0.75, 1.2)),
        blur=float(rng.uniform(0.3, 0.9)) if rng.random() < 0.2 else 0.0,
        noise=float(rng.uniform(0.7, 4.0)) if rng.random() < 0.3 else 0.0,
        marked=bool(rng.random() < 0.5) if marked is None else marked,
        seed=int(rng.integers(2**31)),
    )


def frame_around(frames: Iterable[np.ndarray], box: tuple[float, float, float], settings: Settings) -> list[np.ndarray]:
    """The square around the face at the drawn size, uint8 (S, S, 3). box: centre x, y and face size in pixels."""
    x, y, face = box
    side = int(round(settings.face * ROOM / 16) * 16)  # the mark wants multiples of 8
    step = face / settings.face
    back = np.array([[step, 0, x - side * step / 2], [0, step, y - side * step / 2]])
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    out = []
    for frame in frames:
        if step > 1.25:  # area average first: a plain resample would alias, and differently for either class
            size = (max(2, round(frame.shape[1] / step)), max(2, round(frame.shape[0] / step)))
            small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
            shrink = np.array([size[0] / frame.shape[1], size[1] / frame.shape[0]])
            moved = back * shrink[:, None]
        else:
            small, moved = frame, back
        out.append(cv2.warpAffine(small, moved, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE))
    return out


def retime(frames: Sequence[np.ndarray], times: np.ndarray, rate: float) -> list[np.ndarray]:
    """Frames at `rate` a second, LONGEST seconds at most: the one shown at each moment. times: (N,) seconds."""
    wanted = np.arange(times[0], min(times[-1], times[0] + LONGEST) + 1e-6, 1 / rate)
    return [frames[i] for i in np.clip(np.searchsorted(times, wanted + 1e-4) - 1, 0, len(frames) - 1)]


def tint(frames: list[np.ndarray], settings: Settings) -> list[np.ndarray]:
    """Colour, blur and noise."""
    rng = np.random.default_rng(settings.seed)
    table = 255 * (np.arange(256) / 255) ** settings.gamma
    table = np.clip(128 + (table - 128) * settings.contrast, 0, 255).astype(np.uint8)
    out = []
    for frame in frames:
        frame = cv2.LUT(frame, table)
        if abs(settings.saturation - 1) > 0.02:
            grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            frame = cv2.addWeighted(frame, settings.saturation, grey, 1 - settings.saturation, 0)
        if settings.blur:
            frame = cv2.GaussianBlur(frame, (0, 0), settings.blur)
        if settings.noise:
            grain = rng.standard_normal(frame.shape[:2], np.float32)[..., None] * settings.noise
            frame = np.clip(frame + grain, 0, 255).astype(np.uint8)
        out.append(frame)
    return out


def transcode(frames: Iterable[np.ndarray], rate: float, settings: Settings) -> tuple[list[np.ndarray], int]:
    """Through the drawn encoder and back, in memory: decoded uint8 (H, W, 3) frames, and the bytes it took."""
    encoder, decoder, *_ = CODECS[settings.codec]
    options = {"crf": str(settings.quality), "g": str(settings.gop)}
    if settings.codec == "vp9":
        options |= {"b": "0", "deadline": "realtime", "cpu-used": "8"}
    else:
        options |= {"preset": settings.preset if settings.codec == "h264" else "ultrafast"}
    if settings.codec == "hevc":
        options |= {"x265-params": f"log-level=none:keyint={settings.gop}:pools=none:frame-threads=1"}
    write: Any = av.CodecContext.create(encoder, "w")
    read: Any = av.CodecContext.create(decoder, "r")
    write.thread_count = read.thread_count = 1
    mark = None
    out: list[np.ndarray] = []
    size = 0

    def take(packets: list[Any]) -> None:
        nonlocal size
        for packet in packets:
            size += packet.size
            out.extend(f.to_ndarray(format="rgb24") for f in read.decode(packet))

    rng = np.random.default_rng(settings.seed + 1)
    for index, frame in enumerate(frames):
        height, width = frame.shape[:2]
        if index == 0:
            write.width, write.height, write.pix_fmt = width, height, "yuv420p"
            write.time_base, write.framerate = Fraction(1, round(rate * 100)) * 100, Fraction(round(rate * 100), 100)
            write.options = options
            if settings.marked:
                mark = VideoMark(rng.bytes(32)).writer(int(rng.integers(1, 1 << 30)), height, width)
        i420 = rgb_to_i420(frame)
        if mark is not None:
            mark(i420)
        picture = av.VideoFrame.from_ndarray(i420, format="yuv420p")
        picture.pts = index
        take(write.encode(picture))
    take(write.encode(None))
    out.extend(f.to_ndarray(format="rgb24") for f in read.decode(None))
    return out, size


def degrade(
    frames: Sequence[np.ndarray], times: np.ndarray, box: tuple[float, float, float], settings: Settings
) -> tuple[list[np.ndarray], float, int]:
    """The whole way: (decoded frames, their rate, bytes). times: (N,) seconds, box as in `frame_around`."""
    own = (len(times) - 1) / max(float(times[-1] - times[0]), 1e-3)
    rate = float(settings.rate or min(30, round(own)))
    framed = tint(frame_around(retime(frames, times, rate), box, settings), settings)
    decoded, size = transcode(framed, rate, settings)
    return decoded, rate, size
