"""What each basis asks for: phrases, references, documents, sources, scope."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from safety import Attestation, Vault, attest, issue_token
from safety.attestation import Reply
from safety.challenge import check_reply, commit_reply, issue_challenge
from safety.commitment import commit_parts
from safety.consent import find_record, withdraw, withdrawn_at
from safety.errors import ChallengeFailed, ConsentInvalid, ConsentMismatch, LedgerError
from safety.notice import STATEMENT, notice, notice_hash, notice_text
from safety.words import WORDS
from tests.safety.helpers import Clock, tone
from vasa_core.types import Photo, Speech


@pytest.fixture
def small(photo: Photo) -> Photo:
    return replace(photo, pixels=np.zeros((64, 64, 3), np.uint8))


def myself(reply: Reply | None, **changes: Any) -> Attestation:
    return Attestation("self", "Ann Lee", "Ann Lee", "a greeting", reply=reply, **changes)


@pytest.mark.parametrize("language", list(WORDS))
def test_typed_words_enter_the_record_once(vault: Vault, small: Photo, speech: Speech, language: str) -> None:
    asked = issue_challenge(vault, "visitor", language)
    reply = Reply(asked.id, "visitor", typed=f"  {asked.phrase.upper()}.")
    check_reply(vault, reply)
    record = attest(vault, myself(reply), small, speech, language)
    evidence = record.body["processing"]["evidence"]
    assert (evidence["kind"], evidence["phrase"], evidence["channel"]) == ("challenge", asked.phrase, "typed")
    assert evidence["response_commitment"] == commit_reply(reply, record.salts["evidence"])
    assert record.body["notice"]["sha256"] == notice_hash(language, "self")
    with pytest.raises(ChallengeFailed, match="already"):
        attest(vault, myself(reply), small, speech)


def test_spoken_words_are_committed_to_and_said_to_be_unchecked(vault: Vault, small: Photo, speech: Speech) -> None:
    asked = issue_challenge(vault, "visitor")
    spoken = tone(1.5, hertz=180)
    record = attest(vault, myself(Reply(asked.id, "visitor", spoken=spoken)), small, speech)
    evidence = record.body["processing"]["evidence"]
    assert evidence["channel"] == "spoken" and evidence["checked"].startswith("no")
    assert evidence["response_commitment"] == commit_reply(Reply("", "", spoken=spoken), record.salts["evidence"])


def test_answers_that_do_not_count(vault: Vault, clock: Clock, small: Photo, speech: Speech) -> None:
    asked = issue_challenge(vault, "visitor")
    silence = replace(tone(2.0), samples=np.zeros(32_000, np.float32))
    wrong = [
        Reply(asked.id, "visitor", typed=asked.phrase + " more"),
        Reply(asked.id, "visitor"),
        Reply(asked.id, "another", typed=asked.phrase),
        Reply("0" * 36, "visitor", typed=asked.phrase),
        Reply("x" * 5000, "\ud800", typed="\x00" * 5000),
        Reply(asked.id, "visitor", spoken=tone(0.3)),
        Reply(asked.id, "visitor", spoken=silence),
        Reply(asked.id, "visitor", spoken=tone(61)),
        Reply(asked.id, "visitor", spoken=speech),  # the voice of the video itself
    ]
    size = vault.ledger.size()
    for reply in wrong:
        with pytest.raises(ChallengeFailed):
            attest(vault, myself(reply), small, speech)
    assert vault.ledger.size() == size  # nothing was recorded, and nothing used up
    check_reply(vault, Reply(asked.id, "visitor", typed=asked.phrase))
    clock.shift = timedelta(minutes=31)
    with pytest.raises(ChallengeFailed, match="half an hour"):
        check_reply(vault, Reply(asked.id, "visitor", typed=asked.phrase))


def test_a_new_phrase_voids_the_visitors_former_one_only(vault: Vault) -> None:
    first, other = issue_challenge(vault, "visitor"), issue_challenge(vault, "another")
    issue_challenge(vault, "visitor")
    with pytest.raises(ChallengeFailed):
        check_reply(vault, Reply(first.id, "visitor", typed=first.phrase))
    check_reply(vault, Reply(other.id, "another", typed=other.phrase))


def test_of_many_racing_records_one_gets_the_phrase(vault: Vault, small: Photo, speech: Speech) -> None:
    asked = issue_challenge(vault, "visitor")

    def attempt(_: int) -> bool:
        try:
            return bool(attest(vault, myself(Reply(asked.id, "visitor", typed=asked.phrase)), small, speech).id)
        except ChallengeFailed:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"basis": "self", "subject": "A", "attester": "A"},
        {"basis": "written-consent"},
        {"basis": "public-domain", "source": " "},
        {"basis": "synthetic"},
        {"basis": "synthetic", "source": "drawn", "reply": Reply("", "")},
        {"basis": "synthetic", "source": "drawn", "distribution": "everywhere"},
        {"basis": "synthetic", "source": "drawn", "languages": ("e",)},
        {"basis": "synthetic", "source": "drawn", "languages": ("english please",)},
        {"basis": "synthetic", "source": "drawn", "languages": ["en"]},
        {"basis": "synthetic", "source": "drawn", "any_audio": 1},
        {"basis": "written-consent", "document": b"x" * ((20 << 20) + 1)},
        {"basis": "synthetic", "source": "drawn", "purpose": " ; ;"},
    ],
)
def test_every_basis_needs_its_own_field(fields: dict[str, Any]) -> None:
    with pytest.raises(ConsentInvalid):
        Attestation(**{"subject": "A", "attester": "B", "purpose": "test"} | fields)


@pytest.mark.parametrize(
    ("given", "kind", "domain", "content"),
    [
        ({"reference": "Folder 7, page 3"}, "reference", "candor/consent-reference/1", b"Folder 7, page 3"),
        ({"document": b"%PDF signed"}, "document", "candor/consent-document/1", b"%PDF signed"),
        ({"document": b"%PDF", "reference": "Folder 7"}, "document", "candor/consent-document/1", b"%PDF"),
    ],
)
def test_written_consent_is_kept_as_a_salted_commitment_only(
    vault: Vault, small: Photo, speech: Speech, given: dict[str, Any], kind: str, domain: str, content: bytes
) -> None:
    record = attest(vault, Attestation("written-consent", "A", "B", "test; show", **given), small, speech)
    evidence = record.body["processing"]["evidence"]
    assert (evidence["kind"], evidence["commitment"]) == (kind, commit_parts(record.salts["evidence"], domain, content))
    if kind == "document" and "reference" in given:
        text = commit_parts(record.salts["evidence"], "candor/consent-reference/1", given["reference"].encode())
        assert evidence["reference_commitment"] == text
    assert content not in record.canonical and record.body["processing"]["purposes"] == ["test", "show"]


def test_any_audio_means_any_recording_and_the_same_photo(
    vault: Vault, photo: Photo, small: Photo, speech: Speech, attestation: Attestation
) -> None:
    record = attest(vault, replace(attestation, any_audio=True, languages=("en", "fr-CA")), photo, speech)
    assert record.body["processing"]["scope"]["languages"] == ["en", "fr-CA"]
    assert issue_token(vault, record, photo, tone(1.0, hertz=330))
    with pytest.raises(ConsentMismatch, match="photo"):
        issue_token(vault, record, small, speech)
    with pytest.raises(ConsentMismatch, match="recording"):
        issue_token(vault, attest(vault, attestation, photo, speech), photo, tone(1.0, hertz=330))


def test_the_code_withdraws_and_nothing_else_does(
    vault: Vault, small: Photo, speech: Speech, attestation: Attestation
) -> None:
    record, other = (attest(vault, attestation, small, speech) for _ in range(2))
    for record_id, code in ((record.id, other.code), (record.id, ""), ("0" * 36, record.code), (other.id, record.code)):
        with pytest.raises(ConsentInvalid, match="do not belong"):
            withdraw(vault, record_id, code)
    assert withdrawn_at(vault, record.id) is None
    withdraw(vault, f" {record.id.upper()} ", f" {record.code}\n")
    assert withdrawn_at(vault, record.id) is not None and withdrawn_at(vault, other.id) is None
    assert record.code.encode() not in (find_record(vault, other.id) or {}).__repr__().encode() + record.canonical


def test_notices_resolve_by_their_hash() -> None:
    for language, bases in STATEMENT.items():
        for basis in bases:
            assert notice_text(notice_hash(language, basis)) == notice(language, basis)
    former = "1" * 64
    assert notice_text(former) is None
    assert STATEMENT["en"].keys() == STATEMENT["fr"].keys() and len(WORDS["en"]) == len(set(WORDS["en"])) == 64


def test_a_clock_set_back_revives_nothing(
    vault: Vault, clock: Clock, small: Photo, speech: Speech, attestation: Attestation
) -> None:
    record = attest(vault, replace(attestation, expires_days=1), small, speech)
    clock.shift = timedelta(days=3)
    attest(vault, attestation, small, speech)  # the ledger has seen a later day
    clock.shift = timedelta()
    with pytest.raises(LedgerError, match="clock"):
        issue_token(vault, record, small, speech)
    with pytest.raises(LedgerError, match="clock"):
        attest(vault, attestation, small, speech)
    assert vault.latest() >= record.expires_at  # what the audit judges by
