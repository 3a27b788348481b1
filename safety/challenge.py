"""Challenge phrases: a few random words that whoever consents for themselves types or speaks.

A phrase is made here, shown to one visitor, good for half an hour and for one record. It shows that somebody was there
and read it, at that time and for that record; it does not show who. Typed words are compared; spoken ones are not
understood by this program: the record commits to the recording, so that a person can listen to it in a dispute.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, insert, select, update

from safety.attestation import Reply
from safety.commitment import commit_parts
from safety.errors import ChallengeFailed
from safety.ledger import timestamp
from safety.tables import challenges
from safety.vault import Vault
from safety.words import WORDS
from vasa_core.types import Speech

PHRASE_SECONDS = 1800
PHRASE_WORDS = 5  # of 64: 30 bits
MIN_SPOKEN_SECONDS, MAX_SPOKEN_SECONDS, AUDIBLE = 1.0, 60.0, 1e-3  # of a spoken answer; root mean square of full scale


@dataclass(frozen=True)
class Challenge:
    """A phrase to be typed or spoken. id: to be given back with the answer.  expires_at: Unix seconds."""

    id: str
    phrase: str
    expires_at: int


def issue_challenge(vault: Vault, visitor: str, language: str = "en") -> Challenge:
    """A new phrase for one visitor; the visitor's earlier, unanswered one is void.

    visitor: anything that stays the same while somebody is here (a session's id). Raises ChallengeFailed, LedgerError.
    """
    if language not in WORDS:
        raise ChallengeFailed(f"There are no phrases in {language!r}; choose one of {', '.join(WORDS)}.")
    phrase = " ".join(secrets.choice(WORDS[language]) for _ in range(PHRASE_WORDS))
    now = int(vault.clock().timestamp())
    made = Challenge(str(uuid.uuid4()), phrase, now + PHRASE_SECONDS)
    row = {"challenge_id": made.id, "phrase": phrase, "visitor": _visitor(visitor), "issued_at": now}
    unanswered = challenges.c.used_at.is_(None)
    with vault.ledger.transaction() as connection:
        mine_or_stale = (challenges.c.visitor == row["visitor"]) | (challenges.c.expires_at <= now)
        connection.execute(delete(challenges).where(unanswered, mine_or_stale))
        connection.execute(insert(challenges).values(**row, expires_at=made.expires_at, used_at=None))
    return made


def check_reply(vault: Vault, reply: Reply) -> None:
    """Refuse early what `use_reply` would refuse later. Uses nothing up. Raises ChallengeFailed."""
    with vault.ledger.transaction() as connection:
        _checked(vault, connection, reply)


def use_reply(vault: Vault, connection: Connection, reply: Reply, salt: bytes) -> dict[str, Any]:
    """Use the phrase up, within the caller's transaction, and return what the consent record says about it.

    salt: of the commitment to the answer. Raises ChallengeFailed.
    """
    row = _checked(vault, connection, reply)
    now = vault.clock()
    # The decision is this one statement: the database lets exactly one caller change used_at from null.
    claim = update(challenges).where(challenges.c.challenge_id == reply.challenge_id, challenges.c.used_at.is_(None))
    if connection.execute(claim.values(used_at=int(now.timestamp()))).rowcount != 1:
        raise ChallengeFailed("These words were answered already. Ask for new ones.")
    spoken = reply.spoken is not None
    return {
        "phrase": row["phrase"],
        "challenge_id": reply.challenge_id,
        "issued_at": timestamp(vault.at(row["issued_at"])),
        "answered_at": timestamp(now),
        "channel": "spoken" if spoken else "typed",
        "response_commitment": commit_reply(reply, salt),
        "checked": "no: the recording is committed to, its words were not compared" if spoken else "words compared",
    }


def commit_reply(reply: Reply, salt: bytes) -> str:
    """HMAC-SHA-256 of the answer as given: the typed text (UTF-8), or the decoded recording."""
    if reply.spoken is None:
        return commit_parts(salt, "candor/challenge-typed/1", reply.typed.encode())
    samples = reply.spoken.samples.astype("<f4", copy=False)
    return commit_parts(salt, "candor/challenge-spoken/1", samples, reply.spoken.playback.astype("<i2", copy=False))


def _checked(vault: Vault, connection: Connection, reply: Reply) -> Any:
    query = select(challenges).where(challenges.c.challenge_id == str(reply.challenge_id)[:36])
    row = connection.execute(query).mappings().one_or_none()
    if row is None or row["visitor"] != _visitor(reply.visitor):
        raise ChallengeFailed("These words were not asked for here, or newer ones have replaced them. Ask again.")
    if row["used_at"] is not None:
        raise ChallengeFailed("These words were answered already. Ask for new ones.")
    if int(vault.clock().timestamp()) >= row["expires_at"]:
        raise ChallengeFailed("These words are more than half an hour old. Ask for new ones.")
    if reply.spoken is not None:
        _check_spoken(reply.spoken)
    elif _plain(reply.typed) != _plain(row["phrase"]):
        raise ChallengeFailed("These are not the words that were asked for. Type them as they are shown.")
    return row


def _check_spoken(speech: Speech) -> None:
    loud = float(np.sqrt(np.mean(speech.samples**2))) if speech.samples.size else 0.0
    if speech.seconds < MIN_SPOKEN_SECONDS or loud < AUDIBLE:
        raise ChallengeFailed("The recording of the words is too short or silent. Read all of them aloud.")
    if speech.seconds > MAX_SPOKEN_SECONDS:
        raise ChallengeFailed("The recording of the words is longer than a minute. Read the words and nothing else.")


def _plain(text: object) -> str:
    """Without case, accents, punctuation and surplus spaces: people type phrases on telephones."""
    letters = unicodedata.normalize("NFKD", str(text)[:500].casefold())
    return " ".join(re.sub(r"[^\w\s]|_", "", "".join(c for c in letters if not unicodedata.combining(c))).split())


def _visitor(name: str) -> str:
    return hashlib.sha256(f"candor/visitor/1|{name}".encode("utf-8", "surrogatepass")).hexdigest()
