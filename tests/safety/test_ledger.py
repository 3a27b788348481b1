from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from safety import Vault, merkle
from safety.errors import LedgerError

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from safety import Vault
vault = Vault.open(sys.argv[1], environment={})
for i in range(int(sys.argv[2])):
    with vault.ledger.transaction() as connection:
        vault.ledger.append(connection, "test", sys.argv[3], {"n": i})
    print(i, flush=True)
"""


def append(vault: Vault, count: int) -> None:
    for i in range(count):
        with vault.ledger.transaction() as connection:
            vault.ledger.append(connection, "test", "subject", {"n": i})


def start_writer(home: Path, count: int, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(home), str(count), name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_every_entry_is_proved_under_the_signed_head(vault: Vault) -> None:
    append(vault, 11)
    head = vault.ledger.head()
    assert head.size == vault.ledger.size() == vault.ledger.verify() == 11
    for entry in vault.ledger.entries("test", "subject"):
        proof = vault.ledger.prove(entry.position)
        leaf = merkle.leaf_hash(entry.leaf_bytes)
        assert merkle.root_from_path(leaf, proof.position, proof.head.size, proof.path) == head.root
        assert vault.consent_key.verifies(proof.head.statement, proof.head.signature)


def test_old_heads_stay_true_as_the_log_grows(vault: Vault) -> None:
    append(vault, 5)
    old = vault.ledger.head()
    append(vault, 6)
    assert vault.ledger.head(5) == old
    assert vault.ledger.head().root != old.root


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE log_entries SET body = CAST(replace(CAST(body AS TEXT), 'n\":3', 'n\":4') AS BLOB) WHERE position = 3",
        "DELETE FROM log_entries WHERE position = 3",
        "UPDATE log_nodes SET hash = zeroblob(32) WHERE level = 0 AND node = 3",
        "UPDATE log_heads SET head = CAST(replace(CAST(head AS TEXT), 'root', 'r00t') AS BLOB) WHERE size = 8",
    ],
    ids=["entry changed", "entry deleted", "node changed", "head changed"],
)
def test_edits_outside_the_program_are_found(vault: Vault, edit: str) -> None:
    append(vault, 8)
    with sqlite3.connect(vault.home / "ledger.sqlite") as raw:
        assert raw.execute(edit).rowcount == 1
    with pytest.raises(LedgerError):
        vault.ledger.verify()
    with pytest.raises(LedgerError):
        for position in range(8):
            vault.ledger.prove(position)


def test_a_truncated_log_cannot_pose_as_a_shorter_one_without_the_key(vault: Vault) -> None:
    append(vault, 4)
    with sqlite3.connect(vault.home / "ledger.sqlite") as raw:
        raw.execute("DELETE FROM log_entries WHERE position = 3")
        raw.execute("UPDATE log_state SET size = 3")
    with pytest.raises(LedgerError):
        vault.ledger.verify()


def test_a_failed_transaction_leaves_no_entry(vault: Vault) -> None:
    append(vault, 2)
    with pytest.raises(RuntimeError), vault.ledger.transaction() as connection:
        vault.ledger.append(connection, "test", "subject", {"n": 99})
        raise RuntimeError("halfway")
    append(vault, 1)
    assert vault.ledger.verify() == 3


@pytest.mark.slow
def test_four_processes_append_at_once(tmp_path: Path) -> None:
    """They also create keys and ledger at once, so this holds the first start together as well."""
    writers = [start_writer(tmp_path / "vault", 12, f"writer {i}") for i in range(4)]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0, 0, 0]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    with Vault.open(tmp_path / "vault", environment={}) as vault:
        assert vault.ledger.verify() == 48
        for i in range(4):
            numbers = [entry.body["n"] for entry in vault.ledger.entries("test", f"writer {i}")]
            assert numbers == list(range(12))


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_opening_a_vault_again_leaves_the_locks_of_a_writer(vault: Vault) -> None:
    """POSIX locks belong to the process: a second opening that touched the file would let other writers in."""
    other = (
        "import sqlite3, sys; "
        "sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None).execute('BEGIN IMMEDIATE')"
    )
    command = [sys.executable, "-c", other, str(vault.home / "ledger.sqlite")]
    with vault.ledger.transaction() as connection:
        vault.ledger.append(connection, "test", "subject", {"n": 1})
        with Vault.open(vault.home, environment={}):
            assert "database is locked" in subprocess.run(command, capture_output=True, text=True).stderr
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_the_ledger_reopens_whole_after_kill(tmp_path: Path) -> None:
    writer = start_writer(tmp_path / "vault", 100_000, "victim")
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(10)]
    writer.send_signal(signal.SIGKILL)
    writer.wait(timeout=300)
    writer.stdout.close()
    with Vault.open(tmp_path / "vault", environment={}) as vault:
        assert vault.ledger.verify() >= len(acknowledged)
        append(vault, 1)
        assert vault.ledger.verify() > len(acknowledged)


def test_a_ledger_of_another_schema_is_refused(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "vault", environment={}):
        pass
    with sqlite3.connect(tmp_path / "vault" / "ledger.sqlite") as raw:
        raw.execute("UPDATE log_state SET schema_version = 99")
    with pytest.raises(LedgerError, match="schema 99"):
        Vault.open(tmp_path / "vault", environment={})


@pytest.mark.parametrize("address", ["sqlite:////nowhere/at/all.sqlite", "nonsense://x", "not an address"])
def test_an_impossible_database_is_a_named_error(tmp_path: Path, address: str) -> None:
    with pytest.raises(LedgerError):
        Vault.open(tmp_path / "vault", environment={"CANDOR_DATABASE_URL": address})


def test_a_file_that_is_no_database_is_a_named_error(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    home.mkdir()
    (home / "ledger.sqlite").write_bytes(b"this is no database, only a text that is long enough" * 40)
    with pytest.raises(LedgerError):
        Vault.open(home, environment={})
