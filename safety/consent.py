"""Consent records: who attests what about which photo and which recording.

A record is canonical JSON (RFC 8785), signed with Ed25519 (RFC 8032), and its hash is an entry of the ledger's log.
Its sections follow ISO/IEC TS 27560 (consent records): header, party, processing, event. Names live in the record
only; log and manifests see its id, its hash and salted commitments.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785
from sqlalchemy import Connection, insert, select

from safety.attestation import Attestation
from safety.challenge import use_reply
from safety.commitment import commit, commit_parts
from safety.errors import ChallengeFailed, ConsentInvalid, OutputError
from safety.ledger import timestamp
from safety.ledger.log import parse_time, stored_bytes
from safety.notice import NOTICE_VERSION, STATEMENT, notice_hash
from safety.tables import consent_records
from safety.vault import Vault
from vasa_core.types import Photo, Speech

SCHEMA, SCHEMA_1 = "candor-consent/2", "candor-consent/1"  # written, and still read
MAX_FILE_BYTES = 1 << 20
SALT_BYTES = 32
CODE_BYTES = 15  # of the code that withdraws a consent


@dataclass(frozen=True)
class ConsentRecord:
    """A signed record as its holder keeps it.

    body:      the record; signed in canonical form.   signature: Ed25519 over those bytes.
    salts:     keys of the commitments in the record (photo, speech, evidence); whoever holds them and the inputs can
               check them.
    inclusion: Merkle inclusion proof in the log and the signed tree head, at the time of signing; with the logged leaf.
    code:      withdraws the consent; empty in records of schema 1.
    """

    body: dict[str, Any]
    signature: bytes
    salts: dict[str, bytes] = field(repr=False)
    inclusion: dict[str, Any]
    code: str = field(default="", repr=False)

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
    def any_audio(self) -> bool:
        """Whether the record is good for every recording, not only for the one it was signed with."""
        scope = self.body["processing"]["scope"]
        return isinstance(scope, dict) and scope["audio"] == "any"

    @property
    def log_index(self) -> int:
        return int(self.inclusion["position"])

    def to_dict(self) -> dict[str, Any]:
        return {
            "record": self.body,
            "signature": self.signature.hex(),
            "salts": {name: salt.hex() for name, salt in self.salts.items()},
            "inclusion": self.inclusion,
            **({"withdrawal_code": self.code} if self.code else {}),
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

    language: of the notice that was shown ("en", "fr"). The reply to a challenge phrase is used up in the same
    transaction. Raises ConsentInvalid, ChallengeFailed, LedgerError.
    """
    if language not in STATEMENT:
        raise ConsentInvalid(f"There is no consent notice in {language!r}; choose one of {', '.join(STATEMENT)}.")
    vault.require_clock()
    spoken = attestation.reply.spoken if attestation.reply is not None else None
    if spoken is not None and np.array_equal(spoken.samples, speech.samples):
        raise ChallengeFailed("The words and the voice of the video are one recording. Record the words by themselves.")
    salts = {name: secrets.token_bytes(SALT_BYTES) for name in ("photo", "speech", "evidence")}
    code = secrets.token_urlsafe(CODE_BYTES)
    with vault.ledger.transaction() as connection:
        evidence = _evidence(vault, connection, attestation, salts["evidence"])
        commitments = vars(commit(photo, speech, salts["photo"], salts["speech"]))
        body = _body(vault, attestation, language, evidence, commitments)
        body["event"]["withdrawal"]["code_sha256"] = _code_hash(body["record_id"], code)
        canonical = rfc8785.dumps(body)
        signature = vault.consent_key.sign(canonical)
        digest = hashlib.sha256(canonical).hexdigest()
        entry = vault.ledger.append(connection, "consent", body["record_id"], {"record_sha256": digest})
        connection.execute(
            insert(consent_records).values(
                record_id=body["record_id"],
                position=entry.position,
                body=canonical,
                signature=signature,
                expires_at=body["event"]["expires_at"],
            )
        )
        inclusion = vault.ledger.prove(entry.position, connection).to_dict() | {"leaf": entry.leaf_bytes.decode()}
    return ConsentRecord(body, signature, salts, inclusion, code)


def _evidence(vault: Vault, connection: Connection, attestation: Attestation, salt: bytes) -> dict[str, Any]:
    """What the basis rests on. Documents, references and spoken words enter as salted commitments only."""
    if attestation.reply is not None:
        return {"kind": "challenge"} | use_reply(vault, connection, attestation.reply, salt)
    text = attestation.reference.strip().encode() if attestation.basis == "written-consent" else b""
    reference = commit_parts(salt, "candor/consent-reference/1", text) if text else ""
    if attestation.document:
        commitment = commit_parts(salt, "candor/consent-document/1", attestation.document)
        both = {"reference_commitment": reference} if reference else {}
        return {"kind": "document", "commitment": commitment, "bytes": len(attestation.document)} | both
    if reference:
        return {"kind": "reference", "commitment": reference}
    if attestation.basis in ("public-domain", "synthetic") and attestation.source.strip():
        return {"kind": "source"}  # which stands beside it
    return {"kind": "none", "reason": attestation.unstated.strip()}


def _body(
    vault: Vault, attestation: Attestation, language: str, evidence: dict[str, Any], commitments: dict[str, str]
) -> dict[str, Any]:
    now = vault.clock()
    record_id = str(uuid.uuid4())
    contact = vault.contact
    return {
        "schema": SCHEMA,
        "record_id": record_id,
        "notice": {
            "version": NOTICE_VERSION,
            "language": language,
            "sha256": notice_hash(language, attestation.basis),
        },
        "party": {
            "subject": attestation.subject.strip(),
            "attester": attestation.attester.strip(),
        },
        "processing": {
            "basis": attestation.basis,
            "evidence": evidence,
            "purposes": attestation.purposes,
            "source": attestation.source.strip(),
            "scope": {
                "what": "talking video from this photo",
                "audio": "any" if attestation.any_audio else "this recording",
                "languages": list(attestation.languages) or "any",
                "distribution": attestation.distribution,
            },
            "commitments": commitments,
            "identity_check": "none",  # the consent is attested; nobody compared faces or voices
        },
        "event": {
            "given_at": timestamp(now),
            "expires_at": timestamp(now + timedelta(days=attestation.expires_days)),
            "withdrawal": {
                "command": f"python -m demo revoke {record_id}",
                "with_code": "its Verify page, or POST record_id and code to /provenance/withdrawals there",
                **({"contact": contact} if contact else {}),
            },
        },
    }


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


def withdraw(vault: Vault, record_id: str, code: str) -> None:
    """As `revoke`, for somebody who holds the code of the receipt and not the installation. Raises ConsentInvalid."""
    body = find_record(vault, str(record_id).strip().lower()[:36])
    withdrawal = body["event"]["withdrawal"] if body else None
    stated = withdrawal.get("code_sha256", "") if isinstance(withdrawal, dict) else ""
    given = _code_hash(body["record_id"], str(code).strip()[:200]) if body else ""
    # One answer for an unknown record and for a wrong code: nobody learns which records exist.
    if not stated or not hmac.compare_digest(stated, given):
        raise ConsentInvalid("Record and code do not belong together here. Copy both from the receipt.")
    revoke(vault, body["record_id"])  # type: ignore[index]  # without a body nothing was stated


def _code_hash(record_id: str, code: str) -> str:
    """The code is random and long: a plain hash gives nothing away."""
    return hashlib.sha256(f"candor/withdrawal-code/1|{record_id}|{code}".encode("utf-8", "surrogatepass")).hexdigest()


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


def _record_from_dict(data: Any) -> ConsentRecord:
    salts = {str(name): bytes.fromhex(salt) for name, salt in data["salts"].items()}
    record = ConsentRecord(
        body=data["record"],
        signature=bytes.fromhex(data["signature"]),
        salts={name: salts[name] for name in ("photo", "speech")} | salts,
        inclusion=dict(data["inclusion"]),
        code=str(data.get("withdrawal_code", "")),
    )
    # Touch what later code relies on, so that a malformed file is refused here and by name.
    if record.body["schema"] not in (SCHEMA, SCHEMA_1):
        raise ConsentInvalid(f"The consent file has schema {record.body['schema']!r}; this program needs {SCHEMA}.")
    _ = (record.id, record.expires_at, record.canonical, record.commitments, record.log_index, record.any_audio)
    return record
