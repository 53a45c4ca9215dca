"""What built an attempt and what was exchanged for it; the chain of a run's events."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COLUMNS = {
    "attempts": {"builder_kind": sa.String(64), "exchange_digest": sa.String(64)},
    "events": {"digest": sa.String(64)},
}


def upgrade() -> None:
    """Adds the columns; a database that is new has them from the tables."""
    for table, columns in COLUMNS.items():
        known = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
        for name, kind in columns.items():
            if name not in known:
                op.add_column(table, sa.Column(name, kind, nullable=False, server_default=""))
    if "replay" not in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("runs")}:
        op.add_column("runs", sa.Column("replay", sa.LargeBinary))
