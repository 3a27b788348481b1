"""The audit of a ledger: every row against the signed log, every finding named.

`Ledger.verify` answers whether the log still is what was signed. This goes on to the tables beside it, which say what
its entries are about, and does not stop at the first finding.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from safety import merkle
from safety.errors import LedgerError
from safety.ledger.log import Ledger, LogEntry, stored_bytes
from safety.tables import (
    consent_records,
    log_entries,
    log_heads,
    log_nodes,
    log_state,
    manifests,
    picture_prints,
    sound_prints,
    tokens,
    watermark_ids,
)

ADVICE = "Restore the ledger from a backup, and find out who can write to its database."


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit. code is stable; position: the log entry it is about, if any."""

    code: str
    text: str
    position: int | None = None


@dataclass(frozen=True)
class LedgerAudit:
    """entries: how many the log has.  counts: of each kind.  root: of the newest signed tree head, hex."""

    entries: int
    counts: dict[str, int]
    root: str
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        return {
            "sound": self.sound,
            "entries": self.entries,
            "counts": self.counts,
            "root": self.root,
            "findings": [vars(finding) for finding in self.findings],
        }


def examine(ledger: Ledger, against: str | None = None) -> LedgerAudit:
    """Recompute the log and compare every table with it.

    against: text of a former checkpoint that the log must continue. Edits, removals, additions and changes of order
    become findings. Raises LedgerError when the database cannot be read, or `against` is no checkpoint of this log.
    """
    findings: list[Finding] = []
    with ledger.transaction() as reading:
        # Taking the writers' lock without changing anything keeps appends out while the tables are compared.
        reading.execute(update(log_state).values(size=log_state.c.size))
        rows = reading.execute(select(log_entries).order_by(log_entries.c.position)).all()
        entries = [LogEntry(row.position, row.kind, row.subject_id, stored_bytes(row.body)) for row in rows]
        root, found = _check_log(ledger, reading, entries)
        findings += found
        bodies = {entry.position: body for entry in entries if (body := _body(entry)) is not None}
        findings += _check_columns(entries, bodies)
        by_kind: dict[str, list[LogEntry]] = {}
        for entry in entries:
            by_kind.setdefault(entry.kind, []).append(entry)
        findings += _check_records(ledger, reading, by_kind, bodies)
        findings += _check_marks(reading, by_kind, bodies)
    if against is not None:
        try:
            ledger.consistency(against)
        except LedgerError as error:
            findings.append(Finding("checkpoint", str(error)))
    counts = {kind: len(found_entries) for kind, found_entries in sorted(by_kind.items())}
    return LedgerAudit(len(entries), counts, root.hex(), tuple(findings))


def _check_log(ledger: Ledger, reading: Connection, entries: list[LogEntry]) -> tuple[bytes, list[Finding]]:
    """Positions, leaves, nodes and signed heads; also the newest root."""
    findings = []
    size = int(reading.execute(select(log_state.c.size)).scalar_one())
    heads = {row.size: row for row in reading.execute(select(log_heads))}
    stored = {(row.level, row.node): stored_bytes(row.hash) for row in reading.execute(select(log_nodes))}
    newest = max(heads, default=0)
    present = {entry.position for entry in entries}
    for position in sorted(set(range(max(size, newest))) - present):
        findings.append(Finding("entry_missing", f"Entry {position} was removed from the log.", position))
    if size != newest or present - set(range(newest)):
        text = f"The log counts {size} entries, its newest signed head covers {newest}: rows were added or removed."
        findings.append(Finding("size", text))
    nodes: dict[tuple[int, int], bytes] = {}
    root = merkle.EMPTY_ROOT
    whole = True  # a Merkle tree can be rebuilt up to the first gap
    for position, entry in enumerate(entries):
        leaf = merkle.leaf_hash(entry.leaf_bytes)
        if stored.get((0, entry.position)) != leaf:
            text = f"Entry {entry.position} is not the one that was hashed into the log."
            findings.append(Finding("entry_changed", text, entry.position))
        whole = whole and entry.position == position
        if not whole:
            continue
        for level, index, digest in merkle.completed_nodes(position, leaf, lambda lv, ix: nodes[lv, ix]):
            nodes[level, index] = digest
            if level and stored.get((level, index)) != digest:
                text = f"Merkle node ({level}, {index}) does not follow from the entries below it."
                findings.append(Finding("node_changed", text, position))
        root = merkle.subtree_hash(lambda lv, ix: nodes[lv, ix], 0, position + 1)
        problem = _head_problem(ledger, heads.get(position + 1), position + 1, root)
        if problem:
            findings.append(Finding("head", problem, position))
    if whole:
        for level, index in sorted(set(stored) - set(nodes)):
            findings.append(Finding("node_added", f"Merkle node ({level}, {index}) belongs to no entry."))
    return root, findings


def _head_problem(ledger: Ledger, row: Any, size: int, root: bytes) -> str:
    if row is None:
        return f"The signed tree head of size {size} is missing."
    try:
        head = ledger.check_head(stored_bytes(row.head), stored_bytes(row.signature))
    except LedgerError:
        return f"The tree head of size {size} does not carry this installation's signature."
    if (head.size, head.root) != (size, root):
        return f"The signed tree head of size {size} does not match the entries before it: one was changed or moved."
    return ""


def _body(entry: LogEntry) -> dict[str, Any] | None:
    try:
        return entry.body
    except LedgerError:
        return None


def _check_columns(entries: list[LogEntry], bodies: dict[int, dict[str, Any]]) -> Iterator[Finding]:
    """The columns that queries use must say what the hashed body says, else an entry could be hidden."""
    for entry in entries:
        body = bodies.get(entry.position)
        if body is None or (body.get("kind"), body.get("subject_id")) != (entry.kind, entry.subject_id):
            text = f"Entry {entry.position} is filed under {entry.kind} {entry.subject_id!r}, but says otherwise."
            yield Finding("entry_hidden", text, entry.position)


def _check_records(
    ledger: Ledger, reading: Connection, by_kind: dict[str, list[LogEntry]], bodies: dict[int, dict[str, Any]]
) -> Iterator[Finding]:
    """Consent records against their entries, and everything that names a record."""
    logged = {entry.subject_id: entry for entry in by_kind.get("consent", [])}
    rows = {row.record_id: row for row in reading.execute(select(consent_records))}
    for record_id, entry in logged.items():
        row = rows.get(record_id)
        if row is None:
            yield Finding("record_missing", f"Consent record {record_id} was removed.", entry.position)
            continue
        canonical = stored_bytes(row.body)
        same = hashlib.sha256(canonical).hexdigest() == bodies.get(entry.position, {}).get("record_sha256")
        if not same or not ledger.key.verifies(canonical, stored_bytes(row.signature)):
            yield Finding("record_changed", f"Consent record {record_id} is not the signed one.", entry.position)
        elif (row.position, row.expires_at) != (entry.position, json.loads(canonical)["event"]["expires_at"]):
            text = f"Consent record {record_id} is filed under another entry or date than it states."
            yield Finding("record_changed", text, entry.position)
    for record_id in sorted(set(rows) - set(logged)):
        yield Finding("record_added", f"Consent record {record_id} was never logged.")
    for kind in ("revocation", "mark", "output"):
        for entry in by_kind.get(kind, []):
            named = entry.subject_id if kind == "revocation" else bodies.get(entry.position, {}).get("record_id")
            consent = logged.get(str(named))
            if consent is None or consent.position > entry.position:
                text = f"Entry {entry.position} ({kind}) names a consent record that was not given before it."
                yield Finding("record_unknown", text, entry.position)


def _check_marks(
    reading: Connection, by_kind: dict[str, list[LogEntry]], bodies: dict[int, dict[str, Any]]
) -> Iterator[Finding]:
    """Issued watermark ids, the tokens they were issued for, and the sounds of videos."""
    marks = {entry.subject_id: entry for entry in by_kind.get("mark", [])}
    outputs = {entry.subject_id: entry for entry in by_kind.get("output", [])}
    rows = {f"{row.watermark_id:08x}": row for row in reading.execute(select(watermark_ids))}
    for mark_id in sorted({*marks, *outputs, *rows}):
        row, entry = rows.get(mark_id), marks.get(mark_id) or outputs.get(mark_id)
        position = entry.position if entry else None
        if row is None:
            yield Finding("mark_missing", f"Watermark id {mark_id} was removed from the issued ids.", position)
        elif entry is None:
            if row.key_id is not None:  # ids of before the first update were logged only when a video came of them
                yield Finding("mark_added", f"Watermark id {mark_id} was never issued.")
        else:
            body = bodies.get(entry.position, {})
            stated = (body.get("record_id"), body.get("key_id", row.key_id))
            if stated != (row.record_id, row.key_id):
                text = f"Watermark id {mark_id} was moved to another consent record or key."
                yield Finding("mark_changed", text, position)
    yield from _check_kept(reading, outputs, bodies)
    spent = Counter(bodies.get(entry.position, {}).get("token_sha256") for entry in marks.values())
    unused = {row.token_hash for row in reading.execute(select(tokens)) if row.used_at is None}
    for token, times in spent.items():
        if times > 1 or token in unused:
            yield Finding("token_reopened", f"The one-time token {str(token)[:8]}... was made usable again.")


def _check_kept(
    reading: Connection, outputs: dict[str, LogEntry], bodies: dict[int, dict[str, Any]]
) -> Iterator[Finding]:
    """What the ledger keeps of a video beside the log (sound, pictures, manifest), against the hashes in the log."""
    for name, table, column, code in (
        ("sound", sound_prints, sound_prints.c.print, "sound_changed"),
        ("pictures", picture_prints, picture_prints.c.print, "pictures_changed"),
        ("manifest", manifests, manifests.c.store, "manifest_changed"),
    ):
        rows = reading.execute(select(table.c.watermark_id, column))
        kept = {f"{mark_id:08x}": hashlib.sha256(stored_bytes(data)).hexdigest() for mark_id, data in rows}
        for mark_id, entry in outputs.items():
            body = bodies.get(entry.position, {})
            if name == "manifest" and "manifest_sha256" not in body:
                continue  # kept before its hash was logged
            if body.get(f"{name}_sha256") != kept.get(mark_id):
                yield Finding(code, f"The remembered {name} of video {mark_id} was changed.", entry.position)
