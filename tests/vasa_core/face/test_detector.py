"""Finding human faces: at any scale, with honest angles and advice, and nothing that is not human."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from vasa_core.errors import FaceTooSmall, FaceTooTurned, NoFaceFound, PhotoError
from vasa_core.face.detector import FaceDetector
from vasa_core.photo import load_photo


@pytest.fixture(scope="module")
def hopper(hopper_jpeg: Path) -> np.ndarray:
    return load_photo(hopper_jpeg).pixels


@pytest.fixture(scope="module")
def collins() -> np.ndarray:
    return skimage.data.astronaut()


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


def scaled(pixels: np.ndarray, factor: float) -> np.ndarray:
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=method)


def turned(pixels: np.ndarray, degrees: float) -> np.ndarray:
    """Turned clockwise about the middle, on a grey ground."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    return cv2.warpAffine(pixels, matrix, (width, height), borderValue=(128, 128, 128))


def test_two_portraits(detector: FaceDetector, collins: np.ndarray, hopper: np.ndarray) -> None:
    for pixels, centre, size in ((collins, (225, 123), 109), (hopper, (261, 232), 206)):
        (face,) = detector.find(pixels)
        left, top, right, bottom = face.box
        assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx(centre, abs=10)
        assert face.size == pytest.approx(size, abs=8)
        assert face.landmarks.shape == (478, 3) and face.landmarks.dtype == np.float32
        assert max(abs(face.yaw), abs(face.pitch), abs(face.roll)) < 10
        assert 0.75 < face.score <= 1
        eyes = face.landmarks[[468, 473], :2]  # irises: inside the box, the viewer's left one first, level
        assert (eyes > [left, top]).all() and (eyes < [right, bottom]).all()
        assert eyes[1, 0] - eyes[0, 0] > 0.3 * (right - left)


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket", "horse", "page", "coins", "moon", "clock", "text"])
def test_other_pictures_hold_no_face(detector: FaceDetector, name: str) -> None:
    picture = getattr(skimage.data, name)()
    if picture.dtype == bool:
        picture = picture * np.uint8(255)
    pixels = np.array(Image.fromarray(picture).convert("RGB"))
    with pytest.raises(NoFaceFound, match="Use a picture"):
        detector.choose(pixels)


@pytest.mark.parametrize("name", ["lion.jpg", "cheetah1.jpg", "groot.jpeg"])
def test_animals_and_creatures_are_not_human(detector: FaceDetector, name: str) -> None:
    spec = importlib.util.find_spec("gradio")
    assert spec is not None and spec.origin is not None
    pixels = load_photo(Path(spec.origin).parent / "media_assets" / "images" / name).pixels
    for variant in (pixels, pixels[:, ::-1], scaled(pixels, 0.5)):
        assert detector.find(variant) == []


def test_a_small_face_in_a_large_picture(detector: FaceDetector, collins: np.ndarray) -> None:
    large = grey(3000, 4000)
    large[2100:2612, 3300:3812] = collins
    (face,) = detector.find(large)
    assert face.box[0] > 3300 and face.box[1] > 2100 and face.size == pytest.approx(109, abs=8)


def test_a_close_up_that_fills_the_picture(detector: FaceDetector, hopper: np.ndarray) -> None:
    close = scaled(hopper[110:350, 150:370], 13)  # 3120 x 2860
    (face,) = detector.find(close)
    assert face.size == pytest.approx(206 * 13, rel=0.08)


def test_a_face_at_the_edge_is_found_and_advised(detector: FaceDetector, hopper: np.ndarray) -> None:
    face, _ = detector.choose(np.ascontiguousarray(hopper[:, 185:]))
    assert face.box[0] == 0 and "edge" in face.advice


def test_several_faces_largest_first(detector: FaceDetector, collins: np.ndarray, hopper: np.ndarray) -> None:
    group = grey(700, 1100)
    group[100:612, :512] = collins
    group[50:650, 550:1062] = hopper
    face, faces = detector.choose(group)
    assert [f.box[0] > 550 for f in faces] == [True, False]  # Hopper's is the larger one
    assert faces[0].size > faces[1].size and face.box == faces[0].box
    assert face.advice.startswith("2 faces: the largest is used")
    second, _ = detector.choose(group, 1)
    assert second.box == faces[1].box and "number 2 is used" in second.advice
    for index in (2, -1):
        with pytest.raises(PhotoError, match="choose 1 to 2"):
            detector.choose(group, index)


def test_cheek_to_cheek(detector: FaceDetector, collins: np.ndarray, hopper: np.ndarray) -> None:
    left, right = hopper[40:420, 165:360], scaled(collins, 1.8)[60:440, 310:505]
    faces = detector.find(np.hstack([left, right]))
    assert [face.box[0] < 195 < face.box[2] - 1 for face in faces].count(True) == 0  # no box spans both
    assert sorted(face.box[0] > 190 for face in faces) == [False, True]


def test_a_crowd(detector: FaceDetector, hopper: np.ndarray) -> None:
    crowd = np.tile(scaled(hopper, 0.5), (3, 4, 1))  # 900 x 1024, twelve faces of 103 pixels
    faces = detector.find(crowd)
    assert len({(face.box[0] // 256, face.box[1] // 300) for face in faces}) == len(faces) == 12


def test_too_small(detector: FaceDetector, collins: np.ndarray) -> None:
    with pytest.raises(FaceTooSmall, match="at least 96"):
        detector.choose(scaled(collins, 0.6))
    face, _ = detector.choose(collins)
    assert "small (109 pixels)" in face.advice or "small (108 pixels)" in face.advice


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_photo_on_its_side_is_told_to_be_turned(
    detector: FaceDetector, hopper: np.ndarray, quarter_turns: int
) -> None:
    with pytest.raises(FaceTooTurned, match="Turn the photo upright"):
        detector.choose(np.ascontiguousarray(np.rot90(hopper, quarter_turns)))


def test_a_profile_is_too_turned(detector: FaceDetector) -> None:
    camera = np.repeat(skimage.data.camera()[..., None], 3, axis=2)  # a photographer seen from the side
    with pytest.raises((FaceTooTurned, NoFaceFound)) as caught:
        detector.choose(scaled(camera, 2))
    assert "camera" in str(caught.value)


def test_angles_follow_the_picture(detector: FaceDetector, hopper: np.ndarray) -> None:
    (straight,) = detector.find(hopper)
    (mirrored,) = detector.find(np.ascontiguousarray(hopper[:, ::-1]))
    assert mirrored.yaw == pytest.approx(-straight.yaw, abs=3)
    assert mirrored.pitch == pytest.approx(straight.pitch, abs=3)
    assert mirrored.roll == pytest.approx(-straight.roll, abs=2)
    for degrees in (-30, 15):
        (tilted,) = detector.find(turned(hopper, degrees))
        assert tilted.roll - straight.roll == pytest.approx(degrees, abs=3)
        assert tilted.yaw == pytest.approx(straight.yaw, abs=4)


def test_a_dark_face_is_advised(detector: FaceDetector, hopper: np.ndarray) -> None:
    face, _ = detector.choose((hopper * 0.15).astype(np.uint8))
    assert "dark" in face.advice


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((64, 64, 3), np.uint8),
        np.full((64, 640, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8),
        np.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=np.uint8)[::-1, ::-1],
    ],
    ids=["black", "strip", "noise", "strided"],
)
def test_find_never_raises_for_content(detector: FaceDetector, pixels: np.ndarray) -> None:
    assert detector.find(pixels) == []
    assert detector.landmarks(pixels) is None


def test_landmarks_of_a_head_crop(detector: FaceDetector, hopper: np.ndarray) -> None:
    (face,) = detector.find(hopper)
    crop = np.ascontiguousarray(hopper[40:460, 60:460])
    points = detector.landmarks(crop)
    assert points is not None and points.shape == (478, 3) and points.dtype == np.float32
    apart = np.linalg.norm(points[:, :2] + [60, 40] - face.landmarks[:, :2], axis=1)
    assert apart.mean() < 0.02 * face.size
    assert points[1, 2] < points[234, 2] - 20  # z grows away from the camera: the nose is nearer than the ear


@pytest.mark.parametrize("factor", [1, 3])
def test_matte(detector: FaceDetector, hopper: np.ndarray, factor: int) -> None:
    pixels = scaled(hopper, factor)
    matte = detector.matte(pixels)
    assert matte.shape == pixels.shape[:2] and matte.dtype == np.float32
    assert matte.min() >= 0 and matte.max() <= 1
    assert matte[230 * factor, 260 * factor] > 0.9  # the face
    assert matte[20 * factor, 480 * factor] < 0.1  # the flag behind


def test_threads_share_one_detector(detector: FaceDetector, collins: np.ndarray, hopper: np.ndarray) -> None:
    expected = {name: detector.find(pixels)[0].box for name, pixels in (("c", collins), ("h", hopper))}
    wrong: list[str] = []

    def look(name: str, pixels: np.ndarray) -> None:
        for _ in range(2):
            if detector.find(pixels)[0].box != expected[name]:
                wrong.append(name)

    threads = [threading.Thread(target=look, args=pair) for pair in (("c", collins), ("h", hopper)) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closing_releases_and_using_starts_again(collins: np.ndarray) -> None:
    with FaceDetector() as detector:
        first = detector.find(collins)[0].box
    detector.close()  # twice is harmless
    assert detector.find(collins)[0].box == first
    detector.close()


def test_starting_is_lazy_and_silent() -> None:
    script = (
        "import os, sys\n"
        "from vasa_core.face.detector import FaceDetector\n"
        "detector = FaceDetector()\n"
        "assert 'mediapipe' not in sys.modules, 'imported before it is needed'\n"
        "import skimage.data\n"
        "from vasa_core.face.graphs import quiet_start\n"
        "with quiet_start():\n"
        "    os.write(2, b'W0000 00:00:1 inference_feedback_manager.cc:114] noise\\n')\n"
        "    print('a word of ours', file=sys.stderr)\n"
        "assert len(detector.find(skimage.data.astronaut())) == 1\n"
        "assert detector.matte(skimage.data.astronaut()).max() > 0.9\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "a word of ours\n" and done.stdout == ""
