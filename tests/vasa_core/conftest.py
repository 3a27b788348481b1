"""Real, small inputs that several tests of the core share. Session-wide: they are only ever read."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from vasa_core.face.detector import FaceDetector
from vasa_core.face.portrait import Portrait, prepare_portrait
from vasa_core.face.space import FaceSpace
from vasa_core.photo import load_photo
from vasa_core.types import Photo


@pytest.fixture(scope="session")
def detector():
    with FaceDetector() as graphs:
        yield graphs


@pytest.fixture(scope="session")
def astronaut() -> Photo:
    """A smiling woman before a flag and a model rocket, 512 x 512 (NASA, public domain)."""
    return Photo(np.ascontiguousarray(data.astronaut()), b"", "image/png", "astronaut.png")


@pytest.fixture(scope="session")
def portrait(astronaut, detector) -> Portrait:
    face, _ = detector.choose(astronaut.pixels)
    return prepare_portrait(astronaut, face, detector)


@pytest.fixture(scope="session")
def space() -> FaceSpace:
    return FaceSpace.from_pretrained()


@pytest.fixture(scope="session")
def drawn(detector) -> Portrait:
    """The drawn sample character: large eyes with an outline, lips together."""
    drawing = load_photo(Path("demo/samples/rosalind.jpg"))
    return prepare_portrait(drawing, detector.choose(drawing.pixels)[0], detector)
