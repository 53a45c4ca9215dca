"""Puts memory together; the only place that constructs its parts."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from autopack.api.memory.v1 import memory_service_pb2, memory_service_pb2_grpc
from autopack.database.database import Database
from autopack.database.operations import Operations
from autopack.database.retention import Retention
from autopack.gitstore.copies import Copies
from autopack.rpc.alone import run_alone
from autopack.rpc.lifetime import RunningService, close_all
from autopack.rpc.server import ServerSettings, Service, create_server
from memory_svc.config import Config
from memory_svc.domain.index import Embedder, VectorIndex
from memory_svc.domain.memory import Memory
from memory_svc.domain.tidying import Tidying
from memory_svc.service import MemoryServicer
from memory_svc.storage.documents import SqlDocuments
from memory_svc.storage.repositories import GitLedgers

MIGRATIONS = Path(__file__).parent / "storage" / "migrations"


async def start(config: Config) -> RunningService:
    """Starts memory; ready when this returns. Neither index nor model are opened before they are needed."""
    async with AsyncExitStack() as undo:
        database = await asyncio.to_thread(Database.open, config.url, MIGRATIONS)
        undo.push_async_callback(database.close)
        embedder = _embedder(config)
        index = _index(config, embedder.name)
        repository = GitLedgers(Copies(config.directory / "git", config.tls, config.git_directory))
        store = SqlDocuments(database)
        tidies = Operations(database, time.time, "StartTidy")
        indexings = Operations(database, time.time, "StartIndex")
        servicer = MemoryServicer(
            Memory(store, index, embedder, repository, config.memory),
            Tidying(store, repository, time.time),
            tidies,
            indexings,
        )
        server = create_server(
            ServerSettings(
                config.address,
                maximum_concurrent_rpcs=config.maximum_concurrent_rpcs,
                tls=config.tls,
                insecure=config.insecure,
                health_address=config.health_address,
            ),
            [
                Service(
                    "autopack.api.memory.v1.MemoryService",
                    lambda server: memory_service_pb2_grpc.add_MemoryServiceServicer_to_server(
                        servicer, server
                    ),
                    memory_service_pb2.DESCRIPTOR,
                )
            ],
            {"database": database.ping, "index": index.ping},
        )
        await server.start()
        retention = Retention(config.retention_days, time.time, [tidies.prune, indexings.prune])
        undo.pop_all()

    async def close() -> None:
        await close_all(
            server.stop,
            retention.close,
            tidies.close,
            indexings.close,
            repository.close,
            index.close,
            embedder.close,
            database.close,
        )

    return RunningService(server, close)


def _embedder(config: Config) -> Embedder:
    if config.embeddings_url:
        from memory_svc.storage.embeddings_endpoint import EmbeddingsEndpoint

        return EmbeddingsEndpoint(config.embeddings_url, config.embeddings_model, config.embeddings_api_key)
    from memory_svc.storage.minilm import MiniLm

    return MiniLm()


def _index(config: Config, model: str) -> VectorIndex:
    if config.qdrant_url:
        from memory_svc.storage.qdrant_server import QdrantIndex, connect

        return QdrantIndex(partial(connect, config.qdrant_url, config.qdrant_api_key), model)
    from memory_svc.storage.edge import EdgeIndex

    return EdgeIndex(config.directory / "index", model)


async def main() -> None:
    """Serves until SIGTERM."""
    environ = dict(os.environ)
    await run_alone("memory_svc", Config.from_environ(environ), environ, start)


if __name__ == "__main__":
    asyncio.run(main())
