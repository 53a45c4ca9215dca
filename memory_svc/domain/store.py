"""The ports behind which records, documents and ledgers are kept."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from memory_svc.domain.documents import Document, Trust
from memory_svc.domain.records import RunRecord


@dataclass(frozen=True, slots=True)
class ProjectState:
    """What is known of a project without reading any document."""

    commit: str
    """Commit whose ledgers the documents come from; empty before the first indexing."""
    version: int
    """Grows with every change of its documents."""
    trusts: frozenset[Trust]
    """Kinds of trust that it has documents of."""


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A document with its place in the project's list."""

    document: Document
    position: str
    """Sorts newest first when descending, pending before all others."""


class DocumentStore(Protocol):
    """Run records, and the documents derived from them and from the ledgers, each project apart."""

    async def save_record(self, record: RunRecord, request_id: str, request_digest: str) -> bool:
        """Keeps the record with its documents; False where the same request was kept before.

        Raises AlreadyExists `REQUEST_ID_REUSED`.
        """

    async def records(self, project_id: str, run_ids: Collection[str] | None = None) -> list[RunRecord]:
        """Records of these runs, or of all, in order of submission."""

    async def replace(self, project_id: str, commit: str, documents: Sequence[Document]) -> None:
        """Makes these the project's documents, by difference."""

    async def clear(self, project_id: str) -> None:
        """Forgets the project's documents; its records stay."""

    async def state(self, project_id: str) -> ProjectState:
        """The project's state; an empty one where it is not known."""

    async def documents(self, project_id: str, trusts: Collection[Trust]) -> list[Document]:
        """The project's documents, newest first."""

    async def entries(self, project_id: str, entry_ids: Collection[str]) -> list[Document]:
        """The ledger entries with these ids."""

    async def page(
        self, project_id: str, file_types: Collection[str], before: str, limit: int
    ) -> list[ListedDocument]:
        """Documents of these types, newest first, from below the position `before` (empty: the start)."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change to the ledgers that is to be given to the repository's owner."""

    project_id: str
    base: str
    files: Mapping[str, bytes]
    message: str
    time: datetime
    """Of the commit, as author and committer."""
    request_id: str
    upload_token: str
    git_address: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the project itself."""

    path: str
    text: str


class Snapshot(Protocol):
    """The files of one commit; both methods block."""

    def read(self, path: str) -> str | None:
        """The file's text, None where there is no such file. Raises InvalidInput LEDGER_NOT_UTF8."""

    def sources(self) -> Iterator[SourceFile]:
        """Every file that is text of a size that a person would write, by path."""


class LedgerRepository(Protocol):
    """The projects' ledgers at any commit."""

    async def at(self, project_id: str, commit: str, git_address: str) -> Snapshot:
        """The files of the commit. Raises Unavailable where the repository cannot be reached."""

    async def propose(self, proposal: Proposal) -> str:
        """Makes one commit of the change, gives it to the owner, and returns its id."""
