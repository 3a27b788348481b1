"""Tables of the ledger. Plain types only, so that SQLite and PostgreSQL both take them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

SCHEMA_VERSION = 4  # the newest of safety/ledger/migrations

metadata = MetaData()

# One row. Updating it is how a writer takes the log's turn: the row lock orders appends on every database.
log_state = Table(
    "log_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
)

# The append-only log: leaf `position` is the canonical JSON in `body`.
log_entries = Table(
    "log_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),  # consent, revocation, mark, output
    Column("subject_id", String(64), nullable=False),  # consent record id, or watermark id of a mark or output
    Column("body", LargeBinary, nullable=False),
    Index("log_entries_by_subject", "kind", "subject_id"),
)

# Complete Merkle subtrees, see safety.merkle.
log_nodes = Table(
    "log_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("node", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)

# A signed tree head for every size the log ever had.
log_heads = Table(
    "log_heads",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("head", LargeBinary, nullable=False),  # canonical JSON
    Column("signature", LargeBinary, nullable=False),
)

# Personal data lives here and nowhere else; the log holds only hashes of it.
consent_records = Table(
    "consent_records",
    metadata,
    Column("record_id", String(64), primary_key=True),
    Column("position", BigInteger, ForeignKey("log_entries.position"), nullable=False),
    Column("body", LargeBinary, nullable=False),  # canonical JSON
    Column("signature", LargeBinary, nullable=False),
    Column("expires_at", String(32), nullable=False),  # RFC 3339, UTC
)

tokens = Table(
    "tokens",
    metadata,
    Column("token_hash", String(64), primary_key=True),  # the token itself is never stored
    Column("record_id", String(64), ForeignKey("consent_records.record_id"), nullable=False),
    Column("photo_commitment", String(64), nullable=False),
    Column("speech_commitment", String(64), nullable=False),
    Column("stated_speech", String(64), nullable=True),  # the same under the record's salt, for manifest and log
    Column("salt", LargeBinary(32), nullable=False),
    Column("expires_at", BigInteger, nullable=False),  # Unix seconds
    Column("used_at", BigInteger, nullable=True),
)

# Random phrases for those who consent for themselves; each is answered once, by the visitor it was shown to.
challenges = Table(
    "challenges",
    metadata,
    Column("challenge_id", String(36), primary_key=True),
    Column("phrase", String(200), nullable=False),
    Column("visitor", String(64), nullable=False),  # SHA-256 of who it was shown to
    Column("issued_at", BigInteger, nullable=False),  # Unix seconds
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=True),
)

# Every id that was ever written into pixels, registered and logged before the first frame is marked.
watermark_ids = Table(
    "watermark_ids",
    metadata,
    Column("watermark_id", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", String(64), ForeignKey("consent_records.record_id"), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("key_id", String(16), nullable=True),  # of the watermark key; null before keys could be rotated
)

# What the sound of a video is like, so that another sound under the same picture is noticed (safety.sound_print).
sound_prints = Table(
    "sound_prints",
    metadata,
    Column("watermark_id", BigInteger, ForeignKey("watermark_ids.watermark_id"), primary_key=True, autoincrement=False),
    Column("print", LargeBinary, nullable=False),
)

# What the pictures of a video are like, so that its mark on other pictures is noticed (safety.picture_print).
picture_prints = Table(
    "picture_prints",
    metadata,
    Column("watermark_id", BigInteger, ForeignKey("watermark_ids.watermark_id"), primary_key=True, autoincrement=False),
    Column("print", LargeBinary, nullable=False),
)

# The signed manifest stores (JUMBF), for copies that lost theirs (safety.recovery).
manifests = Table(
    "manifests",
    metadata,
    Column("label", String(255), primary_key=True),
    Column("watermark_id", BigInteger, ForeignKey("watermark_ids.watermark_id"), nullable=False),
    Column("store", LargeBinary, nullable=False),
    Index("manifests_by_watermark", "watermark_id"),
)

__all__ = [
    "SCHEMA_VERSION",
    "challenges",
    "consent_records",
    "log_entries",
    "log_heads",
    "log_nodes",
    "log_state",
    "manifests",
    "metadata",
    "picture_prints",
    "sound_prints",
    "tokens",
    "watermark_ids",
]
