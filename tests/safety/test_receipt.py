"""Receipts: checked without vault and network, and without anything that should stay secret."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safety import Attestation, ConsentRecord, Vault, attest, issue_token, load_consent, revoke
from safety.__main__ import main
from safety.errors import ConsentInvalid
from safety.receipt import check_receipt, load_receipt, make_receipt, save_receipt
from vasa_core.types import Photo, Speech

# As the first version wrote it: scope in words, one purpose, no evidence, no leaf, no code.
OLD_PROCESSING = {"purpose": "tests", "scope": "talking video from this photo and this recording"}


@pytest.fixture
def record(vault: Vault, attestation: Attestation, photo: Photo, speech: Speech) -> ConsentRecord:
    return attest(vault, attestation, photo, speech)


def test_a_receipt_is_checked_from_itself_and_a_key(vault: Vault, record: ConsentRecord, tmp_path: Path) -> None:
    for kind in range(5):  # the log goes on; the receipt proves its entry in the log of today
        with vault.ledger.transaction() as connection:
            vault.ledger.append(connection, "test", str(kind), {})
    save_receipt(make_receipt(vault, record), tmp_path / "receipt.json")
    assert stat.S_IMODE((tmp_path / "receipt.json").stat().st_mode) == 0o600
    receipt = load_receipt(tmp_path / "receipt.json")
    found = check_receipt(receipt, vault.consent_key.public_hex.upper())
    assert (found.record, found.log_index, found.log_size, found.pinned) == (record.body, record.log_index, 6, True)
    assert found.notice and "public domain" in found.notice
    assert not check_receipt(receipt).pinned


def test_a_receipt_holds_no_secrets(vault: Vault, record: ConsentRecord) -> None:
    text = json.dumps(make_receipt(vault, record))
    assert record.code not in text and all(salt.hex() not in text for salt in record.salts.values())
    own = make_receipt(vault, record, with_code=True)
    assert own["withdrawal_code"] == record.code and check_receipt(own)


def edits() -> list[Callable[[dict[str, Any]], object]]:
    return [
        lambda r: r["record"]["processing"].update(purposes=["fraud"]),
        lambda r: r["record"].update(schema="candor-consent/9"),
        lambda r: r.update(signature="00" * 64),
        lambda r: r["inclusion"].update(root="00" * 32),
        lambda r: r["inclusion"].update(position=1),
        lambda r: r["inclusion"].update(leaf=r["inclusion"]["leaf"].replace("consent", "c0nsent")),
        lambda r: r["inclusion"].update(head=r["inclusion"]["head"].replace("candor", "kandor")),
        lambda r: r["inclusion"].update(head_signature="zz"),
        lambda r: r.update(key="00" * 32),
        lambda r: r.update(key="short"),
        lambda r: r.update(record=[]),
        lambda r: r["inclusion"].pop("path"),
    ]


@pytest.mark.parametrize("edit", edits())
def test_an_edited_receipt_is_refused(
    vault: Vault, record: ConsentRecord, edit: Callable[[dict[str, Any]], object]
) -> None:
    receipt = json.loads(json.dumps(make_receipt(vault, record)))
    edit(receipt)
    with pytest.raises(ConsentInvalid):
        check_receipt(receipt)


def test_receipts_of_strangers(
    vault: Vault, attestation: Attestation, photo: Photo, speech: Speech, record: ConsentRecord, tmp_path: Path
) -> None:
    with Vault.open(tmp_path / "other", environment={}) as other:
        foreign = attest(other, attestation, photo, speech)
        receipt = make_receipt(other, foreign)
        with pytest.raises(ConsentInvalid, match="no such"):
            make_receipt(vault, foreign)
    with pytest.raises(ConsentInvalid, match="another key"):
        check_receipt(receipt, vault.consent_key.public_hex)
    mixed = make_receipt(vault, record) | {"record": foreign.body, "signature": foreign.signature.hex()}
    with pytest.raises(ConsentInvalid):
        check_receipt(mixed)


def test_records_of_the_first_schema_still_stand(
    vault: Vault, attestation: Attestation, photo: Photo, speech: Speech, monkeypatch: Any, tmp_path: Path
) -> None:
    import safety.consent as consent

    def first(*arguments: Any) -> dict[str, Any]:
        body = new(*arguments)
        processing = {k: v for k, v in body["processing"].items() if k not in ("evidence", "purposes")}
        body |= {"schema": "candor-consent/1", "processing": processing | OLD_PROCESSING}
        return body

    new = consent._body
    monkeypatch.setattr(consent, "_body", first)
    record = attest(vault, attestation, photo, speech)
    record.save(tmp_path / "consent.json")
    data = json.loads((tmp_path / "consent.json").read_text())
    for later in ("evidence",):
        del data["salts"][later]
    del data["withdrawal_code"], data["inclusion"]["leaf"]
    (tmp_path / "consent.json").write_text(json.dumps(data))
    old = load_consent(tmp_path / "consent.json")
    assert not old.any_audio and old.code == ""
    assert issue_token(vault, old, photo, speech)
    assert check_receipt(make_receipt(vault, old), vault.consent_key.public_hex).record["schema"] == "candor-consent/1"


def test_the_commands(vault: Vault, record: ConsentRecord, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    for name in ("CANDOR_DATABASE_URL", "CANDOR_CONSENT_KEY", "CANDOR_SIGNING_KEY", "CANDOR_SIGNING_CHAIN"):
        monkeypatch.delenv(name, raising=False)
    home = ["--home", str(vault.home)]
    consent, receipt = tmp_path / "consent.json", tmp_path / "receipt.json"
    record.save(consent)
    assert main([*home, "receipt", str(consent), "-o", str(receipt)]) == 0
    assert main([*home, "public-key"]) == 0
    key = capsys.readouterr().out.split()[-1]
    assert main(["check-receipt", str(receipt), "--key", key]) == 0
    assert "holds together." in capsys.readouterr().out
    revoke(vault, record.id)
    assert main([*home, "check-receipt", str(receipt), "--withdrawn"]) == 0
    assert "withdrawn  20" in capsys.readouterr().out
    assert main(["check-receipt", str(receipt), "--key", "00" * 32]) == 3
    receipt.write_text("{")
    assert main(["check-receipt", str(receipt)]) == 3
    assert main([*home, "phrase", "--language", "fr"]) == 0
    assert len(capsys.readouterr().out.split()) == 6
