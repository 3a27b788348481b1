"""Consent receipts: what somebody takes home as proof that a consent was recorded, and how anybody checks one.

A receipt holds the signed record, the log's leaf for it, an inclusion proof (RFC 9162, section 2.1.3) and the signed
tree head. It holds no salts: nobody can test with it whether a photo or recording was used. It is checked offline.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety import merkle
from safety.consent import MAX_FILE_BYTES, SCHEMA, SCHEMA_1, ConsentRecord
from safety.errors import ConsentInvalid, OutputError
from safety.notice import notice_text
from safety.vault import Vault

RECEIPT = "candor-receipt/1"
HOW_TO_CHECK = (
    "python -m safety check-receipt THIS_FILE --key KEY checks this receipt without network and without the "
    "installation: KEY is the installation's public key, which it shows with `python -m safety public-key`. "
    "By hand: (1) `signature` is Ed25519 over the RFC 8785 form of `record`; (2) `leaf` names the SHA-256 of "
    "that form; (3) the SHA-256 of a zero byte and `leaf` leads along `path` to `root` (RFC 9162, section "
    "2.1.3.2); (4) `head` states `size` and `root`, and `head_signature` is Ed25519 over it. A receipt shows "
    "that consent was recorded then; whether it was withdrawn since, only the installation can say."
)


@dataclass(frozen=True)
class ReceiptCheck:
    """A receipt that holds together.

    key: hex, that it is signed with.  pinned: the caller named that key; otherwise anybody may have signed it.
    notice: the text the record names by its hash, None when this program does not know it.
    """

    record: dict[str, Any]
    key: str
    pinned: bool
    log_index: int
    log_size: int
    root: str
    notice: str | None


def make_receipt(vault: Vault, record: ConsentRecord, *, with_code: bool = False) -> dict[str, Any]:
    """The receipt of a record that this ledger holds, proven against its newest tree head.

    with_code: for the person who consented; the code withdraws the consent, and is no part of what is checked.
    Raises ConsentInvalid when the ledger does not know the record, LedgerError.
    """
    entries = vault.ledger.entries("consent", record.id)
    if not entries or entries[0].body.get("record_sha256") != record.sha256:
        raise ConsentInvalid("This installation's ledger has no such consent record. Ask the one that signed it.")
    receipt = {
        "receipt": RECEIPT,
        "record": record.body,
        "signature": record.signature.hex(),
        "key": vault.consent_key.public_hex,
        "inclusion": vault.ledger.prove(entries[0].position).to_dict() | {"leaf": entries[0].leaf_bytes.decode()},
        "how_to_check": HOW_TO_CHECK,
    }
    if with_code and record.code:
        receipt["withdrawal_code"] = record.code
        receipt["withdrawal_code_note"] = (
            "Whoever has this code can withdraw the consent, and can do nothing else with it. Take both lines out "
            "before you show the receipt to others."
        )
    return receipt


def save_receipt(receipt: dict[str, Any], path: str | Path) -> None:
    """Write a receipt, readable by its owner only. Raises OutputError; never leaves half a file."""
    target = Path(path)
    scratch = target.with_name(f".{target.name[:80]}-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            json.dump(receipt, file, indent=2, ensure_ascii=False)
            file.write("\n")
        os.replace(scratch, target)
    except OSError as error:
        scratch.unlink(missing_ok=True) if scratch.parent.is_dir() else None
        reason = error.strerror
        raise OutputError(f"The receipt {target} cannot be written ({reason}). Choose another place.") from error


def load_receipt(path: str | Path) -> dict[str, Any]:
    """The JSON of a receipt, or of a consent file with a leaf. Raises ConsentInvalid."""
    source = Path(path)
    try:
        if source.stat().st_size > MAX_FILE_BYTES:
            raise ConsentInvalid(f"{source.name} is too large for a receipt.")
        data = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConsentInvalid(f"The receipt {source.name} cannot be read ({error.strerror}). Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise ConsentInvalid(f"{source.name} is no receipt. Give the file that was downloaded as receipt.") from error
    if not isinstance(data, dict):
        raise ConsentInvalid(f"{source.name} is no receipt. Give the file that was downloaded as receipt.")
    return data


def check_receipt(receipt: dict[str, Any], key: str | None = None) -> ReceiptCheck:
    """Check a receipt with nothing but itself and, better, the installation's public key (64 hex digits).

    Raises ConsentInvalid that names the first thing which does not fit.
    """
    try:
        return _check(receipt, key.strip().lower() if key else None)
    except ConsentInvalid:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise ConsentInvalid("The receipt is not complete. Give the file as it was downloaded.") from error


def _check(receipt: dict[str, Any], key: str | None) -> ReceiptCheck:
    record, inclusion = receipt["record"], receipt["inclusion"]
    stated = str(receipt["key"]).lower()
    if key is not None and stated != key:
        raise ConsentInvalid("The receipt is signed with another key than the one you gave. It is not from there.")
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(stated))
    canonical = rfc8785.dumps(record)
    if record["schema"] not in (SCHEMA, SCHEMA_1):
        raise ConsentInvalid(f"The record has schema {record['schema']!r}, which this program does not know.")
    _require_signature(public, receipt["signature"], canonical, "The record was altered: its signature does not fit.")
    leaf = json.loads(inclusion["leaf"])
    digest = hashlib.sha256(canonical).hexdigest()
    if (leaf["kind"], leaf["subject_id"], leaf["record_sha256"]) != ("consent", record["record_id"], digest):
        raise ConsentInvalid("The log entry in the receipt is that of another record.")
    position, size, root = int(inclusion["position"]), int(inclusion["size"]), bytes.fromhex(inclusion["root"])
    path = [bytes.fromhex(node) for node in inclusion["path"]]
    if merkle.root_from_path(merkle.leaf_hash(inclusion["leaf"].encode()), position, size, path) != root:
        raise ConsentInvalid("The inclusion proof does not lead to the log's root: the entry is not in that log.")
    head = json.loads(inclusion["head"])
    if (head["size"], head["root"]) != (size, root.hex()):
        raise ConsentInvalid("The tree head in the receipt states another log than the proof.")
    problem = "The tree head is not signed with the key of the record."
    _require_signature(public, inclusion["head_signature"], inclusion["head"].encode(), problem)
    return ReceiptCheck(
        record, stated, key is not None, position, size, root.hex(), notice_text(record["notice"]["sha256"])
    )


def _require_signature(key: Ed25519PublicKey, signature: str, message: bytes, problem: str) -> None:
    try:
        key.verify(bytes.fromhex(signature), message)
    except InvalidSignature:
        raise ConsentInvalid(problem) from None
