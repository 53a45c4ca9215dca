"""The builder's settings, read from the environment in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autopack.database.retention import DAYS
from autopack.errors import InvalidInput, Reason
from autopack.policy.policy import TIERS
from autopack.policy.prices import Price, load_prices
from autopack.rpc.tls import TlsSettings
from autopack.settings import one_of, whole_number
from builder_svc.builders.agent.installed import Installed
from builder_svc.builders.secrets import Secrets, parse_grants


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that the builder can be told."""

    directory: Path
    """Its own: git stores, checkouts, database where that is SQLite."""
    address: str
    """Where it listens: unix:PATH or HOST:PORT."""
    secrets: Secrets
    """What builders may use that a policy names."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the directory."""
    concurrent_builds: int = os.cpu_count() or 1
    """Of each kind at one time."""
    maximum_prompt_bytes: int = 200_000
    """Of what one prompt shows a model."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    """Of models, by name, in dollars for a million tokens; what a policy says goes before it."""
    checkouts_bytes: int = 2_000_000_000
    """Of files kept checked out."""
    agents: Installed = field(default_factory=Installed)
    """Coding agents of this machine."""
    sandbox_tier: str | None = None
    """The only one that is used here; None: the strongest that works."""
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
    maximum_concurrent_rpcs: int = 200

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{self.directory / 'builder.db'}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Config":
        """The settings that the environment gives; names as in docs/SETTINGS.md.

        Raises InvalidInput SETTING_INVALID.
        """
        spans, git_directory = environ.get("AUTOPACK_SPANS"), environ.get("AUTOPACK_GIT_DIRECTORY")
        return cls(
            directory=Path(environ.get("AUTOPACK_DIRECTORY", "/var/lib/autopack/builder")),
            address=environ.get("AUTOPACK_ADDRESS", "0.0.0.0:50051"),
            secrets=secrets_from_environ(environ),
            database_url=environ.get("AUTOPACK_DATABASE_URL", ""),
            concurrent_builds=whole_number(environ, "AUTOPACK_CONCURRENT_BUILDS", os.cpu_count() or 1),
            maximum_prompt_bytes=whole_number(environ, "AUTOPACK_MAXIMUM_PROMPT_BYTES", 200_000),
            prices=_prices(environ),
            checkouts_bytes=whole_number(environ, "AUTOPACK_CHECKOUTS_BYTES", 2_000_000_000),
            agents=agents_from_environ(environ),
            sandbox_tier=one_of(environ, "AUTOPACK_SANDBOX_TIER", TIERS),
            git_directory=Path(git_directory) if git_directory else None,
            retention_days=whole_number(environ, "AUTOPACK_RETENTION_DAYS", DAYS),
            spans=Path(spans) if spans else None,
            tls=TlsSettings.from_environ(environ),
            insecure=environ.get("AUTOPACK_INSECURE") == "1",
            health_address=environ.get("AUTOPACK_HEALTH_ADDRESS", ""),
        )


def secrets_from_environ(environ: Mapping[str, str]) -> Secrets:
    """Every variable, unless AUTOPACK_BUILDER_SECRETS says which may go where."""
    grants = environ.get("AUTOPACK_BUILDER_SECRETS")
    return Secrets(environ.get, None if grants is None else parse_grants(grants))


def agents_from_environ(environ: Mapping[str, str]) -> Installed:
    """Raises InvalidInput SETTING_INVALID for what is no directory."""
    named = [part for part in environ.get("AUTOPACK_AGENT_DIRECTORIES", "").split(os.pathsep) if part]
    adapters = environ.get("AUTOPACK_AGENT_ADAPTERS", "")
    for path in (*named, *filter(None, [adapters])):
        if not (os.path.isabs(path) and os.path.isdir(path)):
            message = f"{path!a}, of AUTOPACK_AGENT_DIRECTORIES or _ADAPTERS, is no directory"
            raise InvalidInput(Reason("SETTING_INVALID", message, "name directories by their absolute paths"))
    return Installed(tuple(map(Path, named)), Path(adapters) if adapters else None)


def _prices(environ: Mapping[str, str]) -> Mapping[str, Price]:
    path = environ.get("AUTOPACK_MODEL_PRICES", "")
    return load_prices(Path(path)) if path else {}
