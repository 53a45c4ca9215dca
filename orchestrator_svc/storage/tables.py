"""The orchestrator's tables; Alembic migrations create them."""

import sqlalchemy as sa

metadata = sa.MetaData()

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("project_id", sa.String(200), primary_key=True),
    sa.Column("kind", sa.String(10), nullable=False),  # path or url
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("credential", sa.String(200), nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("project_id", sa.String(200), nullable=False),
    sa.Column("plan", sa.LargeBinary, nullable=False),
    sa.Column("plan_name", sa.String(200), nullable=False),
    sa.Column("plan_digest", sa.String(64), nullable=False),
    sa.Column("base", sa.String(40), nullable=False),
    sa.Column("base_branch", sa.String(500), nullable=False),  # empty where base names no branch
    sa.Column("head", sa.String(40), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("submit_time", sa.Float, nullable=False),
    sa.Column("end_time", sa.Float),
    sa.Column("trace_id", sa.String(32), nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("next_slot", sa.Integer, nullable=False),
    sa.Column("next_sequence", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(200), nullable=False),  # executor that drives it; empty: nobody
    sa.Column("lease_until", sa.Float, nullable=False),
    sa.Column("replay", sa.LargeBinary),  # what the builders of an earlier run gave; null: builders build
    sa.Index("runs_by_time", "submit_time", "run_id"),
    sa.Index("runs_by_state", "state"),
)

phases = sa.Table(
    "phases",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("phase_id", sa.String(100), primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("slot", sa.Integer),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("ended", sa.Boolean, nullable=False),
    sa.Column("depends_on", sa.JSON, nullable=False),
    sa.Column("commit", sa.String(40), nullable=False),
    sa.Column("judged", sa.JSON),
    sa.Column("verdict", sa.LargeBinary),
    sa.Column("approvals", sa.Integer, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("start_time", sa.Float),
    sa.Index("phases_in_line", "run_id", "ended", "slot"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("phase_id", sa.String(100), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("base", sa.String(40), nullable=False),
    sa.Column("change", sa.String(40), nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("usage", sa.JSON, nullable=False),
    sa.Column("reserved_tokens", sa.BigInteger, nullable=False),
    sa.Column("upload_token", sa.String(100), nullable=False),
    sa.Column("faults", sa.Integer, nullable=False),  # times that the machine failed it, not the change
    sa.Column("builder_kind", sa.String(64), nullable=False, server_default=""),
    sa.Column("exchange_digest", sa.String(64), nullable=False, server_default=""),
)

# What an orchestrator with another directory needs of attempts that have not landed; gone with the run's end.
handoffs = sa.Table(
    "handoffs",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("phase_id", sa.String(100), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("pack", sa.LargeBinary, nullable=False),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("phase_id", sa.String(100), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("state", sa.String(60), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, server_default=""),  # over it and the one before
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("run_id", sa.String(100), primary_key=True),
    sa.Column("phase_id", sa.String(100), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("change_digest", sa.String(64), nullable=False),
    sa.Column("approver", sa.String(200), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("key_id", sa.String(200), nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)

# What a person asked for, so that the same request_id gets the same answer.
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("request_id", sa.String(300), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("run_id", sa.String(100), nullable=False),
)
