"""The gate's settings, read from the environment in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autopack.database.retention import DAYS
from autopack.policy.policy import TIERS
from autopack.rpc.tls import TlsSettings
from autopack.settings import one_of, seconds, whole_number
from gate_svc.signing.process import KeySource


def _processors() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the gate can be told."""

    directory: Path
    """Its own: objects, checkouts, environments, database where that is SQLite."""
    address: str
    """Where it listens: unix:PATH or HOST:PORT."""
    auditor_address: str
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the directory."""
    concurrent_checks: int = field(default_factory=_processors)
    """Checks that run at one time."""
    checkouts_bytes: int = 2_000_000_000
    """Of checkouts that are kept."""
    audit_patience_seconds: float = 10.0
    """How long the auditor may be away, or not yet know of the audit."""
    sandbox_tier: str | None = None
    """The one tier to be used; None: the best one."""
    warm: bool = True
    """Whether the sandbox is probed at the start, beside everything else, and not by the first judgement."""
    key: KeySource | None = None
    """The signing key's; None: `keys/gate.key` in the directory."""
    git_directory: Path | None = None
    """The repositories of their owner, where it is on this machine: nothing is copied then."""
    retention_days: int = DAYS
    """After which what is not used any more is forgotten."""
    spans: Path | None = None
    """Local span store; None: none."""
    tls: TlsSettings | None = None
    insecure: bool = False
    health_address: str = ""
    """Where health is told without TLS, to probes; empty: nowhere."""
    maximum_concurrent_rpcs: int = 400

    @property
    def key_source(self) -> KeySource:
        """Where the signing key is."""
        return self.key or KeySource.from_environ({}, self.directory)

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.directory / 'gate.db'}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """The settings that the environment gives; names as in docs/SETTINGS.md.

        Raises InvalidInput SETTING_INVALID.
        """
        directory = Path(environ.get("AUTOPACK_DIRECTORY", "/var/lib/autopack/gate"))
        spans, git_directory = environ.get("AUTOPACK_SPANS"), environ.get("AUTOPACK_GIT_DIRECTORY")
        return cls(
            directory=directory,
            address=environ.get("AUTOPACK_ADDRESS", "0.0.0.0:50051"),
            auditor_address=environ.get("AUTOPACK_AUDITOR_ADDRESS", "dns:///auditor:50051"),
            database_url=environ.get("AUTOPACK_DATABASE_URL", ""),
            concurrent_checks=whole_number(environ, "AUTOPACK_CONCURRENT_CHECKS", _processors()),
            checkouts_bytes=whole_number(environ, "AUTOPACK_CHECKOUTS_BYTES", 2_000_000_000),
            audit_patience_seconds=seconds(environ, "AUTOPACK_AUDIT_PATIENCE_SECONDS", 10.0),
            sandbox_tier=one_of(environ, "AUTOPACK_SANDBOX_TIER", TIERS),
            key=KeySource.from_environ(environ, directory),
            git_directory=Path(git_directory) if git_directory else None,
            retention_days=whole_number(environ, "AUTOPACK_RETENTION_DAYS", DAYS),
            spans=Path(spans) if spans else None,
            tls=TlsSettings.from_environ(environ),
            insecure=environ.get("AUTOPACK_INSECURE") == "1",
            health_address=environ.get("AUTOPACK_HEALTH_ADDRESS", ""),
        )
