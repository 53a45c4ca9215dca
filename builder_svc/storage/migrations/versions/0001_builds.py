"""Operations and recorded exchanges."""

import sqlalchemy as sa
from alembic import op

from autopack.database.operations import create_operations_table

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    create_operations_table(op)
    op.create_table(
        "exchanges",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("project_id", sa.String(200), nullable=False),
        sa.Column("request_id", sa.String(300), nullable=False, index=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
    )
