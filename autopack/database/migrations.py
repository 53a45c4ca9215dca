"""Brings a database to the newest revision; imports Alembic only when there is work for it."""

import ast
from pathlib import Path

import sqlalchemy as sa

from autopack.errors import FailedPrecondition, Internal, Reason

_VERSION = sa.table("alembic_version", sa.column("version_num"))
_LOCK_KEY = 0x6175746F  # "auto": any number, the same for all


def revisions(migrations: Path) -> dict[str, str | None]:
    """Each revision below `migrations/versions` with the one before it, read without running it."""
    found: dict[str, str | None] = {}
    for path in sorted((migrations / "versions").glob("*.py")):
        values: dict[str, object] = {}
        for node in ast.parse(path.read_text()).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                    values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value)):
                    values[name] = value
        if isinstance(revision := values.get("revision"), str):
            before = values.get("down_revision")
            found[revision] = before if isinstance(before, str) else None
    return found


def head(migrations: Path) -> str:
    """The newest revision.

    Raises:
        Internal: `MIGRATIONS_BROKEN`, if there is none or more than one.
    """
    chain = revisions(migrations)
    heads = sorted(set(chain) - set(chain.values()))
    if len(heads) != 1:
        raise Internal(
            Reason(
                "MIGRATIONS_BROKEN",
                f"{migrations / 'versions'} has {len(heads)} newest revisions: {', '.join(heads) or 'none'}",
                "Every revision but the first follows another one: mend down_revision.",
                str(migrations),
            )
        )
    return heads[0]


def migrate(connection: sa.Connection, migrations: Path) -> None:
    """Runs what is missing, in the connection's transaction.

    Raises:
        FailedPrecondition: `DATABASE_NEWER`, if a later version of Autopack has written it.
    """
    if connection.dialect.name == "postgresql":
        # Replicas start together; SQLite's transaction has the lock already.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    stored, newest = stored_revision(connection), head(migrations)
    if stored == newest:
        return
    if stored is not None and stored not in revisions(migrations):
        raise FailedPrecondition(
            Reason(
                "DATABASE_NEWER",
                f"the database is at revision {stored}, which this version does not know",
                "Use the version of Autopack that has written it, or a later one.",
            )
        )
    _upgrade(connection, migrations)


def stored_revision(connection: sa.Connection) -> str | None:
    """The revision that the database is at; None for an empty one."""
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    return connection.execute(sa.select(_VERSION.c.version_num)).scalar_one_or_none()


def _upgrade(connection: sa.Connection, migrations: Path) -> None:
    # Alembic takes 200 ms to import: only a new database needs it.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(migrations))

    def steps(current: object, context: MigrationContext) -> list[RevisionStep]:
        return script._upgrade_revs("head", current)  # type: ignore[arg-type]  # as its own commands do

    with EnvironmentContext(Config(), script, fn=steps, destination_rev="head") as environment:
        environment.configure(connection=connection)
        with environment.begin_transaction():
            environment.run_migrations()
