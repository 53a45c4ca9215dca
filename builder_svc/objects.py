"""Moves git objects between this service's stores, one for each project, and their repositories' owner."""

import asyncio
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub
from autopack.errors import FailedPrecondition
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import ensure_commit, put_commit
from autopack.rpc.channel import create_channel
from autopack.rpc.tls import TlsSettings
from builder_svc.domain.builder import Task

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.git.v1.git_service_pb2_grpc import GitServiceAsyncStub

KNOWN_REF = "refs/autopack/known"
"""The last policy commit fetched: after a restart only what differs from it is asked for."""


MAXIMUM_KNOWN = 100
"""Commits of a project that are known to be in the store without looking."""


class GitObjects:
    """Stores below a directory, channels by address."""

    def __init__(self, directory: Path, tls: TlsSettings | None) -> None:
        self._directory = directory
        self._tls = tls
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._stores: dict[str, GitStore] = {}
        self._known: dict[str, list[str]] = {}

    async def fetch(self, task: Task) -> GitStore:
        """The project's store, with the policy's commit and the base in it.

        Raises what GetPack refuses with, and Unavailable if the owner cannot be reached.
        """
        project = task.project_id
        store = self._stores.get(project)
        if store is None:
            path = self._directory / f"{hashlib.sha256(project.encode()).hexdigest()[:16]}.git"
            store = self._stores[project] = await asyncio.to_thread(GitStore.open, path)
        known = self._known.setdefault(project, [])
        if task.policy_commit not in known:
            last = await asyncio.to_thread(store.resolve, KNOWN_REF)
            await self._ensure(task, store, task.policy_commit, [last] if last else [])
            await asyncio.to_thread(_remember, store, task.policy_commit, last or "")
        if task.base not in known:
            await self._ensure(task, store, task.base, [task.policy_commit, *known[-1:]])
        known[:] = [commit for commit in known if commit not in (task.policy_commit, task.base)][
            -MAXIMUM_KNOWN:
        ]
        known += dict.fromkeys((task.policy_commit, task.base))
        return store

    async def give(self, task: Task, store: GitStore, commit: str) -> None:
        """Hands the change over. Raises what PutPack refuses with."""
        stub, token = self._stub(task), task.delivery.upload_token
        await put_commit(store, stub, task.project_id, commit, task.base, task.request_id, token)

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._channels.values():
            await channel.close(None)

    async def _ensure(self, task: Task, store: GitStore, commit: str, haves: list[str]) -> None:
        await ensure_commit(store, self._stub(task), task.project_id, commit, haves)

    def _stub(self, task: Task) -> "GitServiceAsyncStub":
        address = task.delivery.git_address
        if address not in self._channels:
            self._channels[address] = create_channel(address, self._tls)
        return GitServiceStub(self._channels[address])


def _remember(store: GitStore, commit: str, before: str) -> None:
    with suppress(FailedPrecondition):  # another build was faster, which does as well
        store.update_refs([(KNOWN_REF, commit, before)])
