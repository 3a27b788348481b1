"""Whether covered mouths are noticed, and uncovered ones left alone.

    python -m benchmarks.covered PICTURES_OR_VIDEOS... [--most 30]

Every picture (of a video: its first and its middle frame) that shows a usable face is tried as it is and three times
with something drawn over the mouth: a mask, a microphone, four fingers in the colour of the skin. Printed per kind:
refused (no human face is found any more), believed (the mouth is held back), told (the face's advice says that
something may cover the mouth), silent.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np

from vasa_core.errors import CandorError
from vasa_core.face.detector import FaceDetector
from vasa_core.face.geometry import CHIN, FOREHEAD, LEFT_EDGE, RIGHT_EDGE
from vasa_core.photo import load_photo
from vasa_core.types import FaceBox

KINDS = ("nothing", "mask", "microphone", "hand")
LOWER_FACE = np.array(
    [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454]
)
MASKS = ((140, 185, 215), (235, 235, 235), (30, 30, 32), (60, 120, 80))
VIDEOS = {".mp4", ".mov", ".webm"}


def pictures(path: Path) -> Iterator[np.ndarray]:
    """uint8 (H, W, 3) of a file."""
    if path.suffix.lower() not in VIDEOS:
        yield load_photo(path).pixels
        return
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    yield frames[0]
    yield frames[len(frames) // 2]


def cover(pixels: np.ndarray, landmarks: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """A copy of a picture with something over the mouth of the face at `landmarks` (478, 3)."""
    rng, shape = np.random.default_rng(seed), pixels.shape[:2]
    points = landmarks[:, :2]
    width = float(np.linalg.norm(points[LEFT_EDGE] - points[RIGHT_EDGE]))
    height = float(np.linalg.norm(points[CHIN] - points[FOREHEAD]))
    across, down = (points[RIGHT_EDGE] - points[LEFT_EDGE]) / width, (points[CHIN] - points[FOREHEAD]) / height
    mouth, mask = (points[13] + points[14]) / 2, np.zeros(shape, np.uint8)
    layer = np.zeros((*shape, 3))

    def whole(point: np.ndarray) -> tuple[int, int]:
        return int(round(point[0])), int(round(point[1]))

    if kind == "mask":
        bridge = [(points[454] + points[195]) / 2, points[197], (points[234] + points[195]) / 2]
        cv2.fillPoly(mask, [np.round(np.vstack([points[LOWER_FACE], bridge])).astype(np.int32)], 1)
        pleats = 1 - 0.12 * (np.sin(np.arange(shape[0]) / (0.05 * height)) > 0.6)
        layer[:] = np.array(MASKS[seed % len(MASKS)], float) * pleats[:, None, None]
    elif kind == "microphone":
        radius, centre = 0.17 * width, mouth + across * width * rng.uniform(-0.05, 0.05) + 0.04 * height * down
        cv2.circle(mask, whole(centre), int(radius), 1, -1)
        end = centre + down * 0.9 * height + across * width * rng.uniform(-0.5, 0.5)
        cv2.line(mask, whole(centre), whole(end), 1, max(int(0.09 * width), 1))
        y, x = np.mgrid[: shape[0], : shape[1]]
        glow = np.hypot(x - centre[0] + 0.4 * radius, y - centre[1] + 0.4 * radius) / (0.4 * radius)
        layer[:] = (38 + 30 * np.exp(-(glow**2)))[..., None] + 8 * rng.normal(size=layer.shape)
    else:
        places = np.clip(np.round(points[[50, 280, 101, 330]]).astype(int), 0, [shape[1] - 1, shape[0] - 1])
        skin = np.median(pixels[places[:, 1], places[:, 0]], axis=0)
        for finger in range(4):
            start = mouth + down * height * (0.075 * finger - 0.06) - 0.45 * width * across
            end = mouth + down * height * (0.07 * finger - 0.08) + across * width * (0.3 - 0.05 * abs(finger - 1))
            one = np.zeros(shape, np.uint8)
            cv2.line(one, whole(start), whole(end), 1, max(int(0.1 * width), 1))
            inner = np.minimum(cv2.distanceTransform(one, cv2.DIST_L2, 3) / (0.05 * width), 1)
            layer = np.where(one[..., None] > 0, skin * (0.65 + 0.4 * inner)[..., None], layer)
            mask |= one
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.006 * width, 0.7))[..., None]
    return np.clip(pixels * (1 - share) + layer * share, 0, 255).astype(np.uint8)


def thinned(files: list[Path], most: int | None) -> list[Path]:
    """At most so many of the files, evenly spread; None keeps all."""
    if most is None or len(files) <= most:
        return files
    return [files[i] for i in np.linspace(0, len(files) - 1, most).astype(int)]


def verdict(face: FaceBox) -> str:
    return "believed" if face.covered else "told" if "cover the mouth" in face.advice else "silent"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--most", type=int, help="at most so many files, evenly spread; of videos only the first frame")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    counts = {kind: Counter[str]() for kind in KINDS}
    seed = 0
    with FaceDetector() as detector:
        for path in thinned(options.files, options.most):
            for pixels in islice(pictures(path), None if options.most is None else 1):
                try:
                    face, _ = detector.choose(pixels)
                except CandorError:
                    continue
                counts["nothing"][verdict(face)] += 1
                for kind in KINDS[1:]:
                    try:
                        hidden, _ = detector.choose(cover(pixels, face.landmarks, kind, seed))
                        counts[kind][verdict(hidden)] += 1
                    except CandorError:
                        counts[kind]["refused"] += 1
                seed += 1
    for kind, count in counts.items():
        print(
            f"{kind:<12}" + "".join(f"{name} {count[name]:4d}   " for name in ("refused", "believed", "told", "silent"))
        )


if __name__ == "__main__":
    main()
