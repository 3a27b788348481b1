"""What happens to a video on its way through the world: the attacks of the watermark's tables.

Frames are I420 as the encoder takes them, uint8 (H * 3 // 2, W), at 40 frames per second. `GOALS` must leave the id
readable in every clip; what happens after `OTHERS` is reported.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np

from safety.watermark import rgb_to_i420

Frames = list[np.ndarray]
Attack = Callable[[Frames], Frames]
SIZE, FPS = 512, 40
PRESETS = {
    "libx264": {"preset": "veryfast"},
    "libx265": {"preset": "veryfast", "x265-params": "log-level=none:pools=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "b": "0"},
    "libsvtav1": {"preset": "9", "svtav1-params": "lp=1"},
}


def recode(frames: Iterable[np.ndarray], crf: int, codec: str = "libx264", fps: int = FPS) -> Frames:
    """Encode I420 frames and decode them again."""
    return decoded(encoded(frames, crf, codec, fps))


def encoded(frames: Iterable[np.ndarray], crf: int, codec: str = "libx264", fps: int = FPS) -> bytes:
    """I420 frames as an MP4 without sound."""
    buffer = io.BytesIO()
    container: Any
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = None
        for index, i420 in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options={"crf": str(crf), **PRESETS[codec]})
                stream.height, stream.width, stream.pix_fmt = i420.shape[0] * 2 // 3, i420.shape[1], "yuv420p"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(i420), format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode(None))
    return buffer.getvalue()


def decoded(mp4: bytes) -> Frames:
    with av.open(io.BytesIO(mp4), "r") as container:
        return [picture.to_ndarray() for picture in container.decode(video=0)]


def resized(frames: Frames, height: int, width: int) -> Frames:
    pictures = (av.VideoFrame.from_ndarray(frame, format="yuv420p") for frame in frames)
    return [picture.reformat(width, height, interpolation="BICUBIC").to_ndarray() for picture in pictures]


def cropped(frames: Frames, left: int, top: int, side: int) -> Frames:
    return pixels(lambda rgb: rgb[top : top + side, left : left + side])(frames)


def pixels(change: Callable[[np.ndarray], np.ndarray]) -> Attack:
    """An attack on RGB pixels."""

    def attack(frames: Frames) -> Frames:
        rgb = (cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420) for frame in frames)
        return [rgb_to_i420(np.ascontiguousarray(change(picture))) for picture in rgb]

    return attack


def spliced(frames: Frames, stranger: Frames) -> Frames:
    """The clip in the middle of somebody else's video, three times as long."""
    filler = [stranger[index % len(stranger)] for index in range(len(frames))]
    return recode([*filler, *frames, *filler], 23)


def _turn(degrees: float) -> Callable[[np.ndarray], np.ndarray]:
    matrix = cv2.getRotationMatrix2D((SIZE / 2 - 0.5, SIZE / 2 - 0.5), degrees, 1.0)
    return lambda rgb: cv2.warpAffine(rgb, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)


def _jpeg(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR))


def _noise(rgb: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(int(rgb[::64, ::64].sum()))
    return np.clip(rgb + rng.normal(0, 8, rgb.shape), 0, 255).astype(np.uint8)


def _screen(frames: Frames) -> Frames:
    """Filmed from a screen: another size, another gamma, 30 of 40 frames, CRF 28."""
    gamma = np.array([255 * (level / 255) ** 0.9 for level in range(256)], np.uint8)
    shown = [frame for index, frame in enumerate(resized(frames, 640, 640)) if index % 4]
    return recode(pixels(lambda rgb: gamma[rgb])(shown), 28, fps=30)


def _twenty_five(frames: Frames) -> Frames:
    return [frames[index] for index in range(len(frames)) if index % 8 in (0, 2, 3, 5, 6)]


GOALS: dict[str, Attack] = {
    "delivered (CRF 18)": lambda f: f,
    "CRF 28": lambda f: recode(f, 28),
    "CRF 23 then 28": lambda f: recode(recode(f, 23), 28),
    "CRF 32": lambda f: recode(f, 32),
    "50 % size, CRF 23": lambda f: recode(resized(f, SIZE // 2, SIZE // 2), 23),
    "crop to 80 %, CRF 23": lambda f: recode(cropped(f, 46, 60, 408), 23),
    "25 fps, CRF 23": lambda f: recode(_twenty_five(f), 23, fps=25),
    "mirrored, CRF 23": lambda f: recode(pixels(lambda rgb: rgb[:, ::-1])(f), 23),
    "letterbox, CRF 23": lambda f: recode(
        pixels(lambda rgb: cv2.copyMakeBorder(rgb, 0, 0, 200, 200, cv2.BORDER_CONSTANT))(f), 23
    ),
    "brightness +30, CRF 23": lambda f: recode(pixels(lambda rgb: cv2.convertScaleAbs(rgb, beta=30))(f), 23),
    "contrast 0.8, CRF 23": lambda f: recode(pixels(lambda rgb: cv2.convertScaleAbs(rgb, alpha=0.8, beta=25))(f), 23),
    "H.265 CRF 28": lambda f: recode(f, 28, "libx265"),
}
OTHERS: dict[str, Attack] = {
    "25 % size, CRF 23": lambda f: recode(resized(f, SIZE // 4, SIZE // 4), 23),
    "200 % size, CRF 28": lambda f: recode(resized(f, 2 * SIZE, 2 * SIZE), 28),
    "filmed from a screen": _screen,
    "noise 8, CRF 23": lambda f: recode(pixels(_noise)(f), 23),
    "blur 1 px, CRF 23": lambda f: recode(pixels(lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 1.0))(f), 23),
    "blur 2 px, CRF 23": lambda f: recode(pixels(lambda rgb: cv2.GaussianBlur(rgb, (0, 0), 2.0))(f), 23),
    "JPEG 60 frames": pixels(_jpeg),
    "VP9 CRF 36": lambda f: recode(f, 36, "libvpx-vp9"),
    "AV1 CRF 40": lambda f: recode(f, 40, "libsvtav1"),
    "turned 1 degree, CRF 23": lambda f: recode(pixels(_turn(1.0))(f), 23),
    "CRF 36": lambda f: recode(f, 36),
}
