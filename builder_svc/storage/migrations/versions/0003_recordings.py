"""Which exchange each build had."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "recordings",
        sa.Column("request_id", sa.String(300), primary_key=True),
        sa.Column("project_id", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
    )
