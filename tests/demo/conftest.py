"""A home of its own, a photo, a short recording, and a consent record for the two."""

from __future__ import annotations

import os
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo import samples
from demo.cli import main
from vasa_core.audio import load_speech
from vasa_core.types import SAMPLE_RATE

ATTEST = [
    "--basis",
    "public-domain",
    "--subject",
    "Grace Hopper",
    "--attester",
    "A Tester",
    "--purpose",
    "automatic tests",
]


@dataclass(frozen=True)
class Desk:
    """What a person at the command line has before them."""

    home: Path
    photo: Path
    speech: Path
    consent: Path


@pytest.fixture(scope="session")
def speech_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first word of a sample: WAV, 16 kHz, 0.8 s."""
    return write_speech(tmp_path_factory.mktemp("speech") / "speech.wav", 0.8)


def write_speech(path: Path, seconds: float) -> Path:
    voice = load_speech(samples.FOLDER / "english.m4a").samples
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((voice[: int(seconds * SAMPLE_RATE)] * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, hopper_jpeg: Path, speech_file: Path) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    before = os.environ["CANDOR_HOME"]
    os.environ["CANDOR_HOME"] = str(folder / "home")
    consent = folder / "consent.json"
    assert main(["consent", str(hopper_jpeg), str(speech_file), *ATTEST, "-o", str(consent)]) == 0
    yield Desk(folder / "home", hopper_jpeg, speech_file, consent)
    os.environ["CANDOR_HOME"] = before
