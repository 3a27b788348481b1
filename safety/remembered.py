"""Manifests that the ledger remembers: for copies that lost theirs, and for signers whose certificate has expired."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select

from safety.errors import LedgerError
from safety.ledger.log import stored_bytes
from safety.manifest import ManifestReading, ManifestSigner
from safety.manifest_box import manifest_store
from safety.tables import manifests
from safety.vault import Vault

MOST_CHECKED = 200 << 20  # bytes of a file that is compared with what was logged


def remembered_store(vault: Vault, mark_id: str) -> bytes | None:
    """The manifest store of a video of ours, if it is the one that was logged; None otherwise.

    mark_id: 8 hex digits. Videos from before manifests were hashed into the log have none that could be believed.
    """
    entries = vault.ledger.entries("output", mark_id)
    stated = entries[-1].body.get("manifest_sha256") if entries else None
    if not stated:
        return None
    query = select(manifests.c.store).where(manifests.c.label == entries[-1].body.get("manifest_label"))
    with vault.ledger.transaction() as connection:
        row = connection.execute(query).scalar_one_or_none()
    store = stored_bytes(row) if row is not None else b""
    return store if hashlib.sha256(store).hexdigest() == stated else None


def is_as_made(vault: Vault, path: Path, reading: ManifestReading) -> bool:
    """Whether a file with a Trusted manifest of ours is, byte for byte, the one the log saw; True where it saw none.

    C2PA leaves bytes uncovered: boxes of file type and of free space, and in the manifest's own box the padding and
    what else stands in the signature's unprotected header (RFC 9052, section 4.4). Of files above MOST_CHECKED only
    the manifest is compared. Raises LedgerError, OSError.
    """
    entries = vault.ledger.entries("output", str(reading.watermark.get("id", "")))
    body = entries[-1].body if entries else {}
    if body.get("manifest_label") != reading.label:
        return True
    with path.open("rb") as file:
        if path.stat().st_size <= MOST_CHECKED and body.get("file_sha256"):
            return hashlib.file_digest(file, "sha256").hexdigest() == body["file_sha256"]
        store, stated = manifest_store(file), body.get("manifest_sha256")
    return not store or not stated or hashlib.sha256(store).hexdigest() == stated


def recover(vault: Vault, mark_id: str) -> dict[str, Any] | None:
    """What the lost manifest of a stripped copy said. A soft match: nothing binds it to this copy but the watermark."""
    store = remembered_store(vault, mark_id)
    if not store:
        return None
    reading = ManifestSigner(vault.authority).read(io.BytesIO(store), "application/c2pa")
    return {
        "label": reading.label,
        "generator": reading.generator,
        "signer": reading.signer,
        "title": reading.title,
        "claims": list(reading.claims),
        "badge": reading.badge,
        "signed_at": reading.signed_at,
        "soft_match": True,
    }


def vouch(vault: Vault, path: Path, mime: str, reading: ManifestReading) -> ManifestReading:
    """Trusted again, when a signer's certificate has expired and the log has seen the manifest before it did.

    Certificates end; the log entry does not. The file is checked against the manifest that the ledger remembers, never
    against the one inside it: that one may be anybody's, with our ids copied into it.
    """
    if reading.state != "Valid" or "signingCredential.expired" not in reading.failures:
        return reading
    mark_id = str(reading.watermark.get("id", ""))
    if len(mark_id) != 8 or path.stat().st_size > MOST_CHECKED:
        return reading
    try:
        entries = vault.ledger.entries("output", mark_id)
        if not entries:
            return reading
        own = _check(vault, path, mime, reading, entries[-1].body, mark_id)
        if own is not None:
            vault.ledger.prove(entries[-1].position)
            return replace(own, state="Trusted", ours=True)
    except LedgerError:
        pass  # the look-up of the log names it
    return reading


def _check(
    vault: Vault, path: Path, mime: str, reading: ManifestReading, body: dict[str, Any], mark_id: str
) -> ManifestReading | None:
    if "manifest_sha256" not in body:  # of before manifests were hashed into the log: the file as it was, or nothing
        same = hashlib.sha256(path.read_bytes()).hexdigest() == body.get("file_sha256")
        return reading if same else None
    store = remembered_store(vault, mark_id)
    if not store:
        return None
    with path.open("rb") as file:
        own = ManifestSigner(vault.authority).read(file, mime, store)
    intact = own.state == "Valid" and "signingCredential.expired" in own.failures
    return own if intact and own.label == body.get("manifest_label") else None
