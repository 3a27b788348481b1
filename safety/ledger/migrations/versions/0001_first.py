"""The first schema: log, consent records, tokens, watermark ids."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    state = op.create_table(
        "log_state",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(state, [{"id": 1, "schema_version": 1, "size": 0}])
    op.create_table(
        "log_entries",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject_id", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("log_entries_by_subject", "log_entries", ["kind", "subject_id"])
    op.create_table(
        "log_nodes",
        sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("node", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "log_heads",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("head", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "consent_records",
        sa.Column("record_id", sa.String(64), primary_key=True),
        sa.Column("position", sa.BigInteger, sa.ForeignKey("log_entries.position"), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", sa.String(32), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("token_hash", sa.String(64), primary_key=True),
        sa.Column("record_id", sa.String(64), sa.ForeignKey("consent_records.record_id"), nullable=False),
        sa.Column("photo_commitment", sa.String(64), nullable=False),
        sa.Column("speech_commitment", sa.String(64), nullable=False),
        sa.Column("salt", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "watermark_ids",
        sa.Column("watermark_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("record_id", sa.String(64), sa.ForeignKey("consent_records.record_id"), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
    )
