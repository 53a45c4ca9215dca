"""The gate's own store of each project's objects, and how it gets them from their one owner."""

import asyncio
import hashlib
from pathlib import Path

import grpc

from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import ensure_commit
from autopack.rpc.channel import create_channel
from autopack.rpc.tls import TlsSettings


class Projects:
    """Stores by project, and channels to the services that have the objects."""

    def __init__(self, directory: Path, tls: TlsSettings | None) -> None:
        self._directory = directory
        self._tls = tls
        self._stores: dict[str, GitStore] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def with_commits(self, project_id: str, git_address: str, *commits: str) -> GitStore:
        """The project's store, with these commits and their trees; each is asked for knowing those before it.

        Raises NotFound `OBJECT_NOT_FOUND`, `PROJECT_NOT_FOUND`, and Unavailable where nobody answers.
        """
        store = await asyncio.to_thread(self._store, project_id)
        wanted = dict.fromkeys(commits)
        if not await asyncio.to_thread(lambda: all(store.has(commit) for commit in wanted)):
            channel = self._channels.get(git_address)
            if channel is None:
                channel = self._channels[git_address] = create_channel(git_address, self._tls)
            known: list[str] = []
            for commit in wanted:
                await ensure_commit(store, GitServiceStub(channel), project_id, commit, haves=known)
                known.append(commit)
        return store

    async def close(self) -> None:
        """Closes the channels."""
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))
        self._channels.clear()

    def _store(self, project_id: str) -> GitStore:
        if project_id not in self._stores:
            name = hashlib.sha256(project_id.encode()).hexdigest()[:16]
            self._stores[project_id] = GitStore.open(self._directory / f"{name}.git")
        return self._stores[project_id]
