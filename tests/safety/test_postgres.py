"""The ledger on a real PostgreSQL, and what happens when a database is locked or goes away in the middle of a seal."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from safety import Attestation, Vault, attest, audit, issue_token, revoke, seal
from safety.errors import ConsentWithdrawn, LedgerError, TokenUsed
from safety.ledger import schema
from safety.ledger.auditing import examine
from safety.tables import metadata
from safety.tokens import redeem
from tests.safety.postgres import Server, find_programs, running
from vasa_core.types import Photo, Speech

ROOT = Path(__file__).parents[2]
WRITER = """
import os, sys
from safety import Vault
vault = Vault.open(sys.argv[1], environment={"CANDOR_DATABASE_URL": sys.argv[2]})
for i in range(int(sys.argv[3])):
    with vault.ledger.transaction() as connection:
        vault.ledger.append(connection, "test", sys.argv[4], {"n": i})
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    programs = find_programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is missing. On Debian type: apt-get install -y postgresql")
        pytest.skip("needs PostgreSQL (Debian: apt-get install postgresql)")
    with running(programs) as started:
        yield started


@pytest.fixture
def address(server: Server, request: pytest.FixtureRequest) -> str:
    return server.create(f"test_{abs(hash(request.node.name))}")


@pytest.fixture
def shared(address: str, tmp_path: Path) -> Iterator[Vault]:
    """A vault whose ledger is in PostgreSQL."""
    with Vault.open(tmp_path / "vault", environment={"CANDOR_DATABASE_URL": address}) as opened:
        yield opened


def test_the_whole_way_on_postgresql(
    shared: Vault,
    attestation: Attestation,
    photo: Photo,
    speech: Speech,
    clip: Callable[[int], Iterator[np.ndarray]],
    tmp_path: Path,
) -> None:
    record = attest(shared, attestation, photo, speech)
    token = issue_token(shared, record, photo, speech)
    video = seal(shared, token, photo, speech, clip(12), out=tmp_path / "v.mp4", fps=25)
    report = audit(shared, video.path)
    assert (report.verdict, report.log.included, report.consent.state) == ("sealed", True, "valid")
    with pytest.raises(TokenUsed):
        redeem(shared, token, photo, speech)
    revoke(shared, record.id)
    assert audit(shared, video.path).consent.state == "withdrawn"
    with pytest.raises(ConsentWithdrawn):
        issue_token(shared, record, photo, speech)
    assert examine(shared.ledger).sound
    assert not (shared.home / "ledger.sqlite").exists()


@pytest.mark.slow
def test_processes_and_threads_write_at_once(server: Server, address: str, tmp_path: Path) -> None:
    """They also make keys and tables at once."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "vault"), address, "15"]
    writers = [subprocess.Popen([*command, f"writer {i}"], cwd=ROOT, stderr=subprocess.DEVNULL) for i in range(3)]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0, 0]
    with Vault.open(tmp_path / "vault", environment={"CANDOR_DATABASE_URL": address}) as vault:

        def append(name: str) -> None:
            for i in range(15):
                with vault.ledger.transaction() as connection:
                    vault.ledger.append(connection, "test", name, {"n": i})

        threads = [threading.Thread(target=append, args=(f"thread {i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert vault.ledger.verify() == 90
        for name in [f"{kind} {i}" for kind in ("writer", "thread") for i in range(3)]:
            assert [entry.body["n"] for entry in vault.ledger.entries("test", name)] == list(range(15))


def test_one_token_many_callers(shared: Vault, attestation: Attestation, photo: Photo, speech: Speech) -> None:
    token = issue_token(shared, attest(shared, attestation, photo, speech), photo, speech)
    outcomes: list[str] = []

    def use() -> None:
        try:
            redeem(shared, token, photo, speech)
            outcomes.append("won")
        except TokenUsed:
            outcomes.append("used")

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["used"] * 5 + ["won"]


def test_edits_are_found_on_postgresql(
    shared: Vault, address: str, attestation: Attestation, photo: Photo, speech: Speech
) -> None:
    record = attest(shared, attestation, photo, speech)
    revoke(shared, record.id)
    assert examine(shared.ledger).sound
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("UPDATE log_entries SET subject_id = 'elsewhere' WHERE kind = 'revocation'")
    assert {finding.code for finding in examine(shared.ledger).findings} >= {"entry_hidden"}


def test_a_server_that_goes_down_in_the_middle_of_a_seal(
    server: Server,
    shared: Vault,
    attestation: Attestation,
    photo: Photo,
    speech: Speech,
    clip: Callable[[int], Iterator[np.ndarray]],
    tmp_path: Path,
) -> None:
    record = attest(shared, attestation, photo, speech)
    token = issue_token(shared, record, photo, speech)
    (tmp_path / "out").mkdir()

    def crash() -> Iterator[np.ndarray]:
        yield from clip(8)
        server.stop()

    try:
        with pytest.raises(LedgerError):
            seal(shared, token, photo, speech, crash(), out=tmp_path / "out" / "talking.mp4", fps=25)
        assert list((tmp_path / "out").iterdir()) == []  # nothing handed out
        with pytest.raises(LedgerError):
            attest(shared, attestation, photo, speech)
    finally:
        server.start()
    found = examine(shared.ledger)  # the same vault, after the restart
    assert found.sound
    assert found.counts == {"consent": 1, "mark": 1}  # nothing half-recorded: no output
    with pytest.raises(TokenUsed):
        redeem(shared, token, photo, speech)
    token = issue_token(shared, record, photo, speech)
    assert seal(shared, token, photo, speech, clip(8), out=tmp_path / "out" / "talking.mp4", fps=25).log_index == 3


def test_a_locked_sqlite_file_in_the_middle_of_a_seal(
    attestation: Attestation,
    photo: Photo,
    speech: Speech,
    clip: Callable[[int], Iterator[np.ndarray]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 1)
    (tmp_path / "out").mkdir()
    with Vault.open(tmp_path / "vault", environment={}) as vault:
        record = attest(vault, attestation, photo, speech)
        token = issue_token(vault, record, photo, speech)
        other = sqlite3.connect(tmp_path / "vault" / "ledger.sqlite", isolation_level=None)

        def lock() -> Iterator[np.ndarray]:
            yield from clip(8)
            other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(LedgerError, match="locked"):
            seal(vault, token, photo, speech, lock(), out=tmp_path / "out" / "talking.mp4", fps=25)
        assert list((tmp_path / "out").iterdir()) == []
        other.execute("ROLLBACK")
        other.close()
        assert examine(vault.ledger).counts == {"consent": 1, "mark": 1}
        token = issue_token(vault, record, photo, speech)
        seal(vault, token, photo, speech, clip(8), out=tmp_path / "out" / "talking.mp4", fps=25)
        assert examine(vault.ledger).sound


# ---- migrations


def test_migrations_make_the_tables_of_the_program(server: Server, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'new.sqlite'}", server.create("migrated")):
        engine = schema.connect(url)
        schema.prepare(engine)
        schema.prepare(engine)  # a second start changes nothing
        with engine.connect() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), metadata)
        engine.dispose()
        assert [d for d in differences if "alembic_version" not in str(d)] == []


def test_a_ledger_of_the_first_version_is_updated(
    attestation: Attestation, photo: Photo, speech: Speech, tmp_path: Path
) -> None:
    """As that version left it: no table of Alembic's, no key ids, schema 1."""
    with Vault.open(tmp_path / "vault", environment={}) as vault:
        record = attest(vault, attestation, photo, speech)
    with sqlite3.connect(tmp_path / "vault" / "ledger.sqlite") as raw:
        raw.execute("DROP TABLE alembic_version")
        raw.execute("DROP TABLE manifests")
        raw.execute("DROP TABLE sound_prints")
        raw.execute("DROP TABLE picture_prints")
        raw.execute("DROP TABLE challenges")
        raw.execute("ALTER TABLE tokens DROP COLUMN stated_speech")
        raw.execute("ALTER TABLE watermark_ids DROP COLUMN key_id")
        raw.execute("UPDATE log_state SET schema_version = 1")
        raw.execute("INSERT INTO watermark_ids VALUES (77, ?, '2026-11-01T00:00:00Z')", (record.id,))
    with Vault.open(tmp_path / "vault", environment={}) as vault:
        assert examine(vault.ledger).sound  # the id of a seal that failed under the first version is no finding
        issue_token(vault, record, photo, speech)
    engine = create_engine(f"sqlite:///{tmp_path / 'vault' / 'ledger.sqlite'}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "0004"
    engine.dispose()


def test_addresses_of_databases_that_are_not_there(tmp_path: Path) -> None:
    for url in ("postgresql://candor@/none?host=/nowhere", "mysql://a@b/c", "postgres://candor@127.0.0.1:1/none"):
        with pytest.raises(LedgerError):
            Vault.open(tmp_path / "vault", environment={"CANDOR_DATABASE_URL": url})
