"""The builder's settings, read from the environment in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.policy.policy import TIERS
from autopack.rpc.tls import TlsSettings
from autopack.settings import one_of, whole_number
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
    checkouts_bytes: int = 2_000_000_000
    """Of files kept checked out."""
    sandbox_tier: str | None = None
    """The only one that is used here; None: the strongest that works."""
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
        spans = environ.get("AUTOPACK_SPANS")
        return cls(
            directory=Path(environ.get("AUTOPACK_DIRECTORY", "/var/lib/autopack/builder")),
            address=environ.get("AUTOPACK_ADDRESS", "0.0.0.0:50051"),
            secrets=secrets_from_environ(environ),
            database_url=environ.get("AUTOPACK_DATABASE_URL", ""),
            concurrent_builds=whole_number(environ, "AUTOPACK_CONCURRENT_BUILDS", os.cpu_count() or 1),
            maximum_prompt_bytes=whole_number(environ, "AUTOPACK_MAXIMUM_PROMPT_BYTES", 200_000),
            checkouts_bytes=whole_number(environ, "AUTOPACK_CHECKOUTS_BYTES", 2_000_000_000),
            sandbox_tier=one_of(environ, "AUTOPACK_SANDBOX_TIER", TIERS),
            spans=Path(spans) if spans else None,
            tls=TlsSettings.from_environ(environ),
            insecure=environ.get("AUTOPACK_INSECURE") == "1",
            health_address=environ.get("AUTOPACK_HEALTH_ADDRESS", ""),
        )


def secrets_from_environ(environ: Mapping[str, str]) -> Secrets:
    """Every variable, unless AUTOPACK_BUILDER_SECRETS says which may go where."""
    grants = environ.get("AUTOPACK_BUILDER_SECRETS")
    return Secrets(environ.get, None if grants is None else parse_grants(grants))
