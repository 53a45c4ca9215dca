"""The projects' ledgers in git: got from the repository's owner, and given back as one commit."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.copies import Copies
from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.records import Signature
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import LEDGER_LIMITS, Edit, apply_edits
from autopack.policy.paths import ledger_rules
from memory_svc.domain.store import Proposal, SourceFile

AUTHOR = ("Autopack", "autopack@localhost")
SOURCE_BYTES = 200_000
"""Of one file that is indexed as code."""


class GitLedgers:
    """The LedgerRepository, over this service's copies of the projects' objects."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies

    async def at(self, project_id: str, commit: str, git_address: str) -> "GitSnapshot":
        store = await self._copies.with_commits(project_id, git_address, commit)
        return GitSnapshot(store, commit)

    async def propose(self, proposal: Proposal) -> str:
        store = await self._copies.store(proposal.project_id)

        def make() -> str:
            edits = [Edit(path, contents, executable=False) for path, contents in proposal.files.items()]
            return store.commit(
                tree=apply_edits(store, proposal.base, edits, ledger_rules(proposal.files), LEDGER_LIMITS),
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


@dataclass(frozen=True, slots=True)
class GitSnapshot:
    """The Snapshot of a commit in a store."""

    store: GitStore
    commit: str

    def read(self, path: str) -> str | None:
        data = self.store.read(self.commit, path, LEDGER_LIMITS.file_bytes)
        try:
            return None if data is None else data.decode()
        except UnicodeDecodeError as error:
            raise InvalidInput(
                Reason("LEDGER_NOT_UTF8", f"byte {error.start} is not UTF-8", "save the file as UTF-8", path)
            ) from error

    def sources(self) -> Iterator[SourceFile]:
        for entry in self.store.entries(self.commit):
            if entry.mode not in (REGULAR, EXECUTABLE):
                continue
            try:
                text = self.store.read_blob(entry.oid, SOURCE_BYTES).decode()
            except (InvalidInput, UnicodeDecodeError):
                continue  # too large, or no text: nobody wrote it by hand
            if "\0" not in text:
                yield SourceFile(entry.path, text)
