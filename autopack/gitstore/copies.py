"""A service's own copy of each project's objects, filled from their one owner as commits are needed."""

import asyncio
import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import grpc

from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub
from autopack.errors import FailedPrecondition
from autopack.gitstore.maintenance import Upkeep
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import get_commits, put_commit
from autopack.rpc.channel import create_channel
from autopack.rpc.tls import TlsSettings

KNOWN_REF = "refs/autopack/known"
"""A commit that is here: after a restart only what differs from it is asked for."""
MAXIMUM_KNOWN = 100
"""Commits of a project that are known to be here without looking."""
MAXIMUM_HAVES = 8
"""Of these, the last ones named when others are asked for."""
_DIRECTORY_NAME = re.compile(r"[a-z0-9-]+")


class Copies:
    """Stores by project, and channels to the services that own them."""

    def __init__(self, directory: Path, tls: TlsSettings | None, owners: Path | None = None) -> None:
        """`owners` has the owner's own repositories, `PROJECT_ID.git`: what is there is not copied."""
        self._directory = directory
        self._tls = tls
        self._owners = owners
        self._stores: dict[str, GitStore] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._known: dict[str, dict[str, None]] = {}
        self._upkeep = Upkeep()
        # Of callers that want one commit at once, the first gets it; if it gives up, the next does.
        self._getting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def with_commits(self, project_id: str, git_address: str, *commits: str) -> GitStore:
        """The project's store, with these commits and their trees.

        Raises NotFound `OBJECT_NOT_FOUND`, `PROJECT_NOT_FOUND`, and Unavailable where nobody answers.
        """
        known = self._known.get(project_id, {})
        if any(commit not in known for commit in commits):
            async with self._getting[project_id]:
                await self._get(project_id, git_address, commits)
        known = self._known[project_id]
        for commit in commits:
            known[commit] = known.pop(commit, None)  # the newest is the last
        for commit in list(known)[:-MAXIMUM_KNOWN]:
            del known[commit]
        return self._stores[project_id]

    async def store(self, project_id: str) -> GitStore:
        """The project's store as it is."""
        if project_id in self._stores:
            return self._stores[project_id]
        return await asyncio.to_thread(self._store, project_id)

    async def give(
        self, project_id: str, git_address: str, commit: str, base: str, request_id: str, upload_token: str
    ) -> None:
        """Hands a commit to the owner, who has `base`. Raises what PutPack refuses with."""
        store = await self.store(project_id)
        if store.path.parent == self._owners:
            return
        stub = GitServiceStub(self._channel(git_address))
        await put_commit(store, stub, project_id, commit, base, request_id, upload_token)

    async def close(self) -> None:
        """Closes the channels."""
        await self._upkeep.close()
        await asyncio.gather(*(channel.close(None) for channel in self._channels.values()))
        self._channels.clear()

    async def _get(self, project_id: str, git_address: str, commits: Sequence[str]) -> None:
        store, lacking = await asyncio.to_thread(self._look, project_id, commits)
        if lacking:
            stub, haves = GitServiceStub(self._channel(git_address)), list(self._known[project_id])
            await get_commits(store, stub, project_id, lacking, haves[-MAXIMUM_HAVES:])
            await asyncio.to_thread(_remember, store, commits[0])
            self._upkeep.came(store)

    def _channel(self, git_address: str) -> grpc.aio.Channel:
        if git_address not in self._channels:
            self._channels[git_address] = create_channel(git_address, self._tls)
        return self._channels[git_address]

    def _store(self, project_id: str) -> GitStore:
        if project_id not in self._stores:
            self._stores[project_id] = GitStore.open(self._path(project_id))
        return self._stores[project_id]

    def _path(self, project_id: str) -> Path:
        if self._owners and _DIRECTORY_NAME.fullmatch(project_id):
            owned = self._owners / f"{project_id}.git"
            if owned.is_dir():
                return owned
        return self._directory / f"{hashlib.sha256(project_id.encode()).hexdigest()[:16]}.git"

    def _look(self, project_id: str, commits: Sequence[str]) -> tuple[GitStore, list[str]]:
        store = self._store(project_id)
        if project_id not in self._known:
            last = store.resolve(KNOWN_REF)
            self._known[project_id] = {last: None} if last else {}
        return store, [commit for commit in commits if not store.has(commit)]


def _remember(store: GitStore, commit: str) -> None:
    before = store.resolve(KNOWN_REF) or ""
    if before != commit:
        with suppress(FailedPrecondition):  # another process was faster, which does as well
            store.update_refs([(KNOWN_REF, commit, before)])
