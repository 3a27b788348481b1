from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safety import Attestation, ConsentRecord, Vault, attest, issue_token, load_consent, merkle, revoke
from safety.commitment import commit
from safety.consent import find_record
from safety.errors import (
    ConsentExpired,
    ConsentInvalid,
    ConsentMismatch,
    ConsentMissing,
    ConsentWithdrawn,
    LedgerError,
    OutputError,
    TokenUsed,
)
from safety.tokens import redeem
from tests.safety.helpers import Clock, tone
from vasa_core.types import Photo, Speech


@pytest.fixture
def record(vault: Vault, attestation: Attestation, photo: Photo, speech: Speech) -> ConsentRecord:
    return attest(vault, attestation, photo, speech)


def other_photo(photo: Photo) -> Photo:
    pixels = photo.pixels.copy()
    pixels[0, 0, 0] ^= 1
    return replace(photo, pixels=pixels)


@pytest.mark.parametrize(
    "change",
    [
        {"basis": "hearsay"},
        {"subject": " "},
        {"attester": ""},
        {"purpose": "x" * 2000},
        {"subject": "line\nbreak"},
        {"subject": "\ud800"},
        {"expires_days": 0},
        {"expires_days": 5000},
        {"expires_days": True},
        {"basis": "self"},  # subject and attester differ
    ],
)
def test_attestations_that_cannot_stand(attestation: Attestation, change: dict[str, Any]) -> None:
    with pytest.raises(ConsentInvalid):
        replace(attestation, **change)


@pytest.mark.parametrize("page", ["README.md", "docs/safety.md"])
def test_examples_in_the_documents_stand(page: str) -> None:
    text = (Path(__file__).resolve().parents[2] / page).read_text("utf-8")
    examples = re.findall(r"= (Attestation\(.+\))$", text, re.MULTILINE)
    assert examples and all(eval(each, {"Attestation": Attestation}) for each in examples)


def test_self_means_one_person(attestation: Attestation) -> None:
    assert replace(attestation, basis="self", subject="Ann Lee", attester=" ann lee", unstated="a test").basis == "self"


def test_record_is_signed_logged_and_free_of_plain_hashes(vault: Vault, record: ConsentRecord, photo: Photo) -> None:
    assert vault.consent_key.verifies(record.canonical, record.signature)
    assert find_record(vault, record.id) == record.body
    leaf = vault.ledger.entries("consent", record.id)[0]
    assert leaf.body["record_sha256"] == record.sha256
    path = [bytes.fromhex(digest) for digest in record.inclusion["path"]]
    size, root = record.inclusion["size"], record.inclusion["root"]
    found = merkle.root_from_path(merkle.leaf_hash(leaf.leaf_bytes), record.log_index, size, path)
    assert found is not None
    assert found.hex() == root
    assert b"Eileen" not in leaf.leaf_bytes  # names stay out of the log


def test_commitments_need_the_salt_and_cover_everything(photo: Photo, speech: Speech) -> None:
    salt = b"s" * 32
    base = commit(photo, speech, salt, salt)
    assert commit(photo, speech, salt, salt) == base
    assert commit(photo, speech, b"t" * 32, salt).photo_pixels != base.photo_pixels
    assert commit(other_photo(photo), speech, salt, salt).photo_pixels != base.photo_pixels
    assert commit(replace(photo, pixels=photo.pixels.reshape(256, 1024, 3)), speech, salt, salt) != base
    heard = replace(speech, playback=speech.playback[::-1].copy())
    assert commit(photo, heard, salt, salt).speech_samples != base.speech_samples
    assert commit(photo, replace(speech, file=b"other"), salt, salt).speech_file != base.speech_file


def test_consent_file_round_trip(record: ConsentRecord, tmp_path: Path) -> None:
    path = tmp_path / "consent.json"
    record.save(path)
    assert load_consent(path) == record
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".*json*")) == []
    with pytest.raises(OutputError):
        record.save(tmp_path / "missing" / "consent.json")


@pytest.mark.parametrize(
    "text",
    ["", "hello", "[]", "{}", "null", '{"record": {}}', "[" * 5000, '{"record": {"schema": "candor-consent/1"}}'],
)
def test_other_files_are_no_consent(tmp_path: Path, text: str) -> None:
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(ConsentInvalid):
        load_consent(tmp_path / "file.json")


def test_missing_and_binary_files_are_no_consent(tmp_path: Path, photo: Photo) -> None:
    (tmp_path / "photo.json").write_bytes(photo.file)
    for path in (tmp_path / "photo.json", tmp_path / "absent.json", tmp_path):
        with pytest.raises(ConsentInvalid):
            load_consent(path)


def edit_purpose(data: dict[str, Any]) -> None:
    data["record"]["processing"]["purposes"] = ["something else"]


def edit_expiry(data: dict[str, Any]) -> None:
    data["record"]["event"]["expires_at"] = "2099-01-01T00:00:00Z"


def edit_signature(data: dict[str, Any]) -> None:
    data["signature"] = "00" * 64


def add_field(data: dict[str, Any]) -> None:
    data["record"]["extra"] = 1


@pytest.mark.parametrize("edit", [edit_purpose, edit_expiry, edit_signature, add_field])
def test_altered_records_are_refused(
    vault: Vault,
    record: ConsentRecord,
    photo: Photo,
    speech: Speech,
    tmp_path: Path,
    edit: Callable[[dict[str, Any]], None],
) -> None:
    data = json.loads(json.dumps(record.to_dict()))
    edit(data)
    (tmp_path / "c.json").write_text(json.dumps(data))
    with pytest.raises(ConsentInvalid):
        issue_token(vault, load_consent(tmp_path / "c.json"), photo, speech)


def test_records_of_another_installation_are_refused(
    record: ConsentRecord, photo: Photo, speech: Speech, tmp_path: Path
) -> None:
    with Vault.open(tmp_path / "other", environment={}) as other, pytest.raises(ConsentInvalid):
        issue_token(other, record, photo, speech)


def test_consent_is_for_these_inputs_only(vault: Vault, record: ConsentRecord, photo: Photo, speech: Speech) -> None:
    with pytest.raises(ConsentMismatch, match="photo"):
        issue_token(vault, record, other_photo(photo), speech)
    with pytest.raises(ConsentMismatch, match="recording"):
        issue_token(vault, record, photo, tone(1.0, hertz=230))
    same_pixels_in_another_file = replace(photo, file=b"saved again", mime="image/png")
    assert issue_token(vault, record, same_pixels_in_another_file, speech)


def test_expired_consent(vault: Vault, clock: Clock, record: ConsentRecord, photo: Photo, speech: Speech) -> None:
    token = issue_token(vault, record, photo, speech)
    clock.shift = timedelta(days=366)
    with pytest.raises(ConsentExpired, match="expired on"):
        issue_token(vault, record, photo, speech)
    with pytest.raises(ConsentExpired):
        redeem(vault, token, photo, speech)


def test_a_clock_that_is_set_back_revives_nothing(
    vault: Vault, clock: Clock, attestation: Attestation, record: ConsentRecord, photo: Photo, speech: Speech
) -> None:
    token = issue_token(vault, record, photo, speech)
    clock.shift = timedelta(days=366)
    attest(vault, attestation, photo, speech)  # the log has seen this day
    clock.shift = timedelta(minutes=1)
    for attempt in (
        lambda: attest(vault, attestation, photo, speech),
        lambda: issue_token(vault, record, photo, speech),
        lambda: redeem(vault, token, photo, speech),
    ):
        with pytest.raises(LedgerError, match="clock"):
            attempt()


def test_old_tokens_expire_alone(vault: Vault, clock: Clock, token: str, photo: Photo, speech: Speech) -> None:
    clock.shift = timedelta(hours=1, seconds=5)
    with pytest.raises(ConsentExpired, match="hour"):
        redeem(vault, token, photo, speech)


def test_withdrawn_consent(vault: Vault, record: ConsentRecord, photo: Photo, speech: Speech) -> None:
    token = issue_token(vault, record, photo, speech)
    revoke(vault, record.id)
    revoke(vault, record.id.upper())
    assert len(vault.ledger.entries("revocation", record.id)) == 1
    with pytest.raises(ConsentWithdrawn):
        issue_token(vault, record, photo, speech)
    with pytest.raises(ConsentWithdrawn):
        redeem(vault, token, photo, speech)


@pytest.mark.parametrize("record_id", ["", "x", "../../etc/passwd", "0" * 36, None])
def test_revoking_what_never_was(vault: Vault, record_id: Any) -> None:
    with pytest.raises(ConsentInvalid):
        revoke(vault, record_id)


def test_token_works_once_and_only_for_its_inputs(vault: Vault, token: str, photo: Photo, speech: Speech) -> None:
    with pytest.raises(ConsentMismatch):
        redeem(vault, token, other_photo(photo), speech)
    with pytest.raises(ConsentMismatch):
        redeem(vault, token, photo, tone(1.0, hertz=230))
    redeem(vault, token, photo, speech)
    with pytest.raises(TokenUsed):
        redeem(vault, token, photo, speech)


@pytest.mark.parametrize("token", [None, "", "guess", "x" * 10_000, "\ud800"])
def test_no_token_no_video(vault: Vault, photo: Photo, speech: Speech, token: str | None) -> None:
    with pytest.raises(ConsentMissing):
        redeem(vault, token, photo, speech)


def test_one_of_many_racing_threads_wins(vault: Vault, token: str, photo: Photo, speech: Speech) -> None:
    small = replace(photo, pixels=np.zeros((64, 64, 3), np.uint8))
    record = attest(vault, Attestation("synthetic", "nobody", "tester", "race", source="zeros"), small, speech)
    token = issue_token(vault, record, small, speech)

    def attempt(_: int) -> str:
        try:
            return redeem(vault, token, small, speech).record_id
        except TokenUsed:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(8)))
    assert sorted(results) == sorted([record.id] + ["refused"] * 7)


def test_an_edited_database_is_not_believed(vault: Vault, record: ConsentRecord, photo: Photo, speech: Speech) -> None:
    with vault.ledger.transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE consent_records SET body = CAST(replace(CAST(body AS TEXT), 'automatic', 'commercial') AS BLOB)"
        )
    with pytest.raises((ConsentInvalid, LedgerError)):
        issue_token(vault, record, photo, speech)


def test_a_consent_file_with_an_impossible_number(record: ConsentRecord, tmp_path: Path) -> None:
    path = tmp_path / "consent.json"
    record.save(path)
    data = json.loads(path.read_text())
    data["inclusion"]["position"] = float("inf")
    path.write_text(json.dumps(data))
    with pytest.raises(ConsentInvalid):
        load_consent(path)
