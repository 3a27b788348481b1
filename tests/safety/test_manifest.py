from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from safety import SealedVideo, Vault
from safety.authority import Authority, _authority, generated_authority
from safety.errors import AuthorityError, SigningFailed
from safety.manifest import Declaration, ManifestSigner
from safety.manifest_box import manifest_store
from tests.safety.helpers import picture_file
from tests.safety.timestamping import time_stamping
from vasa_core.types import Photo, Speech

DECLARATION = Declaration("0123abcd", "record", "00" * 32, "11" * 32, "22" * 32, "synthetic", 3, "33" * 32)


def new_authority() -> Authority:
    pem = generated_authority()["signer.pem"]
    return _authority(pem, pem, development=True)


@pytest.fixture(scope="module")
def signed(sealed: tuple[Vault, SealedVideo]) -> bytes:
    return sealed[1].path.read_bytes()


@pytest.fixture(scope="module")
def signer(sealed: tuple[Vault, SealedVideo]) -> ManifestSigner:
    return ManifestSigner(sealed[0].authority)


def boxes(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Top-level boxes of an MP4: type -> (start, length)."""
    found, position = {}, 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        found[data[position + 4 : position + 8]] = (position, length)
        position += length
    return found


def test_own_manifest_is_trusted_and_complete(
    signer: ManifestSigner, signed: bytes, sealed: tuple[Vault, SealedVideo]
) -> None:
    reading = signer.read(io.BytesIO(signed), "video/mp4")
    assert reading.state == "Trusted"
    assert reading.label == sealed[1].manifest_label
    assert reading.generator.startswith("Candor ")
    assert reading.source_types == ("trainedAlgorithmicMedia",)
    assert reading.watermark["id"] == sealed[1].watermark_id
    assert reading.consent["record_id"] == sealed[1].record_id
    assert {(i["title"], i["relationship"]) for i in reading.ingredients} == {
        ("portrait", "inputTo"),
        ("speech", "inputTo"),
        ("sound", "componentOf"),
    }
    named = {"c2pa.created", "c2pa.placed", "c2pa.edited", "c2pa.watermarked.unbound", "cawg.training-mining"}
    assert named <= set(reading.claims) and reading.ours
    assert (reading.badge["shown"], reading.badge["text"]) == (True, "AI-generated")


def test_one_identity_leads_from_mark_to_manifest_record_and_log(
    signer: ManifestSigner, signed: bytes, sealed: tuple[Vault, SealedVideo]
) -> None:
    vault, video = sealed
    clip = signer.read(io.BytesIO(signed), "video/mp4").clip
    assert video.manifest_label == f"urn:c2pa:{clip['clip_id']}"
    assert (clip["watermark_id"], clip["record_id"]) == (video.watermark_id, video.record_id)
    issued, made = (vault.ledger.entries(kind, video.watermark_id)[0] for kind in ("mark", "output"))
    assert issued.position == clip["log_index"] < made.position == video.log_index
    assert issued.body["clip_id"] == made.body["clip_id"] == clip["clip_id"]
    assert made.body["manifest_sha256"] == hashlib.sha256(manifest_store(signed)).hexdigest()


def thumbnails(signed: bytes) -> list[bytes]:
    """Every JPEG inside the manifest store."""
    store = manifest_store(signed)
    return [store[match.start() :] for match in re.finditer(rb"\xff\xd8\xff\xe0", store)]


@pytest.mark.parametrize("basis", ["self", "written-consent", "public-domain", "synthetic"])
def test_no_picture_of_a_private_person_is_in_the_manifest(
    signer: ManifestSigner, signed: bytes, photo: Photo, speech: Speech, basis: str
) -> None:
    declared = replace(DECLARATION, basis=basis)
    made = signer.sign(signed, "t", photo, speech, declared, photo.pixels)
    sizes = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1).shape[:2] for jpeg in thumbnails(made)]
    # The source file itself was pictured; its own thumbnails come along as those of an ingredient do not.
    assert sorted(sizes) == ([(160, 160), (256, 256)] if basis in ("public-domain", "synthetic") else [])


def test_a_manifest_without_the_sign_says_so(
    signer: ManifestSigner, signed: bytes, photo: Photo, speech: Speech
) -> None:
    declared = replace(DECLARATION, badge={"shown": False})
    reading = signer.read(io.BytesIO(signer.sign(signed, "t", photo, speech, declared)), "video/mp4")
    assert reading.badge == {"shown": False} and "c2pa.edited" not in reading.claims


def test_time_stamps_are_asked_for_judged_and_required(
    photo: Photo, speech: Speech, signed: bytes, tmp_path: Path
) -> None:
    """A real RFC 3161 authority on a local port."""
    with time_stamping(tmp_path) as stamps:
        stamped = replace(new_authority(), timestamp_url=stamps.url)
        made = ManifestSigner(stamped).sign(signed, "t", photo, speech, DECLARATION)
        assert stamps.asked == [1]
        known = replace(stamped, timestamp_anchor=stamps.root)
        for authority, trust in ((stamped, "unknown"), (known, "trusted")):
            reading = ManifestSigner(authority).read(io.BytesIO(made), "video/mp4")
            assert (reading.state, reading.time_stamp) == ("Trusted", trust)
            assert reading.signed_at.startswith("20")
        assert stamps.asked == [1]  # reading asks nobody
        stamps.broken = True
        with pytest.raises(SigningFailed, match="HTTP"):
            ManifestSigner(stamped).sign(signed, "t", photo, speech, DECLARATION)
    plain = ManifestSigner(stamped).read(io.BytesIO(signed), "video/mp4")
    assert (plain.signed_at, plain.time_stamp) == ("", "")


@pytest.mark.parametrize(
    "setting",
    [{"CANDOR_TIMESTAMP_URL": "file:///etc/passwd"}, {"CANDOR_TIMESTAMP_URL": "https://"},
     {"CANDOR_TIMESTAMP_ANCHOR": "-----BEGIN CERTIFICATE-----"}, {"CANDOR_TIMESTAMP_ANCHOR": "/nowhere.pem"}],
)  # fmt: skip
def test_settings_for_time_stamps_that_cannot_be_used(setting: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="CANDOR_TIMESTAMP"):
        Vault.open(tmp_path / "vault", environment=setting)


def test_no_personal_data_in_the_file(signed: bytes) -> None:
    for private in (b"Eileen", b"A Tester", b"automatic tests", b"astronaut.jpg"):
        assert private not in signed


@pytest.mark.parametrize("box", [b"mdat", b"moov"])
def test_one_flipped_bit_is_found(signer: ManifestSigner, signed: bytes, box: bytes) -> None:
    start, length = boxes(signed)[box]
    for place in np.linspace(start + 8, start + length - 1, 8).astype(int):
        altered = bytearray(signed)
        altered[place] ^= 1
        reading = signer.read(io.BytesIO(altered), "video/mp4")
        assert reading.state == "Invalid"
        assert reading.failures


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"trainedAlgorithmicMedia", b"trainedAlgorithmicMedib"),
        (b"Talking portrait", b"Holiday portrait"),
    ],
)
def test_edited_claims_are_found(signer: ManifestSigner, signed: bytes, old: bytes, new: bytes) -> None:
    assert old in signed
    assert signer.read(io.BytesIO(signed.replace(old, new)), "video/mp4").state == "Invalid"


def test_cut_and_extended_files_are_invalid(signer: ManifestSigner, signed: bytes) -> None:
    assert signer.read(io.BytesIO(signed[: len(signed) * 9 // 10]), "video/mp4").state == "Invalid"
    extra = (16).to_bytes(4, "big") + b"mdat" + bytes(8)
    assert signer.read(io.BytesIO(signed + extra), "video/mp4").state == "Invalid"


def test_an_attackers_certificate_is_not_trusted(
    signer: ManifestSigner, signed: bytes, photo: Photo, speech: Speech
) -> None:
    """Same names in the certificates, other keys; the library calls such a file "Valid"."""
    forged = ManifestSigner(new_authority()).sign(signed, "forged", photo, speech, DECLARATION)
    reading = signer.read(io.BytesIO(forged), "video/mp4")
    assert reading.state == "Valid"
    assert "signingCredential.untrusted" in reading.failures
    assert signer.read(io.BytesIO(signed), "video/mp4").state == "Trusted"


def test_strings_of_strangers_come_back_unharmed_and_clipped(
    signer: ManifestSigner, signed: bytes, photo: Photo, speech: Speech
) -> None:
    title = "<script>alert(1)</script>'; DROP TABLE tokens; --" + "x" * 5000
    reading = signer.read(io.BytesIO(signer.sign(signed, title, photo, speech, DECLARATION)), "video/mp4")
    assert title.startswith(reading.title)
    assert len(reading.title) <= 300


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_photos_of_any_format_become_ingredients(
    signer: ManifestSigner, signed: bytes, photo: Photo, speech: Speech, suffix: str
) -> None:
    given = replace(photo, file=picture_file(photo.pixels, suffix), mime="image/" + suffix[1:].replace("jpg", "jpeg"))
    reading = signer.read(io.BytesIO(signer.sign(signed, "t", given, speech, DECLARATION)), "video/mp4")
    assert reading.state == "Trusted"


@pytest.mark.parametrize("mime", ["audio/wav", "audio/ogg", "audio/mpeg", "video/webm", "application/octet-stream", ""])
def test_audio_that_c2pa_cannot_read_becomes_a_wav(
    signer: ManifestSigner, signed: bytes, photo: Photo, speech: Speech, mime: str
) -> None:
    given = replace(speech, file=b"OggS not really", mime=mime)
    reading = signer.read(io.BytesIO(signer.sign(signed, "t", photo, given, DECLARATION)), "video/mp4")
    assert reading.state == "Trusted"
    assert len(reading.ingredients) == 3


def test_signing_failures_are_named(signer: ManifestSigner, photo: Photo, speech: Speech) -> None:
    with pytest.raises(SigningFailed):
        signer.sign(b"this is no video", "t", photo, speech, DECLARATION)
    authority = replace(new_authority(), chain_pem=new_authority().chain_pem)  # certificate of another key
    with pytest.raises(SigningFailed):
        ManifestSigner(authority).sign(b"", "t", photo, speech, DECLARATION)


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 200, b"text" * 50])
def test_garbage_has_no_valid_manifest(signer: ManifestSigner, data: bytes) -> None:
    assert signer.read(io.BytesIO(data), "video/mp4").state in ("none", "Invalid")


def test_damaged_manifests_never_crash_the_reader(signer: ManifestSigner, signed: bytes) -> None:
    start, length = boxes(signed)[b"uuid"]
    rng = np.random.default_rng(0)
    states = set()
    for _ in range(60):
        altered = bytearray(signed)
        altered[start + int(rng.integers(8, length))] ^= int(rng.integers(1, 256))
        states.add(signer.read(io.BytesIO(altered), "video/mp4").state)
    assert states <= {"Trusted", "Invalid", "none"}  # Trusted: the byte lay in unsigned padding
    assert "Invalid" in states


def test_own_manifest_is_json_without_surprises(signer: ManifestSigner, signed: bytes) -> None:
    reading = signer.read(io.BytesIO(signed), "video/mp4")
    assert json.loads(json.dumps(reading.consent)) == reading.consent
    assert set(reading.consent) == {
        "record_id",
        "record_sha256",
        "photo_commitment",
        "speech_commitment",
        "basis",
        "log_index",
        "log_root",
        "evidence",
    }


def test_files_on_disk_are_read_as_well(signer: ManifestSigner, sealed: tuple[Vault, SealedVideo]) -> None:
    path: Path = sealed[1].path
    with path.open("rb") as file:
        assert signer.read(file, "video/mp4").state == "Trusted"
