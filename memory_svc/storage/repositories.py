"""The projects' ledgers in git: got from the repository's owner, and given back as one commit."""

import asyncio
from collections.abc import Collection
from pathlib import Path

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.copies import Copies
from autopack.gitstore.records import Signature
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import LEDGER_RULES
from autopack.rpc.tls import TlsSettings
from memory_svc.domain.store import Proposal

AUTHOR = ("Autopack", "autopack@localhost")


class GitLedgers:
    """The LedgerRepository, over this service's copies of the projects' objects."""

    def __init__(self, directory: Path, tls: TlsSettings | None = None) -> None:
        self._copies = Copies(directory, tls)

    async def read(
        self, project_id: str, commit: str, git_address: str, paths: Collection[str]
    ) -> dict[str, str | None]:
        store = await self._copies.with_commits(project_id, git_address, commit)
        return await asyncio.to_thread(lambda: {path: _text(store, commit, path) for path in paths})

    async def propose(self, proposal: Proposal) -> str:
        store = await self._copies.store(proposal.project_id)

        def make() -> str:
            edits = [Edit(path, contents, executable=False) for path, contents in proposal.files.items()]
            return store.commit(
                tree=apply_edits(store, proposal.base, edits, LEDGER_RULES),
                parents=[proposal.base],
                message=proposal.message,
                author=Signature(*AUTHOR, int(proposal.time.timestamp())),
            )

        commit = await asyncio.to_thread(make)
        await self._copies.give(
            proposal.project_id,
            proposal.git_address,
            commit,
            proposal.base,
            proposal.request_id,
            proposal.upload_token,
        )
        return commit

    async def close(self) -> None:
        """Closes the channels."""
        await self._copies.close()


def _text(store: GitStore, commit: str, path: str) -> str | None:
    data = store.read(commit, path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            Reason("LEDGER_NOT_UTF8", f"byte {error.start} is not UTF-8", "save the file as UTF-8", path)
        ) from error
