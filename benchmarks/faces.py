"""How surely and how fast faces are found.

    python -m benchmarks.faces [PICTURE ...]

Prints for every picture the time to read it and to search it, and for every candidate its score, whether it counts as
human, its size and head angles. Without pictures: the two sample portraits, and pictures without a human face.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from vasa_core.errors import CandorError
from vasa_core.face.detector import DetectorConfig, FaceDetector
from vasa_core.photo import load_photo

OTHERS = ("chelsea", "coffee", "rocket", "horse", "page", "coins", "moon", "clock")


def built_in() -> dict[str, np.ndarray]:
    """Pictures that come with the development packages: name -> uint8 (H, W, 3)."""
    import matplotlib.cbook
    import skimage.data

    hopper = load_photo(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))).pixels
    pictures = {"hopper": hopper, "astronaut": skimage.data.astronaut()}
    for name in OTHERS:
        picture = np.asarray(getattr(skimage.data, name)())
        picture = picture * np.uint8(255) if picture.dtype == bool else picture
        pictures[name] = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    return pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path)
    arguments = parser.parse_args()
    bar = DetectorConfig().human
    everything = replace(DetectorConfig(), human=-np.inf)  # scores of what would be refused as well
    with FaceDetector() as detector, FaceDetector(everything) as candid:
        pictures = {} if arguments.pictures else built_in()
        for path in arguments.pictures:
            started = time.perf_counter()
            try:
                pictures[path.name] = load_photo(path).pixels
            except CandorError as error:
                print(f"{path.name}: {error}")
                continue
            print(f"{path.name:28} read in {(time.perf_counter() - started) * 1e3:5.0f} ms")
        for pixels in list(pictures.values())[:1]:
            detector.find(pixels)  # models start
        for name, pixels in pictures.items():
            started = time.perf_counter()
            detector.find(pixels)
            took = (time.perf_counter() - started) * 1e3
            height, width = pixels.shape[:2]
            print(f"{name:28} {width:5} x {height:<5} searched in {took:5.0f} ms")
            for face in candid.find(pixels):
                verdict = "human" if face.score >= bar else "not human"
                angles = f"yaw {face.yaw:+.0f}, pitch {face.pitch:+.0f}, roll {face.roll:+.0f}"
                print(f"{'':28} score {face.score:+.2f} ({verdict} from {bar}), {face.size} pixels, {angles}")


if __name__ == "__main__":
    main()
