"""Consent records: who attests what about which photo and which recording.

A record is canonical JSON (RFC 8785), signed with Ed25519 (RFC 8032), and its hash is an entry of the ledger's log.
Its sections follow ISO/IEC TS 27560 (consent records): header, party, processing, event. Names live in the record
only; log and manifests see its id, its hash and salted commitments.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

import rfc8785
from sqlalchemy import insert, select

from safety.commitment import commit
from safety.errors import ConsentInvalid, OutputError
from safety.ledger import timestamp
from safety.ledger.log import stored_bytes
from safety.notice import NOTICE, NOTICE_VERSION, notice_hash
from safety.tables import consent_records
from safety.vault import Vault
from vasa_core.types import Photo, Speech

SCHEMA = "candor-consent/1"
MAX_NAME, MAX_TEXT, MAX_DAYS = 200, 1000, 3650
MAX_FILE_BYTES = 1 << 20
SALT_BYTES = 32

Basis = Literal["self", "written-consent", "public-domain", "synthetic"]


@dataclass(frozen=True)
class Attestation:
    """What a person states before a video may be made. Raises ConsentInvalid when a field cannot stand.

    basis:    self: the attester is the person shown; written-consent: the attester holds that person's consent;
              public-domain: the picture and the depiction are free; synthetic: nobody who exists is shown.
    subject:  who is shown.  attester: who states it.  purpose: what the video is for.
    expires_days: 1 to 3650.  source: where picture and recording come from, optional.
    """

    basis: Basis
    subject: str
    attester: str
    purpose: str
    expires_days: int = 365
    source: str = ""

    def __post_init__(self) -> None:
        if self.basis not in get_args(Basis):
            raise ConsentInvalid(f"The basis {self.basis!r} is unknown; choose one of {', '.join(get_args(Basis))}.")
        for name, limit, required in (
            ("subject", MAX_NAME, True),
            ("attester", MAX_NAME, True),
            ("purpose", MAX_TEXT, True),
            ("source", MAX_TEXT, False),
        ):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > limit:
                raise ConsentInvalid(f"The {name} must be text of at most {limit} characters; shorten it.")
            if required and not value.strip():
                raise ConsentInvalid(f"The {name} is empty; fill it in.")
            if any(ord(char) < 32 or 0xD800 <= ord(char) <= 0xDFFF for char in value):
                raise ConsentInvalid(f"The {name} contains control characters; retype it.")
        if type(self.expires_days) is not int or not 1 <= self.expires_days <= MAX_DAYS:
            raise ConsentInvalid(f"Consent must expire after 1 to {MAX_DAYS} days; choose a number in that range.")
        if self.basis == "self" and self.subject.strip().casefold() != self.attester.strip().casefold():
            raise ConsentInvalid(
                "With the basis 'self', subject and attester must be the same person; "
                "write the same name twice or choose 'written-consent'."
            )


@dataclass(frozen=True)
class ConsentRecord:
    """A signed record as its holder keeps it.

    body:      the record; signed in canonical form.   signature: Ed25519 over those bytes.
    salts:     keys of the commitments in the record (photo, speech); whoever holds them and the inputs can check them.
    inclusion: Merkle inclusion proof in the log and the signed tree head, at the time of signing.
    """

    body: dict[str, Any]
    signature: bytes
    salts: dict[str, bytes] = field(repr=False)
    inclusion: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.body["record_id"])

    @property
    def expires_at(self) -> datetime:
        return parse_time(self.body["event"]["expires_at"])

    @property
    def canonical(self) -> bytes:
        return rfc8785.dumps(self.body)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.canonical).hexdigest()

    @property
    def commitments(self) -> dict[str, str]:
        return dict(self.body["processing"]["commitments"])

    @property
    def log_index(self) -> int:
        return int(self.inclusion["position"])

    def to_dict(self) -> dict[str, Any]:
        return {
            "record": self.body,
            "signature": self.signature.hex(),
            "salts": {name: salt.hex() for name, salt in self.salts.items()},
            "inclusion": self.inclusion,
        }

    def save(self, path: str | Path) -> None:
        """Write the consent file, readable by its owner only. Raises OutputError; never leaves half a file."""
        target = Path(path)
        scratch = target.with_name(f".{target.name}-{secrets.token_hex(8)}")
        try:
            with os.fdopen(
                os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600),
                "w",
                encoding="utf-8",
            ) as file:
                json.dump(self.to_dict(), file, indent=2, ensure_ascii=False)
                file.write("\n")
            os.replace(scratch, target)
        except OSError as error:
            scratch.unlink(missing_ok=True) if scratch.parent.is_dir() else None
            raise OutputError(
                f"The consent file {target} cannot be written ({error.strerror}). Choose another place."
            ) from error


def load_consent(path: str | Path) -> ConsentRecord:
    """Read a consent file. Its signature is checked when a token is asked for. Raises ConsentInvalid."""
    source = Path(path)
    try:
        if source.stat().st_size > MAX_FILE_BYTES:
            raise ConsentInvalid(f"{source} is too large for a consent file. Give the file that `consent` wrote.")
        data = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConsentInvalid(f"The consent file {source} cannot be read ({error.strerror}). Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise ConsentInvalid(f"{source} is no consent file. Give the file that `consent` wrote.") from error
    try:
        return _record_from_dict(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ConsentInvalid(f"{source} is no complete consent file. Give the file that `consent` wrote.") from error


def attest(
    vault: Vault,
    attestation: Attestation,
    photo: Photo,
    speech: Speech,
    language: str = "en",
) -> ConsentRecord:
    """Sign a record that binds `attestation` to this photo and this recording, and append it to the log.

    language: of the notice that was shown ("en", "fr"). Raises ConsentInvalid, LedgerError.
    """
    if language not in NOTICE:
        raise ConsentInvalid(f"There is no consent notice in {language!r}; choose one of {', '.join(NOTICE)}.")
    now = vault.clock()
    salts = {
        "photo": secrets.token_bytes(SALT_BYTES),
        "speech": secrets.token_bytes(SALT_BYTES),
    }
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "record_id": str(uuid.uuid4()),
        "notice": {
            "version": NOTICE_VERSION,
            "language": language,
            "sha256": notice_hash(language),
        },
        "party": {
            "subject": attestation.subject.strip(),
            "attester": attestation.attester.strip(),
        },
        "processing": {
            "basis": attestation.basis,
            "purpose": attestation.purpose.strip(),
            "source": attestation.source.strip(),
            "scope": "talking video from this photo and this recording",
            "commitments": vars(commit(photo, speech, salts["photo"], salts["speech"])),
            "identity_check": "none",  # the consent is attested; nobody compared faces or voices
        },
        "event": {
            "given_at": timestamp(now),
            "expires_at": timestamp(now + timedelta(days=attestation.expires_days)),
            "withdrawal": "python -m demo revoke RECORD_ID",
        },
    }
    canonical = rfc8785.dumps(body)
    signature = vault.consent_key.sign(canonical)
    record_id = body["record_id"]
    with vault.ledger.transaction() as connection:
        digest = hashlib.sha256(canonical).hexdigest()
        entry = vault.ledger.append(connection, "consent", str(record_id), {"record_sha256": digest})
        connection.execute(
            insert(consent_records).values(
                record_id=record_id,
                position=entry.position,
                body=canonical,
                signature=signature,
                expires_at=body["event"]["expires_at"],
            )
        )
        inclusion = vault.ledger.prove(entry.position, connection).to_dict()
    return ConsentRecord(body, signature, salts, inclusion)


def revoke(vault: Vault, record_id: str) -> None:
    """Withdraw a consent: no further video, and every video made with it reads as withdrawn.

    Appends an entry; revoking twice changes nothing. Raises ConsentInvalid when the ledger has no such record.
    """
    if not isinstance(record_id, str) or not re.fullmatch(r"[0-9a-fA-F-]{36}", record_id.strip()):
        raise ConsentInvalid(
            "That is no consent record id; it has 36 characters, as in the result card or consent file."
        )
    record_id = record_id.strip().lower()
    with vault.ledger.transaction() as connection:
        known = connection.execute(select(consent_records.c.record_id).where(consent_records.c.record_id == record_id))
        if known.first() is None:
            raise ConsentInvalid(f"The ledger has no consent record {record_id}. Check the id.")
        if not vault.ledger.entries("revocation", record_id, connection):
            vault.ledger.append(connection, "revocation", record_id, {})


def find_record(vault: Vault, record_id: str) -> dict[str, Any] | None:
    """The stored record's body, its signature and its log entry checked; None when the ledger does not know the id.

    Raises LedgerError or ConsentInvalid when the stored record does not match the log: somebody edited the database.
    """
    query = select(consent_records.c.body, consent_records.c.signature).where(consent_records.c.record_id == record_id)
    with vault.ledger.transaction() as connection:
        row = connection.execute(query).one_or_none()
        entries = vault.ledger.entries("consent", record_id, connection)
        if row is None or not entries:
            return None
        canonical, signature = stored_bytes(row[0]), stored_bytes(row[1])
        vault.ledger.prove(entries[0].position, connection)
    logged = entries[0].body.get("record_sha256")
    if not vault.consent_key.verifies(canonical, signature) or hashlib.sha256(canonical).hexdigest() != logged:
        raise ConsentInvalid(f"The ledger's copy of consent record {record_id} was altered. Restore it from a backup.")
    body: dict[str, Any] = json.loads(canonical)
    return body


def withdrawn_at(vault: Vault, record_id: str) -> datetime | None:
    """When the consent was revoked, or None."""
    entries = vault.ledger.entries("revocation", record_id)
    return parse_time(entries[0].body["time"]) if entries else None


def parse_time(text: str) -> datetime:
    """Inverse of `safety.ledger.timestamp`. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _record_from_dict(data: Any) -> ConsentRecord:
    record = ConsentRecord(
        body=data["record"],
        signature=bytes.fromhex(data["signature"]),
        salts={name: bytes.fromhex(data["salts"][name]) for name in ("photo", "speech")},
        inclusion=dict(data["inclusion"]),
    )
    # Touch what later code relies on, so that a malformed file is refused here and by name.
    if record.body["schema"] != SCHEMA:
        raise ConsentInvalid(f"The consent file has schema {record.body['schema']!r}; this program needs {SCHEMA}.")
    _ = (
        record.id,
        record.expires_at,
        record.canonical,
        record.commitments,
        record.log_index,
    )
    return record
