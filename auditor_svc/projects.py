"""The auditor's own store of each project's objects, and how it gets them from their one owner."""

import asyncio
import hashlib
from contextlib import suppress
from pathlib import Path

import grpc

from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub
from autopack.errors import FailedPrecondition
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import ensure_commit
from autopack.rpc.channel import create_channel
from autopack.rpc.tls import TlsSettings

_KNOWN_REF = "refs/autopack/known"
"""The policy's commit that was fetched last: after a restart only what differs from it is asked for."""


class Projects:
    """Stores by project, and channels to the services that have the objects."""

    def __init__(self, directory: Path, tls: TlsSettings | None) -> None:
        self._directory = directory
        self._tls = tls
        self._stores: dict[str, GitStore] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def with_commits(
        self, project_id: str, git_address: str, policy_commit: str, *commits: str
    ) -> GitStore:
        """The project's store, with these commits and their trees.

        Raises NotFound `OBJECT_NOT_FOUND`, `PROJECT_NOT_FOUND`, and Unavailable where nobody answers.
        """
        store = await asyncio.to_thread(self._store, project_id)
        wanted = (policy_commit, *commits)
        if await asyncio.to_thread(lambda: all(store.has(commit) for commit in wanted)):
            return store
        last = await asyncio.to_thread(store.resolve, _KNOWN_REF)
        known = [last] if last else []
        stub = GitServiceStub(self._channel(git_address))
        for commit in dict.fromkeys(wanted):
            await ensure_commit(store, stub, project_id, commit, haves=known)
            known.append(commit)
        if last != policy_commit:
            await asyncio.to_thread(_remember, store, policy_commit, last or "")
        return store

    async def close(self) -> None:
        """Closes the channels."""
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))
        self._channels.clear()

    def _channel(self, git_address: str) -> grpc.aio.Channel:
        if git_address not in self._channels:
            self._channels[git_address] = create_channel(git_address, self._tls)
        return self._channels[git_address]

    def _store(self, project_id: str) -> GitStore:
        if project_id not in self._stores:
            name = hashlib.sha256(project_id.encode()).hexdigest()[:16]
            self._stores[project_id] = GitStore.open(self._directory / f"{name}.git")
        return self._stores[project_id]


def _remember(store: GitStore, commit: str, before: str) -> None:
    with suppress(FailedPrecondition):  # another audit was faster, which does as well
        store.update_refs([(_KNOWN_REF, commit, before)])
