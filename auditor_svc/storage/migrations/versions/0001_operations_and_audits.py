"""Audits as operations, and their results and SARIF documents by what went into them."""

import sqlalchemy as sa
from alembic import op

from autopack.database.operations import create_operations_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_table(op)
    op.create_table(
        "audits",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("audit", sa.LargeBinary, nullable=False),
        sa.Column("sarif", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
    )
    op.create_index("audits_create_time", "audits", ["create_time"])
    op.create_table(
        "audit_requests",
        sa.Column("request_id", sa.String(300), primary_key=True),
        sa.Column("key", sa.String(64), sa.ForeignKey("audits.key", ondelete="CASCADE"), nullable=False),
    )
    op.create_index("audit_requests_key", "audit_requests", ["key"])
