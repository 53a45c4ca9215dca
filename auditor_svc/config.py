"""The auditor's settings, read from the environment in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autopack.database.retention import DAYS
from autopack.errors import InvalidInput, Reason
from autopack.rpc.tls import TlsSettings
from autopack.settings import whole_number


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the auditor can be told."""

    directory: Path
    """Its own: git stores, copies of changed files while they are read, database where that is SQLite."""
    address: str
    """Where it listens: unix:PATH or HOST:PORT."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the directory."""
    workers: int = 1
    """Warm analyzer processes at most, of 35 MB each; a second one starts when two are needed at once."""
    advisories: Path | None = None
    """OSV's exports, one an ecosystem; None: what a change brings in is not audited, and that is said."""
    concurrent_audits: int = 4
    """At one time; others wait."""
    warm: bool = True
    """Whether the first worker starts with the service, or when it is first needed."""
    git_directory: Path | None = None
    """The repositories of their owner, where it is on this machine: nothing is copied then."""
    retention_days: int = DAYS
    """After which what is not used any more is forgotten."""
    spans: Path | None = None
    """Local span store."""
    tls: TlsSettings | None = None
    insecure: bool = False
    health_address: str = ""
    """Where health is told without TLS, to probes; empty: nowhere."""
    maximum_concurrent_rpcs: int = 400
    secrets: Mapping[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    """Of each secret that reviewers may use: its value, and the HOST:PORTs that it may go to."""

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.directory / 'auditor.db'}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Config":
        """The settings that the environment gives; names as in docs/SETTINGS.md.

        Raises InvalidInput SETTING_INVALID.
        """
        spans, git_directory = environ.get("AUTOPACK_SPANS"), environ.get("AUTOPACK_GIT_DIRECTORY")
        advisories = environ.get("AUTOPACK_ADVISORIES")
        return cls(
            directory=Path(environ.get("AUTOPACK_DIRECTORY", "/var/lib/autopack/auditor")),
            address=environ.get("AUTOPACK_ADDRESS", "0.0.0.0:50051"),
            database_url=environ.get("AUTOPACK_DATABASE_URL", ""),
            workers=whole_number(environ, "AUTOPACK_AUDIT_WORKERS", 2),
            advisories=Path(advisories) if advisories else None,
            concurrent_audits=whole_number(environ, "AUTOPACK_CONCURRENT_AUDITS", 4),
            git_directory=Path(git_directory) if git_directory else None,
            retention_days=whole_number(environ, "AUTOPACK_RETENTION_DAYS", DAYS),
            spans=Path(spans) if spans else None,
            tls=TlsSettings.from_environ(environ),
            insecure=environ.get("AUTOPACK_INSECURE") == "1",
            health_address=environ.get("AUTOPACK_HEALTH_ADDRESS", ""),
            secrets=_secrets(environ),
        )


def _secrets(environ: Mapping[str, str]) -> dict[str, tuple[str, frozenset[str]]]:
    """Grants written as `NAME@HOST:PORT`, separated by blanks."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for grant in environ.get("AUTOPACK_AUDITOR_SECRETS", "").split():
        name, _, host = grant.partition("@")
        if not name or ":" not in host or name.startswith(("AUTOPACK_", "OTEL_", "PG", "DATABASE_")):
            fix = "write NAME@HOST:PORT, and keep the key in a variable of its own"
            raise InvalidInput(
                Reason("SETTING_INVALID", f"AUTOPACK_AUDITOR_SECRETS has {grant[:100]!a}", fix)
            )
        found[name] = (environ.get(name, ""), found.get(name, ("", frozenset()))[1] | {host})
    return found
