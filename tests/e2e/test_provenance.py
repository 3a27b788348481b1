"""Questions of origin over HTTP, asked of the running app; a second process seals on the same ledger."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import skimage.data

from demo.provenance import PREFIX, WITHDRAWALS_A_MINUTE
from safety import Attestation, ConsentRecord, SealedVideo, Vault, attest, audit, issue_token, seal
from safety.consent import withdrawn_at
from safety.manifest import WATERMARK_ALGORITHM
from safety.manifest_box import manifest_store
from safety.receipt import make_receipt
from tests.e2e.serving import HANG, App
from tests.safety.helpers import moving, picture_file, remux, tone
from vasa_core.types import Photo


@pytest.fixture(scope="module")
def house(app: App) -> Vault:
    """The vault of the running app, opened beside it."""
    return Vault.open(app.temp.parent / "home", environment={})


@pytest.fixture(scope="module")
def made(house: Vault, tmp_path_factory: pytest.TempPathFactory) -> tuple[ConsentRecord, SealedVideo]:
    picture, speech = skimage.data.astronaut(), tone(1.0)
    photo = Photo(picture, picture_file(picture), "image/png")
    record = attest(house, Attestation("public-domain", "Her", "Me", "test", source="NASA"), photo, speech)
    out = tmp_path_factory.mktemp("made") / "talking.mp4"
    token = issue_token(house, record, photo, speech)
    return record, seal(house, token, photo, speech, moving(picture, 25), out=out, fps=25)


@pytest.fixture(scope="module")
def http(app: App) -> httpx.Client:
    return httpx.Client(base_url=app.url.rstrip("/") + PREFIX, timeout=HANG)


def test_from_a_stripped_copy_to_its_manifest(
    http: httpx.Client, made: tuple[ConsentRecord, SealedVideo], tmp_path: Path
) -> None:
    _, video = made
    copy = remux(video.path, tmp_path / "copy.mp4").read_bytes()
    expected = {"matches": [{"manifestId": video.manifest_label, "similarityScore": 100}]}
    assert http.post("/matches/byContent", content=copy).json() == expected
    binding = {"alg": WATERMARK_ALGORITHM, "value": video.watermark_id}
    assert http.post("/matches/byBinding", json=binding).json() == expected
    assert http.get("/matches/byBinding", params=binding).json() == expected
    kept = http.get(f"/manifests/{video.manifest_label}")
    assert (kept.headers["content-type"], kept.content) == ("application/c2pa", manifest_store(video.path.read_bytes()))
    assert kept.headers["x-content-type-options"] == "nosniff"


def test_the_routes_are_described(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/matches/byBinding", "/matches/byContent", "/manifests/{manifest_id}", "/withdrawals"} <= set(paths)


def test_what_is_refused(http: httpx.Client) -> None:
    assert http.get("/docs").status_code == 403 and http.post("/manifests/x").status_code == 403
    assert http.post("/matches/byContent", content=b"no video").status_code == 415
    assert http.post("/matches/byContent", content=iter([b"x"])).status_code == 411
    assert http.post("/matches/byContent", content=bytes(101 << 20)).status_code == 413
    assert http.post("/matches/byBinding", content=bytes(2 << 20)).status_code == 413
    assert http.post("/matches/byBinding", json={}, headers={"origin": "https://evil.example"}).status_code == 403
    assert http.get("/manifests/absent").status_code == 404


def test_the_code_of_the_receipt_withdraws(
    http: httpx.Client, house: Vault, made: tuple[ConsentRecord, SealedVideo]
) -> None:
    record, video = made
    code = make_receipt(house, record, with_code=True)["withdrawal_code"]
    wrong = http.post("/withdrawals", json={"record_id": record.id, "code": "guess"})
    assert wrong.status_code == 403 and "Traceback" not in wrong.text and withdrawn_at(house, record.id) is None
    assert http.post("/withdrawals", json={"record_id": record.id, "code": code}).json()["withdrawn"] is True
    assert audit(house, video.path).consent.state == "withdrawn"
    answers = [http.post("/withdrawals", json={"record_id": "x", "code": "y"}).status_code for _ in range(8)]
    assert answers.count(429) >= 8 - WITHDRAWALS_A_MINUTE and set(answers) <= {403, 429}
