"""One-time tokens: the right to make one video from one photo and one recording.

A token is a random secret; the ledger stores only its hash, what it is bound to, and whether it was used. `redeem`
is called by the seal and by nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import insert, select, update

from safety.commitment import commit_photo, commit_speech
from safety.consent import ConsentRecord, find_record
from safety.errors import (
    ConsentExpired,
    ConsentInvalid,
    ConsentMismatch,
    ConsentMissing,
    ConsentWithdrawn,
    TokenUsed,
)
from safety.ledger.log import parse_time
from safety.tables import tokens
from safety.vault import Vault
from vasa_core.types import Photo, Speech

TOKEN_SECONDS = 3600  # a queue of visitors may be in front of the renderer


def issue_token(vault: Vault, record: ConsentRecord, photo: Photo, speech: Speech) -> str:
    """A one-time token for these inputs, valid for an hour.

    Raises ConsentInvalid (altered, or not of this installation), ConsentWithdrawn, ConsentExpired, ConsentMismatch.
    """
    if not vault.consent_key.verifies(record.canonical, record.signature):
        raise ConsentInvalid(
            "The consent file was altered, or another installation signed it. Attest consent again here."
        )
    require_standing(vault, record.id)
    stated_speech = commit_speech(speech, record.salts["speech"])
    inputs = [("photo", commit_photo(photo, record.salts["photo"]), record.commitments["photo_pixels"])]
    if not record.any_audio:
        inputs.append(("recording", stated_speech, record.commitments["speech_samples"]))
    for name, value, stated in inputs:
        if not hmac.compare_digest(value, stated):
            raise ConsentMismatch(
                f"This consent was given for another {name}. Use that one, or attest consent for this one."
            )
    token = secrets.token_urlsafe(32)
    salt = secrets.token_bytes(32)
    with vault.ledger.transaction() as connection:
        connection.execute(
            insert(tokens).values(
                token_hash=token_id(token),
                record_id=record.id,
                photo_commitment=commit_photo(photo, salt),
                speech_commitment=commit_speech(speech, salt),
                stated_speech=stated_speech,
                salt=salt,
                expires_at=int(vault.clock().timestamp()) + TOKEN_SECONDS,
                used_at=None,
            )
        )
    return token


@dataclass(frozen=True)
class Grant:
    """What a used token allows.

    record_id: of the consent.  speech_commitment: to the recording of this video, under the salt of the record; empty
    for a token from before tokens knew it.
    """

    record_id: str
    speech_commitment: str


def redeem(vault: Vault, token: str | None, photo: Photo, speech: Speech) -> Grant:
    """Use the token up and return what it grants. Of any number of racing callers exactly one succeeds.

    A token shown with the wrong inputs is refused but not used up.
    Raises ConsentMissing, ConsentMismatch, ConsentExpired, ConsentWithdrawn, TokenUsed.
    """
    if not token or not isinstance(token, str):
        raise ConsentMissing("No consent was given. Attest consent first.")
    query = select(tokens).where(tokens.c.token_hash == token_id(token))
    with vault.ledger.transaction() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ConsentMissing("This consent token is unknown here. Attest consent first.")
    if row["used_at"] is not None:
        raise TokenUsed("This consent token was used already. Every video needs its own: press Create again.")
    salt = bytes(row["salt"])
    if not hmac.compare_digest(commit_photo(photo, salt), row["photo_commitment"]):
        raise ConsentMismatch("This consent token was issued for another photo. Attest consent for this one.")
    if not hmac.compare_digest(commit_speech(speech, salt), row["speech_commitment"]):
        raise ConsentMismatch("This consent token was issued for another recording. Attest consent for this one.")
    now = int(vault.clock().timestamp())
    if now >= row["expires_at"]:
        raise ConsentExpired("This consent token is more than an hour old. Press Create again.")
    require_standing(vault, row["record_id"])
    # The decision is this one statement: the database lets exactly one caller change used_at from null.
    claim = update(tokens).where(tokens.c.token_hash == token_id(token), tokens.c.used_at.is_(None)).values(used_at=now)
    with vault.ledger.transaction() as connection:
        won = connection.execute(claim).rowcount == 1
    if not won:
        raise TokenUsed("This consent token was used already. Every video needs its own: press Create again.")
    return Grant(str(row["record_id"]), str(row["stated_speech"] or ""))


def require_standing(vault: Vault, record_id: str) -> None:
    """The record is in the ledger, unaltered, not withdrawn and not expired. Raises the ConsentError family."""
    vault.require_clock()
    body = find_record(vault, record_id)
    if body is None:
        raise ConsentInvalid("The ledger does not know this consent record. Attest consent again here.")
    if vault.ledger.entries("revocation", record_id):
        raise ConsentWithdrawn("This consent was withdrawn. Ask the person shown, and attest consent again.")
    expires = body["event"]["expires_at"]
    if vault.clock() >= parse_time(expires):
        raise ConsentExpired(f"This consent expired on {expires[:10]}. Attest consent again.")


def token_id(token: str) -> str:
    """SHA-256 of a token, hex: what the ledger knows of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
