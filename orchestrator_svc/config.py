"""The orchestrator's settings, read from the environment in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.database.retention import DAYS
from autopack.errors import InvalidInput, Reason
from autopack.rpc.tls import TlsSettings
from autopack.settings import seconds, whole_number

MOST_LEASE_SECONDS = 60.0
"""Well below what no lease lasts: machines' clocks differ."""
EVERYWHERE = ("0.0.0.0:", "[::]:")
"""Hosts that a server listens on and that no client can dial."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the orchestrator can be told."""

    directory: Path
    """Its own: bare repositories, database where that is SQLite."""
    address: str
    """Where it listens: unix:PATH or HOST:PORT."""
    builder_address: str
    auditor_address: str
    gate_address: str
    memory_address: str
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the directory."""
    git_address: str = ""
    """Where other services reach its GitService; empty: its own address."""
    credentials: Path | None = None
    """Directory with a file for each credential that a repository may name."""
    executor_id: str = "local"
    """Unique among the orchestrators on one database."""
    drive_at_start: bool = True
    """Whether unfinished runs go on at once, or only when somebody asks for driving."""
    allow_paths: bool = False
    """Whether repositories may be given by path; only the all-in-one does."""
    admitted_runs: int = 500
    """Runs that are going on, or wait for room, before more are refused."""
    concurrent_runs: int = 16
    window: int = 16
    """Phases of one run that are looked at ahead of its branch's head."""
    patience_seconds: float = 30.0
    """How long a service may be away before the run stops with a reason."""
    lease_seconds: float = 15.0
    """How long a driver that is not heard of keeps its run."""
    anchor_command: str = ""
    """Shell line that gets the signed statement of each run's end, for storage outside our reach."""
    retention_days: int = DAYS
    """After which what is not used any more is forgotten."""
    spans: Path | None = None
    """Local span store that GetTrace reads."""
    tls: TlsSettings | None = None
    insecure: bool = False
    health_address: str = ""
    """Where health is told without TLS, to probes; empty: nowhere."""
    maximum_concurrent_rpcs: int = 400

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.directory / 'orchestrator.db'}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Config":
        """The settings that the environment gives; names as in docs/SETTINGS.md.

        Raises InvalidInput `SETTING_INVALID`.
        """
        address = environ.get("AUTOPACK_ADDRESS", "0.0.0.0:50051")
        git_address = environ.get("AUTOPACK_GIT_ADDRESS", "")
        if not git_address and address.startswith(EVERYWHERE):
            found = f"AUTOPACK_GIT_ADDRESS is not set, and nobody can dial {address}"
            fix = "Give the HOST:PORT by which the other services reach this orchestrator."
            raise InvalidInput(Reason("SETTING_INVALID", found, fix))
        directory = Path(environ.get("AUTOPACK_DIRECTORY", "/var/lib/autopack/orchestrator"))
        spans = environ.get("AUTOPACK_SPANS")
        credentials = environ.get("AUTOPACK_CREDENTIALS")
        return cls(
            directory=directory,
            address=address,
            builder_address=environ.get("AUTOPACK_BUILDER_ADDRESS", "dns:///builder:50051"),
            auditor_address=environ.get("AUTOPACK_AUDITOR_ADDRESS", "dns:///auditor:50051"),
            gate_address=environ.get("AUTOPACK_GATE_ADDRESS", "dns:///gate:50051"),
            memory_address=environ.get("AUTOPACK_MEMORY_ADDRESS", "dns:///memory:50051"),
            database_url=environ.get("AUTOPACK_DATABASE_URL", ""),
            git_address=git_address,
            credentials=Path(credentials) if credentials else None,
            executor_id=environ.get("AUTOPACK_EXECUTOR_ID") or environ.get("HOSTNAME", "local"),
            admitted_runs=whole_number(environ, "AUTOPACK_ADMITTED_RUNS", 500),
            concurrent_runs=whole_number(environ, "AUTOPACK_CONCURRENT_RUNS", 16),
            window=whole_number(environ, "AUTOPACK_WINDOW", 16),
            patience_seconds=seconds(environ, "AUTOPACK_PATIENCE_SECONDS", 30.0),
            lease_seconds=seconds(environ, "AUTOPACK_LEASE_SECONDS", 15.0, MOST_LEASE_SECONDS),
            anchor_command=environ.get("AUTOPACK_ANCHOR_COMMAND", ""),
            retention_days=whole_number(environ, "AUTOPACK_RETENTION_DAYS", DAYS),
            spans=Path(spans) if spans else directory / "spans.db",
            tls=TlsSettings.from_environ(environ),
            insecure=environ.get("AUTOPACK_INSECURE") == "1",
            health_address=environ.get("AUTOPACK_HEALTH_ADDRESS", ""),
        )
