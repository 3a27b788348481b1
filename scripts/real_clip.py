"""Make demo/samples/real.mp4: a hand-held look at a real photograph, with room noise; nothing in it is generated.

    python scripts/real_clip.py

The photograph is NASA's portrait of Eileen Collins (public domain), as it ships with the samples.
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "demo" / "samples"
SECONDS, FPS, SIDE, RATE = 4, 25, 512, 48_000


def main() -> None:
    photo = np.asarray(Image.open(FOLDER / "astronaut.jpg").convert("RGB"))
    noise = np.random.default_rng(0)
    drift = cv2.GaussianBlur(noise.normal(0, 60, (SECONDS * FPS, 2)).astype(np.float32), (1, 0), 12)  # pixels
    with av.open(str(FOLDER / "real.mp4"), "w", options={"movflags": "faststart"}) as sink:
        picture = sink.add_stream(
            "libx264", rate=FPS, width=SIDE, height=SIDE, pix_fmt="yuv420p", options={"crf": "21"}
        )
        sound = sink.add_stream("aac", rate=RATE, layout="mono")
        for number in range(SECONDS * FPS):
            zoom = photo.shape[1] / SIDE * (1 - 0.12 * number / (SECONDS * FPS))
            x, y = photo.shape[1] / 2 + drift[number, 0], photo.shape[0] / 2 - 20 + drift[number, 1]
            view = np.float32([[zoom, 0, x - zoom * SIDE / 2], [0, zoom, y - zoom * SIDE / 2]])
            flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
            frame = cv2.warpAffine(photo, view, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REFLECT)
            frame = np.clip(frame + noise.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
            sink.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        hiss = (noise.normal(0, 120, SECONDS * RATE)).astype(np.int16)[None]
        for start in range(0, hiss.shape[1], 1024):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(hiss[:, start : start + 1024]), "s16", "mono")
            part.sample_rate, part.pts = RATE, start
            sink.mux(sound.encode(part))
        for stream in (picture, sound):
            sink.mux(stream.encode(None))


if __name__ == "__main__":
    main()
