"""The first tables: operations, run records, and what is derived from them and the ledgers."""

import sqlalchemy as sa
from alembic import op

from autopack.database.operations import create_operations_table

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_POSITION = sa.String(400).with_variant(sa.String(400, collation="C"), "postgresql")


def upgrade() -> None:
    create_operations_table(op)
    op.create_table(
        "run_records",
        sa.Column("project_id", sa.String(200), primary_key=True),
        sa.Column("run_id", sa.String(100), primary_key=True),
        sa.Column("request_id", sa.String(300), nullable=False, unique=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("submit_time", sa.Float, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "projects",
        sa.Column("project_id", sa.String(200), primary_key=True),
        sa.Column("commit_id", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "sot_entries",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("project_id", sa.String(200), nullable=False),
        sa.Column("file_type", sa.String(40), nullable=False),
        sa.Column("entry_id", sa.String(300), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("trust", sa.String(20), nullable=False),
        sa.Column("run_id", sa.String(100), nullable=False),
        sa.Column("position", _POSITION, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
        sa.UniqueConstraint("project_id", "file_type", "entry_id"),
    )
    op.create_index("sot_entries_by_trust", "sot_entries", ["project_id", "trust", "position"])
    op.create_index("sot_entries_by_run", "sot_entries", ["project_id", "run_id"])


def downgrade() -> None:
    for table in ("sot_entries", "projects", "run_records", "operations"):
        op.drop_table(table)
