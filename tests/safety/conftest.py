"""Real vaults in temporary folders, a real photo and sound, and clips small enough to seal in a second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from safety import Attestation, SealedVideo, Vault, attest, issue_token, seal
from tests.safety.helpers import Clock, moving, picture_file, tone
from vasa_core.types import Photo, Speech

FPS = 25
Clip = Callable[[int], Iterator[np.ndarray]]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vault(tmp_path: Path, clock: Clock) -> Iterator[Vault]:
    with Vault.open(tmp_path / "vault", clock=clock, environment={}) as opened:
        yield opened


@pytest.fixture(scope="session")
def photo() -> Photo:
    """Eileen Collins, NASA; public domain. 512 x 512."""
    astronaut = skimage.data.astronaut()
    return Photo(astronaut, picture_file(astronaut, ".jpg"), "image/jpeg", "astronaut.jpg")


@pytest.fixture(scope="session")
def speech() -> Speech:
    return tone(1.0)


@pytest.fixture(scope="session")
def attestation() -> Attestation:
    return Attestation(
        "public-domain", subject="Eileen Collins", attester="A Tester", purpose="automatic tests", source="NASA"
    )


@pytest.fixture
def token(vault: Vault, attestation: Attestation, photo: Photo, speech: Speech) -> str:
    return issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)


@pytest.fixture
def clip(photo: Photo) -> Callable[[int], Iterator[np.ndarray]]:
    return lambda count: moving(photo.pixels, count)


@pytest.fixture(scope="session")
def sealed(
    tmp_path_factory: pytest.TempPathFactory, attestation: Attestation, photo: Photo, speech: Speech
) -> Iterator[tuple[Vault, SealedVideo]]:
    """One sealed video and its vault, shared by tests that only read."""
    folder = tmp_path_factory.mktemp("sealed")
    with Vault.open(folder / "vault", environment={}) as vault:
        token = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
        out = folder / "talking.mp4"
        yield vault, seal(vault, token, photo, speech, moving(photo.pixels, FPS), out=out, fps=FPS, seed=7)


@pytest.fixture
def attempt(
    vault: Vault, token: str, photo: Photo, speech: Speech, clip: Clip, tmp_path: Path
) -> Callable[..., SealedVideo]:
    """`seal` with everything in order but for what the test changes."""
    (tmp_path / "out").mkdir()

    def run(frames: Any = None, **changes: Any) -> SealedVideo:
        arguments: dict[str, Any] = {"token": token, "photo": photo, "speech": speech, "vault": vault, **changes}
        options = {
            name: arguments.pop(name) for name in list(arguments) if name not in ("token", "photo", "speech", "vault")
        }
        frames = clip(25) if frames is None else frames
        options = {"out": tmp_path / "out" / "talking.mp4", "fps": 25, **options}
        return seal(arguments["vault"], arguments["token"], arguments["photo"], arguments["speech"], frames, **options)

    return run


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path: Path) -> Iterator[None]:
    """After every test: finished videos only, no temporary file, no thread of the encoder."""
    yield
    if (tmp_path / "out").is_dir():
        assert {path.name for path in (tmp_path / "out").iterdir()} <= {"talking.mp4"}
    assert not [thread for thread in threading.enumerate() if thread.name == "candor-encode"]
