"""The settings of memory, read from the environment in one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autopack.database.retention import DAYS
from autopack.errors import InvalidInput, Reason
from autopack.rpc.tls import TlsSettings
from autopack.settings import whole_number
from memory_svc.domain.settings import MemorySettings

CHUNK_LEAST = 400
"""Characters of a passage, at least: its title and the overlap must leave room for more."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that memory can be told."""

    directory: Path
    """Its own: git stores, embedded index, database where that is SQLite."""
    address: str
    """Where it listens: unix:PATH or HOST:PORT."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the directory."""
    memory: MemorySettings = field(default_factory=MemorySettings)
    qdrant_url: str = ""
    """Server, as https://qdrant:6334 (gRPC); empty: embedded, in the directory."""
    qdrant_api_key: str = ""
    embeddings_url: str = ""
    """OpenAI-compatible endpoint, as http://127.0.0.1:8080/v1; empty: MiniLM in this process."""
    embeddings_model: str = "text-embedding-3-small"
    """What the endpoint is asked for."""
    embeddings_api_key: str = ""
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
        return self.database_url or f"sqlite:///{self.directory / 'memory.db'}"

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Config":
        """The settings that the environment gives; names as in docs/SETTINGS.md.

        Raises InvalidInput `SETTING_INVALID`.
        """
        spans, git_directory = environ.get("AUTOPACK_SPANS"), environ.get("AUTOPACK_GIT_DIRECTORY")
        return cls(
            directory=Path(environ.get("AUTOPACK_DIRECTORY", "/var/lib/autopack/memory")),
            address=environ.get("AUTOPACK_ADDRESS", "0.0.0.0:50051"),
            database_url=environ.get("AUTOPACK_DATABASE_URL", ""),
            memory=MemorySettings(
                indexing=_switch(environ, "AUTOPACK_ENABLE_SOT_MEMORY_INDEXING"),
                retrieval=_switch(environ, "AUTOPACK_SOT_RETRIEVAL_ENABLED"),
                max_chars=whole_number(environ, "AUTOPACK_SOT_RETRIEVAL_MAX_CHARS", 4000, 1),
                top_k=whole_number(environ, "AUTOPACK_SOT_RETRIEVAL_TOP_K", 3, 1),
                chunk_max_chars=whole_number(environ, "AUTOPACK_SOT_CHUNK_MAX_CHARS", 1200, CHUNK_LEAST),
            ),
            qdrant_url=environ.get("AUTOPACK_QDRANT_URL", ""),
            qdrant_api_key=environ.get("AUTOPACK_QDRANT_API_KEY", ""),
            embeddings_url=environ.get("AUTOPACK_EMBEDDINGS_URL", ""),
            embeddings_model=environ.get("AUTOPACK_EMBEDDINGS_MODEL", "text-embedding-3-small"),
            embeddings_api_key=environ.get("AUTOPACK_EMBEDDINGS_API_KEY", ""),
            git_directory=Path(git_directory) if git_directory else None,
            retention_days=whole_number(environ, "AUTOPACK_RETENTION_DAYS", DAYS),
            spans=Path(spans) if spans else None,
            tls=TlsSettings.from_environ(environ),
            insecure=environ.get("AUTOPACK_INSECURE") == "1",
            health_address=environ.get("AUTOPACK_HEALTH_ADDRESS", ""),
        )


def _switch(environ: Mapping[str, str], name: str) -> bool:
    text = environ.get(name, "true").strip().lower()
    if text not in {"true", "1", "false", "0"}:
        raise InvalidInput(Reason("SETTING_INVALID", f"{name} is {text!r}", "use true or false"))
    return text in {"true", "1"}
