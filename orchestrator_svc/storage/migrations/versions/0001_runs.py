"""Projects, runs, phases, attempts, events, approvals and requests."""

from alembic import op

from orchestrator_svc.storage.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    metadata.create_all(op.get_bind())
