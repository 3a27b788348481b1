"""Challenge phrases, what tokens say about another recording, and what the pictures of a video are like."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("tokens", sa.Column("stated_speech", sa.String(64), nullable=True))
    op.create_table(
        "challenges",
        sa.Column("challenge_id", sa.String(36), primary_key=True),
        sa.Column("phrase", sa.String(200), nullable=False),
        sa.Column("visitor", sa.String(64), nullable=False),
        sa.Column("issued_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "picture_prints",
        sa.Column(
            "watermark_id",
            sa.BigInteger,
            sa.ForeignKey("watermark_ids.watermark_id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("print", sa.LargeBinary, nullable=False),
    )
    op.execute("UPDATE log_state SET schema_version = 4")
