"""Watermark ids name their key, and the sound of a video is remembered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("watermark_ids", sa.Column("key_id", sa.String(16), nullable=True))
    op.create_table(
        "sound_prints",
        sa.Column(
            "watermark_id",
            sa.BigInteger,
            sa.ForeignKey("watermark_ids.watermark_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("print", sa.LargeBinary, nullable=False),
    )
    op.execute("UPDATE log_state SET schema_version = 2")
