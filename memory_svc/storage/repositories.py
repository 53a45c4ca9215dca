"""The projects' ledgers in git: got from the repository's owner, and given back as one commit."""

import asyncio
import hashlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub
from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.gitstore.records import Signature
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import ensure_commit, put_commit
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import LEDGER_RULES
from autopack.rpc.channel import create_channel
from autopack.rpc.tls import TlsSettings
from memory_svc.domain.store import Proposal

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.git.v1.git_service_pb2_grpc import GitServiceAsyncStub

AUTHOR = ("Autopack", "autopack@localhost")
KNOWN_REF = "refs/autopack/known"
"""The last commit fetched: only what differs from it is asked for."""


class GitLedgers:
    """The LedgerRepository: a bare store for each project, a channel for each owner."""

    def __init__(self, directory: Path, tls: TlsSettings | None = None) -> None:
        self._directory = directory
        self._tls = tls
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def read(
        self, project_id: str, commit: str, git_address: str, paths: Collection[str]
    ) -> dict[str, str | None]:
        store = await asyncio.to_thread(self._store, project_id)
        if not await asyncio.to_thread(store.has, commit):
            known = await asyncio.to_thread(store.resolve, KNOWN_REF)
            await ensure_commit(store, self._stub(git_address), project_id, commit, [known] if known else [])
            await asyncio.to_thread(_remember, store, commit, known or "")
        return await asyncio.to_thread(lambda: {path: _text(store, commit, path) for path in paths})

    async def propose(self, proposal: Proposal) -> str:
        store = await asyncio.to_thread(self._store, proposal.project_id)

        def make() -> str:
            edits = [Edit(path, contents, executable=False) for path, contents in proposal.files.items()]
            return store.commit(
                tree=apply_edits(store, proposal.base, edits, LEDGER_RULES),
                parents=[proposal.base],
                message=proposal.message,
                author=Signature(*AUTHOR, int(proposal.time.timestamp())),
            )

        commit = await asyncio.to_thread(make)
        await put_commit(
            store,
            self._stub(proposal.git_address),
            proposal.project_id,
            commit,
            proposal.base,
            proposal.request_id,
            proposal.upload_token,
        )
        return commit

    async def close(self) -> None:
        """Closes the channels."""
        for channel in self._channels.values():
            await channel.close(None)
        self._channels.clear()

    def _store(self, project_id: str) -> GitStore:
        name = hashlib.sha256(project_id.encode()).hexdigest()[:16]
        return GitStore.open(self._directory / f"{name}.git")

    def _stub(self, address: str) -> "GitServiceAsyncStub":
        if address not in self._channels:
            self._channels[address] = create_channel(address, self._tls)
        return GitServiceStub(self._channels[address])


def _remember(store: GitStore, commit: str, before: str) -> None:
    with suppress(FailedPrecondition):  # another call was faster, which does as well
        store.update_refs([(KNOWN_REF, commit, before)])


def _text(store: GitStore, commit: str, path: str) -> str | None:
    data = store.read(commit, path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            Reason("LEDGER_NOT_UTF8", f"byte {error.start} is not UTF-8", "save the file as UTF-8", path)
        ) from error
