"""The tables of memory; times in Unix seconds, UTC."""

import sqlalchemy as sa

metadata = sa.MetaData()

# Compared byte by byte on both, whatever language the database speaks.
_POSITION = sa.String(400).with_variant(sa.String(400, collation="C"), "postgresql")

run_records = sa.Table(
    "run_records",
    metadata,
    sa.Column("project_id", sa.String(200), primary_key=True),
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("request_id", sa.String(300), nullable=False, unique=True),
    sa.Column("request_digest", sa.String(64), nullable=False),
    sa.Column("submit_time", sa.Float, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)
"""What the orchestrator reported of each ended run, redacted, as JSON."""

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("project_id", sa.String(200), primary_key=True),
    sa.Column("commit_id", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
)
"""The commit whose ledgers each project's documents come from."""

sot_entries = sa.Table(
    "sot_entries",
    metadata,
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
    sa.Index("sot_entries_by_trust", "project_id", "trust", "position"),
    sa.Index("sot_entries_by_run", "project_id", "run_id"),
)
"""Every document, derived from the ledgers and the run records; never the truth about anything."""
