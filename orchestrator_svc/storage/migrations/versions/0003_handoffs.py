"""Changes on their way to the branch."""

from alembic import op

from orchestrator_svc.storage.tables import handoffs

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Creates the table; a database that is new has it already."""
    handoffs.create(op.get_bind(), checkfirst=True)
