"""Signed manifests are kept, so that a copy without one can be given its own back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "manifests",
        sa.Column("label", sa.String(255), primary_key=True),
        sa.Column("watermark_id", sa.BigInteger, sa.ForeignKey("watermark_ids.watermark_id"), nullable=False),
        sa.Column("store", sa.LargeBinary, nullable=False),
    )
    op.create_index("manifests_by_watermark", "manifests", ["watermark_id"])
    op.execute("UPDATE log_state SET schema_version = 3")
