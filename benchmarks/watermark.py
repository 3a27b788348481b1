"""What the watermark costs, what it does to the picture, and what it survives.

    python -m benchmarks.watermark [--seconds 2] [--clips FOLDER]

Every clip is marked and encoded as the seal does it (CRF 18); that file is then attacked and read again. `--clips`
adds the videos of a folder. Printed per clip: CPU time per frame, PSNR against the unmarked frames, and after every
attack whether the id was recovered, the pilot's score, corrected code bits and right bits of the chroma mark.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from skimage.data import astronaut

from safety.chroma_mark import id_bits
from safety.video_mark import VideoMark
from safety.watermark import rgb_to_i420

Frames = list[np.ndarray]  # I420, uint8 (H * 3 // 2, W)
SIZE, FPS = 512, 40
KEY, MARK_ID = b"benchmark key, not a secret one.", 0x1A2B3C4D


def portrait(seconds: float) -> Iterator[np.ndarray]:
    """The astronaut, swaying and breathing: smooth, noiseless and very compressible, as rendered video is."""
    picture = astronaut()[:300, 80:380]
    for i in range(round(seconds * FPS)):
        angle, scale = 2.5 * np.sin(i / 11), SIZE / 300 * (1 + 0.02 * np.sin(i / 17))
        turn = cv2.getRotationMatrix2D((150, 150), angle, scale)
        turn[:, 2] += (SIZE / 2 - 150 + 6 * np.sin(i / 23), SIZE / 2 - 150 + 3 * np.sin(i / 9))
        yield cv2.warpAffine(picture, turn, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def backdrop(seconds: float) -> Iterator[np.ndarray]:
    """A plain backdrop with a moving disc: where a mark is easiest to see and the encoder keeps least of it."""
    rng = np.random.default_rng(0)
    across = np.linspace(150, 190, SIZE, dtype=np.float32)
    plain = np.repeat(np.add.outer(across, across - 170)[..., None], 3, 2) * np.array([0.9, 0.95, 1.0], np.float32)
    noise = rng.normal(0, 1, (SIZE, SIZE, 1)).astype(np.float32)
    for i in range(round(seconds * FPS)):
        frame = np.clip(plain + noise, 0, 255).astype(np.uint8)
        centre = (int(256 + 40 * np.sin(i / 15)), int(280 + 10 * np.sin(i / 7)))
        cv2.circle(frame, centre, 130, (205, 160, 135), -1, cv2.LINE_AA)
        yield frame


def texture(seconds: float) -> Iterator[np.ndarray]:
    """Moving noise of several scales: the host that drowns a weak mark."""
    rng = np.random.default_rng(1)
    layers = [cv2.GaussianBlur(rng.normal(0, 1, (1024, 1024, 3)), (0, 0), sigma) * sigma for sigma in (1.5, 6, 24)]
    field = np.clip(128 + 22 * np.sum(layers, axis=0), 0, 255).astype(np.uint8)
    for i in range(round(seconds * FPS)):
        y, x = int(200 + 150 * np.sin(i / 40)), int(200 + 3 * i % 300)
        yield field[y : y + SIZE, x : x + SIZE]


def video(path: Path, seconds: float) -> Iterator[np.ndarray]:
    """The start of a file, fitted to 512 x 512."""
    with av.open(str(path)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            if index >= seconds * FPS:
                return
            yield cv2.resize(picture.to_ndarray(format="rgb24"), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def recode(frames: Iterable[np.ndarray], crf: int, codec: str = "libx264") -> Frames:
    """Encode I420 frames and decode them again."""
    buffer = io.BytesIO()
    options = {"crf": str(crf), "preset": "veryfast"}
    if codec == "libx265":
        options["x265-params"] = "log-level=none:pools=1"
    container: Any
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = None
        for index, i420 in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=FPS, options=options)
                stream.height, stream.width, stream.pix_fmt = i420.shape[0] * 2 // 3, i420.shape[1], "yuv420p"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(i420), format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer) as container:
        return [picture.to_ndarray() for picture in container.decode(video=0)]


def resized(frames: Frames, height: int, width: int) -> Frames:
    pictures = (av.VideoFrame.from_ndarray(frame, format="yuv420p") for frame in frames)
    return [picture.reformat(width, height, interpolation="BICUBIC").to_ndarray() for picture in pictures]


def cropped(frames: Frames, left: int, top: int, side: int) -> Frames:
    def cut(i420: np.ndarray) -> np.ndarray:
        rgb = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
        return rgb_to_i420(np.ascontiguousarray(rgb[top : top + side, left : left + side]))

    return [cut(frame) for frame in frames]


ATTACKS: dict[str, Callable[[Frames], Frames]] = {
    "delivered (CRF 18)": lambda f: f,
    "CRF 23": lambda f: recode(f, 23),
    "CRF 28": lambda f: recode(f, 28),
    "CRF 23 then 28": lambda f: recode(recode(f, 23), 28),
    "50 % size, CRF 23": lambda f: recode(resized(f, SIZE // 2, SIZE // 2), 23),
    "crop to 80 %, CRF 23": lambda f: recode(cropped(f, 46, 60, 408), 23),
    "25 fps, CRF 23": lambda f: recode(f[::8] + f[3::8] + f[5::8], 23),
    "H.265 CRF 28": lambda f: recode(f, 28, "libx265"),
    "mirrored, CRF 23": lambda f: recode([_mirror(frame) for frame in f], 23),
}


def _mirror(i420: np.ndarray) -> np.ndarray:
    return rgb_to_i420(np.ascontiguousarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)[:, ::-1]))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(np.float32) - b) ** 2))))


def report(name: str, frames: Sequence[np.ndarray], attacks: dict[str, Callable[[Frames], Frames]]) -> None:
    marker = VideoMark(KEY)
    write = marker.writer(MARK_ID, SIZE, SIZE)
    write_luma = marker.luma.writer(MARK_ID, SIZE, SIZE)
    started = time.process_time()
    plain = [rgb_to_i420(frame) for frame in frames]
    convert = time.process_time() - started
    marked = [frame.copy() for frame in plain]
    started = time.process_time()
    for frame in marked:
        write(frame)
    both = time.process_time() - started
    luma_only = [frame.copy() for frame in plain]
    started = time.process_time()
    for frame in luma_only:
        write_luma(frame)
    luma = time.process_time() - started
    per_frame = 1000 / len(frames)
    decoded = [cv2.cvtColor(frame, cv2.COLOR_YUV2RGB_I420) for frame in (plain[0], marked[0])]
    print(
        f"{name}: {len(frames)} frames; ms per frame: RGB to I420 {convert * per_frame:.2f}, "
        f"luma {luma * per_frame:.2f}, "
        f"chroma {(both - luma) * per_frame:.2f}; PSNR luma {psnr(plain[0][:SIZE], marked[0][:SIZE]):.1f}, "
        f"RGB {psnr(*decoded):.1f} dB"
    )
    delivered = recode(marked, 18)
    for attack, apply in attacks.items():
        copy = apply(delivered)
        started = time.process_time()
        reading = marker.luma.read(copy[:: max(1, len(copy) // 60)])
        took = time.process_time() - started
        same_size = copy[0].shape == plain[0].shape
        bits = np.array(id_bits(marker.chroma.read(copy[::8]).id)) == id_bits(MARK_ID)
        ok = reading.found and reading.id == MARK_ID
        chroma = f"{bits.mean():.0%}" if same_size else "-"
        print(
            f"  {attack:22} id {'ok  ' if ok else 'LOST'} score {reading.score:5.1f}  corrected {reading.errors:2}  "
            f"scale {reading.scale:.3f}  chroma {chroma:>4}  {took:.2f} s"
        )
    nothing = marker.luma.read(plain[:: max(1, len(plain) // 60)])
    print(f"  {'unmarked':22} {'FALSE ALARM' if nothing.found else 'nothing'} score {nothing.score:5.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clips", type=Path, help="folder of videos to add")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for make in (portrait, backdrop, texture):
        report(make.__name__, list(make(options.seconds)), ATTACKS)
    for path in sorted(options.clips.iterdir()) if options.clips else []:
        if path.suffix == ".mp4":
            report(path.name, list(video(path, options.seconds)), ATTACKS)


if __name__ == "__main__":
    main()
