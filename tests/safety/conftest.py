"""Real vaults in temporary folders, a real photo and sound, and clips small enough to seal in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from safety import Attestation, SealedVideo, Vault, attest, issue_token, seal
from tests.safety.helpers import Clock, moving, picture_file, tone
from vasa_core.types import Photo, Speech

FPS = 25


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
    return Attestation("public-domain", subject="Eileen Collins", attester="A Tester", purpose="automatic tests")


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
