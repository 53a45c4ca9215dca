"""Events of runs that the first release has left have digests too: a chain without them counts as damaged."""

import sqlalchemy as sa
from alembic import op

from autopack.attestation.log import FIELDS, digest_of

revision = "0004"
down_revision = "0003"

events = sa.table(
    "events",
    sa.column("run_id"),
    sa.column("digest"),
    *(sa.column(name, sa.JSON if name == "reasons" else None) for name in FIELDS),
)


def upgrade() -> None:
    """Chains the events of each run that has some without a digest, which none is that anybody has signed."""
    connection = op.get_bind()
    unchained = sa.select(events.c.run_id).where(events.c.digest == "").distinct()
    for run_id in connection.execute(unchained).scalars().all():
        of_run = sa.select(events).where(events.c.run_id == run_id).order_by(events.c.sequence)
        digest = ""
        for row in connection.execute(of_run).all():
            digest = digest_of(digest, row._asdict())
            this = sa.and_(events.c.run_id == run_id, events.c.sequence == row.sequence)
            connection.execute(sa.update(events).where(this).values(digest=digest))
