"""What the service does: keeps records, brings documents and index up to the ledgers, and recalls."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

from autopack.ledger.entry import Kind
from autopack.ledger.files import parse_files
from memory_svc.domain.documents import (
    FILE_TYPES,
    TRUSTED,
    Document,
    Passage,
    Trust,
    documents_of_ledgers,
    documents_of_run,
)
from memory_svc.domain.index import Embedder, Point, VectorIndex
from memory_svc.domain.recall import Hit, fuse, lift_successors, missing_successors, select
from memory_svc.domain.records import RunRecord
from memory_svc.domain.redact import redact_record
from memory_svc.domain.settings import MemorySettings
from memory_svc.domain.signature import by_signature
from memory_svc.domain.source_code import passages_of_code
from memory_svc.domain.store import DocumentStore, LedgerRepository, ListedDocument, Snapshot
from memory_svc.domain.tidy import recorded_runs

CANDIDATES = 100
"""Passages taken from each ranking."""
EMBEDDED_OF_QUERY = 500
"""Characters of a query that are embedded: what is asked stands first, and time grows with length. Its words
all count for BM25."""
EMBEDDED_AT_ONCE = 128
"""Passages between two writes to the index, each of which waits for the disk."""
EMBEDDED_IN_RECALL = 64
"""Pending passages that one recall embeds at most, newest first; the next one goes on."""

PENDING = frozenset(Trust) - TRUSTED


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an indexing did to the passages of ledger entries."""

    chunks: int
    added: int
    removed: int

    def __add__(self, other: "Indexed") -> "Indexed":
        return Indexed(self.chunks + other.chunks, self.added + other.added, self.removed + other.removed)


@dataclass(frozen=True, slots=True)
class Recalled:
    """An answer, with the commit whose ledgers it knows."""

    hits: tuple[Hit, ...]
    commit: str = ""


class Memory:
    """Records and documents are the store's; the index is derived from them and may be lost at any time."""

    def __init__(
        self,
        store: DocumentStore,
        index: VectorIndex,
        embedder: Embedder,
        repository: LedgerRepository,
        settings: MemorySettings,
    ) -> None:
        self._store = store
        self._index = index
        self._embedder = embedder
        self._repository = repository
        self._settings = settings
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._pending_indexed: dict[str, int] = {}
        """Version of each project whose pending passages are all in the index."""

    async def record(self, record: RunRecord, request_id: str, request_digest: str) -> None:
        """Keeps what happened in a run, without its secrets. Raises AlreadyExists `REQUEST_ID_REUSED`."""
        redacted = await asyncio.to_thread(redact_record, record)
        await self._store.save_record(redacted, request_id, request_digest)

    async def index(
        self, project_id: str, commit: str, git_address: str, rebuild: bool, include_code: bool
    ) -> Indexed:
        """Brings documents and index up to the ledgers at the commit, then to its code where that is wanted.

        Raises InvalidInput with the reasons why a ledger cannot be read.
        """
        snapshot = await self._repository.at(project_id, commit, git_address)
        records = await self._store.records(project_id)

        def derive() -> list[Document]:
            ledgers = {kind: parse_files(kind, snapshot.read) for kind in Kind}
            tidied = recorded_runs(ledgers)
            documents = [*documents_of_ledgers(ledgers)]
            for record in records:
                documents += documents_of_run(record, record.run_id in tidied)
            return documents

        documents = await asyncio.to_thread(derive)
        async with self._lock(project_id):
            if rebuild:
                await self._store.clear(project_id)
                await self._index.drop(project_id)
            await self._store.replace(project_id, commit, documents)
            if not self._settings.indexing:
                return Indexed(0, 0, 0)
            # Pending passages wait for someone to ask for them: most runs are tidied before that.
            await self._bring_up_pending(project_id, most=0)
            trusted = [document for document in documents if document.trust in TRUSTED]
            indexed = await self._bring_up(project_id, TRUSTED, trusted)
            if include_code:
                indexed += await self._bring_up_code(project_id, snapshot)
            await self._index.optimize(project_id)
            return indexed

    async def recall(
        self,
        project_id: str,
        query: str,
        top_k: int,
        max_chars: int,
        include_pending: bool,
        include_code: bool,
    ) -> Recalled:
        """Finds what is known, best first; 0 for a limit is the setting's. Where there is nothing to find, no
        model is loaded and no index opened."""
        state = await self._store.state(project_id)
        trusts = frozenset(Trust) if include_pending else TRUSTED
        if not self._settings.retrieval or not (trusts & state.trusts or include_code):
            return Recalled(())
        if include_pending and self._settings.indexing:
            await self._index_pending(project_id, state.version)
        if not await self._index.count(project_id, trusts, include_code):
            return Recalled((), state.commit)
        (vector,) = await self._embedder.embed([query[:EMBEDDED_OF_QUERY]])
        near, lexical = await self._index.search(project_id, vector, query, trusts, CANDIDATES, include_code)
        # A failure that was understood once counts as if a third ranking knew it.
        known = by_signature(query, dict.fromkeys((*lexical, *near)), lambda one: one.text)
        hits = fuse((near, lexical, known))
        missing = missing_successors(hits)
        found = await self._first_passages(project_id, missing) if missing else {}
        hits = lift_successors(hits, found)
        chosen = select(hits, top_k or self._settings.top_k, max_chars or self._settings.max_chars)
        return Recalled(chosen, state.commit)

    async def list_entries(
        self, project_id: str, kind: Kind | None, before: str, limit: int
    ) -> list[ListedDocument]:
        """Ledger entries, newest first, pending ones before all others."""
        file_types = [FILE_TYPES[kind]] if kind else list(FILE_TYPES.values())
        return await self._store.page(project_id, file_types, before, limit)

    def _lock(self, project_id: str) -> asyncio.Lock:
        return self._locks.setdefault(project_id, asyncio.Lock())

    async def _index_pending(self, project_id: str, version: int) -> None:
        lock = self._lock(project_id)
        # An indexing may take minutes: what it has not come to yet is not waited for.
        if lock.locked() or self._pending_indexed.get(project_id) == version:
            return
        async with lock:
            indexed = await self._bring_up_pending(project_id, EMBEDDED_IN_RECALL)
        if indexed.added < EMBEDDED_IN_RECALL:
            self._pending_indexed[project_id] = version

    async def _bring_up_pending(self, project_id: str, most: int) -> Indexed:
        """Embeds at most so many passages, newest first."""
        return await self._bring_up(
            project_id, PENDING, await self._store.documents(project_id, PENDING), most
        )

    async def _bring_up(
        self,
        project_id: str,
        trusts: Collection[Trust],
        documents: Sequence[Document],
        most: int | None = None,
    ) -> Indexed:
        """Makes the index hold what the documents say, which are all of these trusts."""
        limit = self._settings.chunk_max_chars
        wanted = await asyncio.to_thread(
            lambda: [passage for document in documents for passage in document.passages(limit)]
        )
        return await self._make_hold(project_id, wanted, await self._index.ids(project_id, trusts), most)

    async def _bring_up_code(self, project_id: str, snapshot: Snapshot) -> Indexed:
        limit = self._settings.chunk_max_chars
        wanted = await asyncio.to_thread(lambda: list(passages_of_code(snapshot.sources(), limit)))
        present = await self._index.ids(project_id, TRUSTED, code=True)
        return await self._make_hold(project_id, wanted, present, None)

    async def _make_hold(
        self, project_id: str, passages: Sequence[Passage], present: frozenset[str], most: int | None
    ) -> Indexed:
        """Replaces what is present by the passages, by difference."""
        wanted = await asyncio.to_thread(lambda: {passage.passage_id: passage for passage in passages})
        gone = present - wanted.keys()
        if gone:
            await self._index.remove(project_id, gone)
        missing = [passage for passage_id, passage in wanted.items() if passage_id not in present][:most]
        writing: asyncio.Task[None] | None = None
        try:
            for start in range(0, len(missing), EMBEDDED_AT_ONCE):
                points = await self._points(missing[start : start + EMBEDDED_AT_ONCE])
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._index.upsert(project_id, points))
        finally:
            if writing is not None:
                await writing
        return Indexed(len(present) - len(gone) + len(missing), len(missing), len(gone))

    async def _points(self, passages: Sequence[Passage]) -> list[Point]:
        vectors = await self._embedder.embed([passage.text for passage in passages])
        return [Point(passage, vector) for passage, vector in zip(passages, vectors, strict=True)]

    async def _first_passages(self, project_id: str, entry_ids: Collection[str]) -> dict[str, Passage]:
        documents = await self._store.entries(project_id, entry_ids)
        limit = self._settings.chunk_max_chars
        return {document.entry_id: document.passages(limit)[0] for document in documents}
