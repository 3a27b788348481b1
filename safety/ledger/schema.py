"""Opening the ledger's database and bringing its tables up to date (Alembic).

SQLite and PostgreSQL. A new database is made by the same migrations that update an old one, under a lock, so that
processes which start together do not get into each other's way.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import URL, make_url

from safety.errors import LedgerError
from safety.tables import SCHEMA_VERSION, log_state

BUSY_SECONDS = 30  # how long a writer waits for its turn, or for a server to answer
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x43414E44  # "CAND": PostgreSQL's advisory lock is a number


def connect(address: str | URL) -> Engine:
    """An engine for `address`. Raises LedgerError (unusable file), or what SQLAlchemy raises for a wrong address."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        if url.database:
            _touch_private(Path(url.database))
        engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})
        event.listen(engine, "connect", _configure_sqlite)
        return engine
    if url.drivername in ("postgres", "postgresql"):  # what hosting panels hand out
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername != "postgresql+psycopg":
        raise ValueError(f"{url.get_backend_name()} is not supported; use sqlite or postgresql")
    waiting = f"-c lock_timeout={BUSY_SECONDS}s -c statement_timeout={4 * BUSY_SECONDS}s"
    arguments = {"connect_timeout": BUSY_SECONDS, "options": waiting}
    return create_engine(url, pool_pre_ping=True, connect_args=arguments)  # a server may have restarted in between


def prepare(engine: Engine) -> None:
    """Make the tables, or update them. Raises LedgerError when a newer program has made them."""
    with engine.connect() as connection:
        version = _version(connection)
    if version == SCHEMA_VERSION:
        return
    if version is not None and version > SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger has schema {version}, this program knows up to {SCHEMA_VERSION}. Use the newer version."
        )
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        version = _version(connection)  # another process may have been first
        if version != SCHEMA_VERSION:
            _migrate(connection, version)
        connection.commit()


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(log_state.name):
        return None
    return connection.execute(select(log_state.c.schema_version)).scalar_one_or_none()


def _migrate(connection: Connection, version: int | None) -> None:
    """All within the caller's transaction: a crash in between leaves the old schema."""
    from alembic import command  # takes a tenth of a second, and is needed once in a database's life
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if version is not None and not inspect(connection).has_table("alembic_version"):
        command.stamp(config, f"{version:04}")  # made before there were migrations
    command.upgrade(config, "head")


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # a consent must survive a power cut, not only a crash
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _touch_private(path: Path) -> None:
    """Create the database file readable by its owner only; SQLite gives -wal and -shm the same mode.

    An existing one is not opened: closing any descriptor of a file drops all POSIX locks that this process has on it,
    those of its other SQLite connections too, and writers without locks ruin a database.
    """
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise LedgerError(
            f"The ledger {path} cannot be opened ({error.strerror}). Choose another CANDOR_HOME."
        ) from error
