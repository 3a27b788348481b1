"""Files made to crash, stall or mislead whoever verifies them; and certificates that end."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from benchmarks.hostile import mutations
from safety import SealedVideo, Vault, attest, audit, issue_token, seal
from safety.attestation import Attestation
from safety.audit import AuditReport, _open
from safety.authority import _authority, _name, _usage, generated_authority
from safety.declaration import Declaration
from safety.errors import SelfCheckFailed, SigningFailed, UnreadableVideo
from safety.keys import private_pem
from safety.manifest import ManifestSigner
from safety.vault import utc_now
from tests.safety.helpers import moving, remux
from tests.safety.test_witnesses import hostile
from vasa_core.types import Photo, Speech

Made = TypeVar("Made")
FORGED = Declaration("", "record", "00" * 32, "11" * 32, "22" * 32, "synthetic", 3, "33" * 32)
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_five_megabytes_in_an_assertion(sealed: tuple[Vault, SealedVideo], tmp_path: Path) -> None:
    vault, video = sealed
    actions = {
        "label": "c2pa.actions.v2",
        "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": GENERATED}]},
    }
    deep: object = "x"
    for _ in range(60):
        deep = [deep]
    large = {"label": "org.candor.clip", "data": {"clip_id": ["y" * 100_000] * 9, "deep": deep}}
    stripped = remux(video.path, tmp_path / "stripped.mp4").read_bytes()
    definition = {"title": "t", "assertions": [actions, large], "thumbnail": {"format": "image/png", "identifier": "x"}}
    data = hostile(vault, stripped, definition, resource=bytes(5_000_000))
    assert len(data) > 5_000_000
    (tmp_path / "large.mp4").write_bytes(data)
    started = time.process_time()
    report = audit(vault, tmp_path / "large.mp4")
    assert time.process_time() - started < 30 and len(json.dumps(report.to_dict())) < 30_000
    assert report.watermark.id == video.watermark_id


def test_mutated_files_end_in_a_reading_or_a_named_error(sealed: tuple[Vault, SealedVideo], tmp_path: Path) -> None:
    """`python -m benchmarks.hostile` tries a thousand, and whole audits."""
    vault, video = sealed
    data, path = video.path.read_bytes(), tmp_path / "mutated.mp4"
    for _, mutated in zip(range(60), mutations(data, seed=3), strict=False):
        path.write_bytes(mutated)
        try:
            manifest, _sample = _open(vault, path)
        except UnreadableVideo as error:
            assert str(error).endswith(".")
        else:
            assert manifest.state in ("Trusted", "Valid", "Invalid", "none")
    assert isinstance(audit(vault, video.path), AuditReport)


def short_lived(files: dict[str, bytes], seconds: float) -> bytes:
    """Key, leaf and root in PEM; the leaf ends soon. files: the root's "root.key" and "root.pem"."""
    root_key = serialization.load_pem_private_key(files["root.key"], password=None)
    root = x509.load_pem_x509_certificate(files["root.pem"])
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(_name("Candor claim signer"))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(seconds=seconds))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)  # type: ignore[arg-type]
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .sign(root_key, hashes.SHA256())  # type: ignore[arg-type]
    )
    pem = serialization.Encoding.PEM
    return private_pem(key) + leaf.public_bytes(pem) + root.public_bytes(pem)


def soon_over(make: Callable[[float], Made], least: float = 3) -> tuple[Made, float]:
    """What a certificate of so few seconds signs, and how many: more where the machine needs longer to sign."""
    while True:
        try:
            return make(least), least
        except (SigningFailed, SelfCheckFailed):
            if least > 100:
                raise
            least *= 3


def test_the_log_vouches_for_what_was_signed_before_a_certificate_ended(
    vault: Vault, attestation: Attestation, photo: Photo, speech: Speech, tmp_path: Path
) -> None:
    lasting = vault.authority
    root = {name: (vault.home / "keys" / name).read_bytes() for name in ("root.key", "root.pem")}

    def made_with(seconds: float) -> SealedVideo:
        def at_the_last_moment(stage: str, _: float) -> None:
            if stage == "signing":  # the certificate need not live longer than signing and checking take
                bundle = short_lived(root, seconds)
                vault.authority = _authority(bundle, bundle, development=True)

        token = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
        frames, told = moving(photo.pixels, 25), at_the_last_moment
        return seal(vault, token, photo, speech, frames, out=tmp_path / "v.mp4", fps=25, progress=told)

    video, life = soon_over(made_with)
    # A stranger writes our ids into a manifest of his and puts ours, as the ledger knows it, into the file as well.
    named = ManifestSigner(vault.authority).read(io.BytesIO(video.path.read_bytes()), "video/mp4")
    claimed = replace(FORGED, watermark_id=video.watermark_id, clip_id=named.clip["clip_id"])
    stripped = remux(video.path, tmp_path / "stripped.mp4").read_bytes()

    def signed_with(seconds: float) -> tuple[bytes, bytes]:
        theirs = short_lived(generated_authority(), seconds)
        stranger = ManifestSigner(_authority(theirs, theirs, development=True))
        return theirs, stranger.sign(stripped, "t", photo, speech, claimed)

    (theirs, signed), _ = soon_over(signed_with, life)
    forged = tmp_path / "forged.mp4"
    forged.write_bytes(signed)
    ends = x509.load_pem_x509_certificates(theirs)[0].not_valid_after_utc  # later than that of our own
    time.sleep(max(0.0, (ends - utc_now()).total_seconds()) + 1.1)
    with pytest.raises(SigningFailed):  # nothing is signed with a certificate that has ended
        again = issue_token(vault, attest(vault, attestation, photo, speech), photo, speech)
        seal(vault, again, photo, speech, moving(photo.pixels, 25), out=tmp_path / "w.mp4", fps=25)
    vault.authority = replace(lasting)
    assert ManifestSigner(lasting).read(io.BytesIO(video.path.read_bytes()), "video/mp4").state == "Valid"
    assert (audit(vault, video.path).manifest.state, audit(vault, video.path).verdict) == ("Trusted", "sealed")
    assert ManifestSigner(lasting).read(io.BytesIO(forged.read_bytes()), "video/mp4").label == named.label
    report = audit(vault, forged)
    assert report.manifest.state == "Valid" and "foreign_signer" in {item.code for item in report.contradictions}
    with vault.ledger.transaction() as connection:  # a ledger that remembers another manifest vouches for nothing
        connection.exec_driver_sql("UPDATE manifests SET store = ?", (b"other",))
    report = audit(vault, video.path)
    assert report.manifest.state == "Valid" and report.verdict == "contradiction"


def test_changed_content_is_not_saved_by_the_log(sealed: tuple[Vault, SealedVideo], tmp_path: Path) -> None:
    vault, video = sealed
    data = bytearray(video.path.read_bytes())
    data[-2000] ^= 1
    (tmp_path / "changed.mp4").write_bytes(data)
    assert audit(vault, tmp_path / "changed.mp4").manifest.state == "Invalid"


def test_the_manifest_of_one_clip_on_another(
    vault: Vault, photo: Photo, speech: Speech, attestation: Attestation, tmp_path: Path
) -> None:
    record = attest(vault, attestation, photo, speech)
    first, second = (
        seal(
            vault,
            issue_token(vault, record, photo, speech),
            photo,
            speech,
            moving(photo.pixels, 25),
            out=tmp_path / name,
            fps=25,
        )
        for name in ("first.mp4", "second.mp4")
    )
    data = first.path.read_bytes()
    start = data.index(b"uuid") - 4
    box = data[start : start + int.from_bytes(data[start : start + 4], "big")]
    stripped = remux(second.path, tmp_path / "stripped.mp4").read_bytes()
    (tmp_path / "swapped.mp4").write_bytes(stripped + box)
    report = audit(vault, tmp_path / "swapped.mp4")
    assert report.watermark.id == second.watermark_id and report.manifest.state == "Invalid"
    assert {"altered", "other_mark"} <= {item.code for item in report.contradictions}
