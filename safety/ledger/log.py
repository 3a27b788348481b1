"""The append-only log.

Every append is one transaction: the entry, the Merkle nodes it completes and a newly signed tree head are stored
together or not at all. Nothing is ever updated or deleted in the log, and `verify` recomputes all of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import rfc8785
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from safety import merkle
from safety.errors import LedgerError
from safety.keys import SigningKey
from safety.ledger import schema
from safety.ledger.checkpoint import ORIGIN, Checkpoint, read_checkpoint
from safety.tables import log_entries, log_heads, log_nodes, log_state


@dataclass(frozen=True)
class LogEntry:
    """One leaf of the log; `leaf_bytes` is what was hashed."""

    position: int
    kind: str
    subject_id: str
    leaf_bytes: bytes

    @property
    def body(self) -> dict[str, Any]:
        return _parse(self.leaf_bytes)


@dataclass(frozen=True)
class TreeHead:
    """Signed statement "the log has `size` leaves and this root" (RFC 9162, section 4.10, as canonical JSON)."""

    size: int
    root: bytes
    statement: bytes
    signature: bytes


@dataclass(frozen=True)
class InclusionProof:
    """That leaf `position` is in the tree of `head`: audit path, leaf side first."""

    position: int
    path: tuple[bytes, ...]
    head: TreeHead

    def to_dict(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "path": [digest.hex() for digest in self.path],
            "size": self.head.size,
            "root": self.head.root.hex(),
            "head": self.head.statement.decode(),
            "head_signature": self.head.signature.hex(),
        }


@dataclass(frozen=True)
class ConsistencyProof:
    """That the first `old_size` leaves of the tree of `head` are the leaves of a former tree, unchanged."""

    old_size: int
    path: tuple[bytes, ...]
    head: TreeHead

    def to_dict(self) -> dict[str, Any]:
        return {
            "old_size": self.old_size,
            "path": [digest.hex() for digest in self.path],
            "size": self.head.size,
            "root": self.head.root.hex(),
            "head": self.head.statement.decode(),
            "head_signature": self.head.signature.hex(),
        }


class Ledger:
    """Append-only log in the database at `url`, its tree heads signed with `key`.

    Safe to share between threads; processes share it through the database. Raises LedgerError.
    key: also signs the consent records beside the log.
    """

    def __init__(self, url: str | URL, key: SigningKey, clock: Callable[[], datetime]) -> None:
        self.key = key
        self._clock = clock
        try:
            self._engine = schema.connect(url)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            raise LedgerError(f"CANDOR_DATABASE_URL is no usable database address ({error}).") from error
        try:
            schema.prepare(self._engine)
        except SQLAlchemyError as error:
            self._engine.dispose()
            where = make_url(url).render_as_string(hide_password=True)
            raise LedgerError(
                f"The ledger {where} cannot be opened ({_reason(error)}). Check address and rights."
            ) from error

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by any exception."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise LedgerError(
                f"The ledger did not take the entry ({_reason(error)}). Nothing was recorded; try again."
            ) from error

    # ---- writing

    def append(self, connection: Connection, kind: str, subject_id: str, body: dict[str, Any]) -> LogEntry:
        """Append one entry within `connection`'s transaction and sign the new tree head.

        body: JSON object, stored in canonical form (RFC 8785) with kind, subject id and time added.
        """
        # The update comes first: it takes the row lock (SQLite: the write lock), so that appends queue up here.
        taken = connection.execute(
            update(log_state).where(log_state.c.id == 1).values(size=log_state.c.size + 1).returning(log_state.c.size)
        ).scalar_one()
        position = taken - 1
        time = timestamp(self._clock())
        leaf_bytes = rfc8785.dumps({**body, "kind": kind, "subject_id": subject_id, "time": time})
        connection.execute(
            insert(log_entries).values(position=position, kind=kind, subject_id=subject_id, body=leaf_bytes)
        )
        lookup = _node_lookup(connection)
        nodes = merkle.completed_nodes(position, merkle.leaf_hash(leaf_bytes), lookup)
        connection.execute(
            insert(log_nodes),
            [{"level": lv, "node": ix, "hash": digest} for lv, ix, digest in nodes],
        )
        root = merkle.subtree_hash(lookup, 0, taken)
        statement = rfc8785.dumps({"origin": ORIGIN, "size": taken, "root": root.hex(), "time": time})
        connection.execute(insert(log_heads).values(size=taken, head=statement, signature=self.key.sign(statement)))
        return LogEntry(position, kind, subject_id, leaf_bytes)

    # ---- reading

    def entries(self, kind: str, subject_id: str, connection: Connection | None = None) -> list[LogEntry]:
        """All entries of a kind about a subject, oldest first."""
        query = (
            select(log_entries.c.position, log_entries.c.body)
            .where(log_entries.c.kind == kind, log_entries.c.subject_id == subject_id)
            .order_by(log_entries.c.position)
        )
        with self._reading(connection) as reading:
            rows = reading.execute(query).all()
        return [LogEntry(position, kind, subject_id, stored_bytes(body)) for position, body in rows]

    def size(self) -> int:
        with self._reading(None) as reading:
            return int(reading.execute(select(log_state.c.size)).scalar_one())

    def head(self, size: int | None = None, connection: Connection | None = None) -> TreeHead:
        """The signed tree head of the newest (or of a former) size. Raises LedgerError when its signature is wrong."""
        query = select(log_heads.c.head, log_heads.c.signature).order_by(log_heads.c.size.desc()).limit(1)
        if size is not None:
            query = query.where(log_heads.c.size == size)
        with self._reading(connection) as reading:
            row = reading.execute(query).one_or_none()
        if row is None:
            raise LedgerError("The ledger has no signed tree head. Restore it from a backup.")
        return self.check_head(stored_bytes(row[0]), stored_bytes(row[1]))

    def newest_time(self) -> datetime | None:
        """When the newest entry was appended, by the clock of then; None for an empty log."""
        return None if self.size() == 0 else parse_time(str(_parse(self.head().statement)["time"]))

    def prove(self, position: int, connection: Connection | None = None) -> InclusionProof:
        """Inclusion proof of one leaf in the newest signed tree.

        Raises LedgerError when leaf, nodes and signed root do not fit together: somebody edited the database.
        """
        with self._reading(connection) as reading:
            head = self.head(connection=reading)
            if not 0 <= position < head.size:
                raise LedgerError(
                    f"Entry {position} is not covered by the ledger's signed tree head. Restore a backup."
                )
            body = reading.execute(
                select(log_entries.c.body).where(log_entries.c.position == position)
            ).scalar_one_or_none()
            if body is None:
                raise LedgerError(f"Entry {position} is missing from the ledger. Restore it from a backup.")
            path = tuple(merkle.inclusion_path(_node_lookup(reading), position, head.size))
        if merkle.root_from_path(merkle.leaf_hash(stored_bytes(body)), position, head.size, path) != head.root:
            raise LedgerError(f"Entry {position} of the ledger does not match its signed tree head. Restore a backup.")
        return InclusionProof(position, path, head)

    def checkpoint(self) -> str:
        """The newest tree as a signed note, see `safety.ledger.checkpoint`."""
        if self.size() == 0:
            return Checkpoint(0, merkle.EMPTY_ROOT).signed(self.key)
        head = self.head()
        return Checkpoint(head.size, head.root).signed(self.key)

    def consistency(self, note: str) -> ConsistencyProof:
        """Proof that the log of today continues the log of a former checkpoint.

        note: what `checkpoint` gave then. Raises LedgerError when it is none, or when anything before it was rewritten.
        """
        old = read_checkpoint(note, self.key)
        with self._reading(None) as reading:
            head = self.head(connection=reading)
            if old.size > head.size:
                raise LedgerError(
                    f"The checkpoint covers {old.size} entries, the ledger has {head.size}: entries were removed."
                )
            path = tuple(merkle.consistency_path(_node_lookup(reading), old.size, head.size))
        if not merkle.is_consistent(old.size, old.root, head.size, head.root, path):
            raise LedgerError("The ledger does not continue the checkpoint: entries before it were rewritten.")
        return ConsistencyProof(old.size, path, head)

    def verify(self) -> int:
        """Recompute every leaf, node and signed head; return the number of entries.

        Raises LedgerError naming the first entry that does not fit.
        """
        nodes: dict[tuple[int, int], bytes] = {}

        def lookup(level: int, index: int) -> bytes:
            return nodes[level, index]

        with self.transaction() as reading:
            # Taking the writers' lock without changing anything keeps appends out while the tables are compared.
            reading.execute(update(log_state).values(size=log_state.c.size))
            size = int(reading.execute(select(log_state.c.size)).scalar_one())
            rows = reading.execute(
                select(log_entries.c.position, log_entries.c.body).order_by(log_entries.c.position)
            ).all()
            heads = {n: (stored_bytes(h), stored_bytes(s)) for n, h, s in reading.execute(select(log_heads))}
            stored = {(lv, ix): stored_bytes(digest) for lv, ix, digest in reading.execute(select(log_nodes))}
        if [row[0] for row in rows] != list(range(size)) or set(heads) != set(range(1, size + 1)):
            raise LedgerError("Entries of the ledger are missing or were added outside it. Restore it from a backup.")
        for position, body in rows:
            for level, index, digest in merkle.completed_nodes(position, merkle.leaf_hash(stored_bytes(body)), lookup):
                nodes[level, index] = digest
            head = self.check_head(*heads[position + 1])
            if head.size != position + 1 or head.root != merkle.subtree_hash(lookup, 0, position + 1):
                raise LedgerError(
                    f"Entry {position} of the ledger does not match its signed tree head. Restore a backup."
                )
        if nodes != stored:
            raise LedgerError("The ledger's Merkle nodes do not match its entries. Restore it from a backup.")
        return size

    def check_head(self, statement: bytes, signature: bytes) -> TreeHead:
        """Parse a stored tree head. Raises LedgerError when this installation did not sign it."""
        if not self.key.verifies(statement, signature):
            raise LedgerError(
                "A tree head of the ledger does not carry this installation's signature. Restore a backup."
            )
        fields = _parse(statement)
        return TreeHead(int(fields["size"]), bytes.fromhex(fields["root"]), statement, signature)

    # ---- inside

    @contextmanager
    def _reading(self, connection: Connection | None) -> Iterator[Connection]:
        if connection is not None:
            yield connection
            return
        try:
            with self._engine.connect() as reading:
                yield reading
        except DBAPIError as error:
            raise LedgerError(
                f"The ledger cannot be read ({_reason(error)}). Check the disk and the rights."
            ) from error


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, e.g. 2026-11-23T03:00:00Z; sorts like the time itself."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Inverse of `timestamp`. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _node_lookup(connection: Connection) -> merkle.NodeLookup:
    def lookup(level: int, index: int) -> bytes:
        query = select(log_nodes.c.hash).where(log_nodes.c.level == level, log_nodes.c.node == index)
        digest = connection.execute(query).scalar_one_or_none()
        if digest is None:
            raise LedgerError("A Merkle node of the ledger is missing. Restore it from a backup.")
        return stored_bytes(digest)

    return lookup


def _parse(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise LedgerError("An entry of the ledger is no valid JSON. Restore it from a backup.") from error
    if not isinstance(value, dict):
        raise LedgerError("An entry of the ledger is no JSON object. Restore it from a backup.")
    return value


def stored_bytes(value: bytes | str) -> bytes:
    """A binary column; SQLite gives text where somebody edited it as text."""
    return value.encode() if isinstance(value, str) else bytes(value)


def _reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
