"""A C2PA verifier that shares no code with ours (encypher-c2pa) must agree about our files and about damaged ones."""

from __future__ import annotations

import io
import json
from typing import Any

import encypher_c2pa
import pytest

from safety import SealedVideo, Vault
from safety.manifest import ManifestSigner


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    encypher_c2pa.set_telemetry_preference(False)
    assert not encypher_c2pa.telemetry_enabled()


def second_opinion(data: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(encypher_c2pa.verify_bytes(data, "video/mp4", "{}"))
    except ValueError as error:  # what is no longer a whole MP4 it refuses to look at
        return {"validation_state": "Invalid", "reason": str(error)}
    return found


def first_state(vault: Vault, data: bytes) -> str:
    return ManifestSigner(vault.authority).read(io.BytesIO(data), "video/mp4").state


def test_both_find_our_file_intact(sealed: tuple[Vault, SealedVideo]) -> None:
    vault, video = sealed
    data = video.path.read_bytes()
    second = second_opinion(data)
    assert first_state(vault, data) == "Trusted"
    assert (second["integrity"], second["signature"], second["hard_binding"]) == ("valid", "valid", "match")
    assert second["trust"]["status"] != "trusted"  # our root is our own; a stranger has no reason to trust it


def flip(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: flip(data, len(data) - 3000),
        lambda data: flip(data, data.index(b"moov") + 40),
        lambda data: data[: len(data) * 9 // 10],
        lambda data: data.replace(b"trainedAlgorithmicMedia", b"trainedAlgorithmicMedi4"),
        lambda data: data.replace(b"Talking portrait", b"Talking portra1t"),
        lambda data: data + (12).to_bytes(4, "big") + b"mdatjunk",
    ],
    ids=["picture", "index", "cut off", "source type", "title", "appended"],
)
def test_both_notice_the_same_damage(sealed: tuple[Vault, SealedVideo], damage: Any) -> None:
    vault, video = sealed
    data = damage(video.path.read_bytes())
    assert data != video.path.read_bytes()
    second = second_opinion(data)
    assert first_state(vault, data) == "Invalid"
    assert second["validation_state"] == "Invalid"
