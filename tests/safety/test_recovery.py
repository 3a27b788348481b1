"""The way back from a stripped copy to its manifest, over HTTP against the real store."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from safety import SealedVideo, Vault
from safety.manifest import WATERMARK_ALGORITHM, ManifestSigner
from safety.manifest_box import manifest_store
from safety.recovery import router
from tests.safety.helpers import picture_file, remux
from vasa_core.types import Photo


@pytest.fixture
def client(sealed: tuple[Vault, SealedVideo]) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(router(lambda: sealed[0]))
    with TestClient(app) as opened:
        yield opened


def test_from_the_watermark_to_the_manifest(client: TestClient, sealed: tuple[Vault, SealedVideo]) -> None:
    vault, video = sealed
    binding = {"alg": WATERMARK_ALGORITHM, "value": video.watermark_id}
    expected = {"matches": [{"manifestId": video.manifest_label, "similarityScore": 100}]}
    assert client.post("/matches/byBinding", json=binding).json() == expected
    assert client.get("/matches/byBinding", params=binding).json() == expected
    answer = client.get(f"/manifests/{video.manifest_label}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/c2pa")
    assert answer.content == manifest_store(video.path.read_bytes())
    assert answer.content[4:8] == b"jumb"


def test_from_a_stripped_copy_to_the_manifest(
    client: TestClient, sealed: tuple[Vault, SealedVideo], photo: Photo, tmp_path: Path
) -> None:
    copy = remux(sealed[1].path, tmp_path / "copy.mp4").read_bytes()
    assert manifest_store(copy) == b""
    found = client.post("/matches/byContent", content=copy).json()
    assert [match["manifestId"] for match in found["matches"]] == [sealed[1].manifest_label]
    assert client.post("/matches/byContent", content=picture_file(photo.pixels)).json() == {"matches": []}


def test_a_kept_manifest_is_what_was_signed(sealed: tuple[Vault, SealedVideo]) -> None:
    vault, video = sealed
    data = video.path.read_bytes()
    store = manifest_store(data)
    assert ManifestSigner(vault.authority).read(io.BytesIO(store), "application/c2pa").label == video.manifest_label
    assert manifest_store(b"") == manifest_store(b"\x00" * 64) == manifest_store(data[:20]) == b""


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/matches/byBinding", {"json": {"alg": "other", "value": "0123abcd"}}, 400),
        ("POST", "/matches/byBinding", {"json": {"alg": WATERMARK_ALGORITHM, "value": "xyz"}}, 400),
        ("POST", "/matches/byBinding", {"json": {"alg": WATERMARK_ALGORITHM, "value": "0" * 5000}}, 422),
        ("POST", "/matches/byBinding", {"content": b"{"}, 422),
        ("POST", "/matches/byContent", {"content": b"no video"}, 415),
        ("POST", "/matches/byContent", {"content": b""}, 415),
        ("GET", "/manifests/absent", {}, 404),
        ("GET", "/manifests/" + "x" * 3000, {}, 404),
    ],
)
def test_bad_questions_have_plain_answers(
    client: TestClient, method: str, path: str, options: dict[str, object], status: int
) -> None:
    answer = client.request(method, path, **options)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert "Traceback" not in answer.text


def test_an_unknown_id_matches_nothing(client: TestClient) -> None:
    assert client.get("/matches/byBinding", params={"alg": WATERMARK_ALGORITHM, "value": "00000001"}).json() == {
        "matches": []
    }


def test_too_many_questions_are_refused(sealed: tuple[Vault, SealedVideo]) -> None:
    app = FastAPI()
    app.include_router(router(lambda: sealed[0], calls=3, seconds=60))
    with TestClient(app) as client:
        assert [client.get("/manifests/x").status_code for _ in range(5)] == [404, 404, 404, 429, 429]
        assert int(client.get("/manifests/x").headers["retry-after"]) >= 1


def test_the_routes_are_documented(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {
        "/matches/byBinding",
        "/matches/byContent",
        "/manifests/{manifest_id}",
        "/services/supportedAlgorithms",
    }
    assert "application/c2pa" in paths["/manifests/{manifest_id}"]["get"]["responses"]["200"]["content"]
