"""Tables of the builder's database, beside that of operations."""

import sqlalchemy as sa

metadata = sa.MetaData()

exchanges = sa.Table(
    "exchanges",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("project_id", sa.String(200), nullable=False),
    sa.Column("request_id", sa.String(300), nullable=False, index=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sa.Column("create_time", sa.Float, nullable=False),
)
"""Documents by the SHA-256 of their bytes, zlib-compressed; the rest (Unix seconds) tells who was first."""

recordings = sa.Table(
    "recordings",
    metadata,
    sa.Column("request_id", sa.String(300), primary_key=True),
    sa.Column("project_id", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("create_time", sa.Float, nullable=False),
)
"""Which exchange each build had: two builds may have had the very same."""

spending = sa.Table(
    "spending",
    metadata,
    sa.Column("request_id", sa.String(300), primary_key=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
)
"""What builds have spent, and reserved ahead, when it was last looked at."""
