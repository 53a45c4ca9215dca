"""The operations and a table to write to."""

import sqlalchemy as sa
from alembic import op

from autopack.database.operations import create_operations_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_operations_table(op)
    op.create_table(
        "counters", sa.Column("name", sa.String(20), primary_key=True), sa.Column("value", sa.Integer)
    )
