"""The audit of a real ledger in which two videos were sealed, and what it says when somebody edits the database."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from safety import SealedVideo, Vault, attest, issue_token, revoke
from safety.consent import Attestation
from safety.errors import LedgerError
from safety.ledger import read_checkpoint
from safety.ledger.__main__ import main
from safety.ledger.auditing import examine
from vasa_core.types import Photo, Speech


@pytest.fixture
def copy(
    sealed: tuple[Vault, SealedVideo], attestation: Attestation, photo: Photo, speech: Speech, tmp_path: Path
) -> Iterator[Vault]:
    """A ledger with a consent, a watermark id and a video; and a second consent, withdrawn, with an unused token."""
    home = tmp_path / "copy"
    home.mkdir()
    shutil.copytree(sealed[0].home / "keys", home / "keys")
    with (
        sqlite3.connect(sealed[0].home / "ledger.sqlite") as source,
        sqlite3.connect(home / "ledger.sqlite") as target,
    ):
        source.backup(target)
    with Vault.open(home, environment={}) as vault:
        second = attest(vault, attestation, photo, speech)
        issue_token(vault, second, photo, speech)
        revoke(vault, second.id)
        yield vault


def edit(vault: Vault, *statements: str) -> None:
    with sqlite3.connect(vault.home / "ledger.sqlite") as raw:
        for statement in statements:
            assert raw.execute(statement).rowcount >= 1, statement


def test_a_ledger_in_order(copy: Vault, capsys: pytest.CaptureFixture[str]) -> None:
    result = examine(copy.ledger)
    assert result.sound
    assert (result.entries, result.counts) == (5, {"consent": 2, "mark": 1, "output": 1, "revocation": 1})
    assert result.root == copy.ledger.head().root.hex()
    assert main(["--home", str(copy.home), "audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result.to_dict()


SWAP = (
    "UPDATE log_entries SET position = -1 WHERE position = 2",
    "UPDATE log_entries SET position = 2 WHERE position = 1",
    "UPDATE log_entries SET position = 1 WHERE position = -1",
)


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (
            ("UPDATE log_entries SET body = replace(body, '\"fps\":25', '\"fps\":30') WHERE position = 2",),
            "entry_changed",
        ),
        (("DELETE FROM log_entries WHERE position = 4",), "entry_missing"),
        (("DELETE FROM log_entries WHERE position = 1",), "entry_missing"),
        (SWAP, "entry_changed"),
        (("UPDATE log_entries SET subject_id = 'elsewhere' WHERE kind = 'revocation'",), "entry_hidden"),
        (("UPDATE log_entries SET kind = 'other' WHERE kind = 'revocation'",), "entry_hidden"),
        (("INSERT INTO log_entries VALUES (5, 'revocation', 'x', x'7b7d')",), "size"),
        (("DELETE FROM log_entries WHERE position = 4", "UPDATE log_state SET size = 4"), "size"),
        (("UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 1 AND node = 0",), "node_changed"),
        (("INSERT INTO log_nodes VALUES (9, 9, zeroblob(32))",), "node_added"),
        (("UPDATE log_heads SET signature = zeroblob(64) WHERE size = 3",), "head"),
        (("DELETE FROM log_heads WHERE size = 2",), "head"),
        (("UPDATE log_heads SET head = (SELECT head FROM log_heads WHERE size = 1) WHERE size = 2",), "head"),
        (
            ("UPDATE consent_records SET body = replace(body, 'automatic', 'other') WHERE position = 0",),
            "record_changed",
        ),
        (("UPDATE consent_records SET expires_at = '2099-01-01T00:00:00Z' WHERE position = 0",), "record_changed"),
        (
            ("DELETE FROM tokens WHERE used_at IS NULL", "DELETE FROM consent_records WHERE position = 3"),
            "record_missing",
        ),
        (
            ("INSERT INTO consent_records SELECT 'x', position, body, signature, '' FROM consent_records LIMIT 1",),
            "record_added",
        ),
        (
            ("UPDATE watermark_ids SET record_id = (SELECT record_id FROM consent_records WHERE position = 3)",),
            "mark_changed",
        ),
        (("INSERT INTO watermark_ids SELECT 1, record_id, created_at, key_id FROM watermark_ids",), "mark_added"),
        (
            tuple(f"DELETE FROM {name}" for name in ("sound_prints", "picture_prints", "manifests", "watermark_ids")),
            "mark_missing",
        ),
        (("UPDATE sound_prints SET print = zeroblob(40)",), "sound_changed"),
        (("UPDATE picture_prints SET print = zeroblob(40)",), "pictures_changed"),
        (("UPDATE manifests SET store = zeroblob(40)",), "manifest_changed"),
        (("UPDATE tokens SET used_at = NULL",), "token_reopened"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_edit_is_found(
    copy: Vault, statements: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(copy, *statements)
    result = examine(copy.ledger)
    assert code in {finding.code for finding in result.findings}
    assert main(["--home", str(copy.home), "audit"]) == 1
    assert f"FOUND {code}" in capsys.readouterr().out


def test_any_row_of_the_log_that_is_removed_is_missed(copy: Vault) -> None:
    for position in range(5):
        with sqlite3.connect(copy.home / "ledger.sqlite") as raw:
            (row,) = raw.execute("SELECT * FROM log_entries WHERE position = ?", (position,)).fetchall()
            raw.execute("DELETE FROM log_entries WHERE position = ?", (position,))
        found = examine(copy.ledger).findings
        assert ("entry_missing", position) in {(finding.code, finding.position) for finding in found}
        with sqlite3.connect(copy.home / "ledger.sqlite") as raw:
            raw.execute("INSERT INTO log_entries VALUES (?, ?, ?, ?)", row)
    assert examine(copy.ledger).sound


def test_a_checkpoint_witnesses_against_whoever_holds_the_keys(
    copy: Vault,
    attestation: Attestation,
    photo: Photo,
    speech: Speech,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    note = tmp_path / "checkpoint.txt"
    assert main(["--home", str(copy.home), "checkpoint", "-o", str(note)]) == 0
    seen = read_checkpoint(note.read_text(), copy.consent_key)
    assert (seen.size, seen.root) == (5, copy.ledger.head().root)
    attest(copy, attestation, photo, speech)
    assert main(["--home", str(copy.home), "audit", "--against", str(note)]) == 0
    proof = copy.ledger.consistency(note.read_text())
    assert (proof.old_size, proof.head.size) == (5, 6)

    # The same keys write another history of the same length: in itself it is in order, but it is not the witnessed one.
    (copy.home / "ledger.sqlite").rename(tmp_path / "before.sqlite")
    with Vault.open(copy.home, environment={}) as rewritten:
        for _ in range(7):
            attest(rewritten, attestation, photo, speech)
        assert examine(rewritten.ledger).sound
        assert [f.code for f in examine(rewritten.ledger, note.read_text()).findings] == ["checkpoint"]
        assert main(["--home", str(copy.home), "audit", "--against", str(note)]) == 1
    capsys.readouterr()


def test_what_is_no_checkpoint_is_refused(
    copy: Vault, vault: Vault, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = copy.ledger.checkpoint()
    for bad in (
        "",
        "nonsense",
        note.replace("candor-ledger/1\n5", "candor-ledger/1\n4"),
        note.replace("\n5\n", "\n05\n"),
        note.replace("\n5\n", "\n-5\n"),
        note.split("\n\n")[0] + "\n\n",
        vault.ledger.checkpoint(),  # an empty log of another installation
        note + "x" * 5000,
    ):
        with pytest.raises(LedgerError):
            copy.ledger.consistency(bad)
    assert copy.ledger.consistency(note + "\N{EM DASH} witness.example AAAAAAAA\n").head.size == 5
    assert main(["--home", str(copy.home), "audit", "--against", str(tmp_path / "absent")]) == 2
    assert main(["--home", str(copy.home), "prove", "99"]) == 2
    assert "ledger: " in capsys.readouterr().err


def test_an_empty_log_has_a_checkpoint_too(
    vault: Vault, attestation: Attestation, photo: Photo, speech: Speech
) -> None:
    note = vault.ledger.checkpoint()
    attest(vault, attestation, photo, speech)
    assert vault.ledger.consistency(note).old_size == 0
