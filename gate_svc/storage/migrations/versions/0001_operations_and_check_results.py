"""Judgements as operations, and results of checks by digest."""

import sqlalchemy as sa
from alembic import op

from autopack.database.operations import create_operations_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_table(op)
    op.create_table(
        "check_results",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("result", sa.LargeBinary, nullable=False),
        sa.Column("use_time", sa.Float, nullable=False),
    )
    op.create_index("check_results_use_time", "check_results", ["use_time"])
