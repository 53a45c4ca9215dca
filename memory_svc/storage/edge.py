"""The vector index in this process: one qdrant-edge shard for each project and model."""

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import qdrant_edge as edge

from autopack.errors import Reason, Unavailable
from memory_svc.domain.documents import CODE, Passage, Trust
from memory_svc.domain.index import Point
from memory_svc.storage.bm25 import encoder
from memory_svc.storage.payload import DENSE, KIND, LEXICAL, TRUST, collection_name, to_passage, to_payload

T = TypeVar("T")

SEARCH_THREADS = 2
EXACT_UP_TO = 20_000
"""Passages without a graph."""


class EdgeIndex:
    """The VectorIndex of the all-in-one; nothing is opened before there is something to find.

    There is no write-ahead log (every write is flushed, and the index is derived) and nothing is kept in
    memory that can be read from disk: opening costs 25 MB instead of 88. An exact scan of 20,000 passages
    takes 5 ms; beyond that a child process builds the graph, since the engine holds the interpreter's lock
    for as long as it does (a minute for 100,000).
    """

    def __init__(self, directory: Path, model: str) -> None:
        self._directory = directory
        self._model = model
        self._shards: dict[str, edge.EdgeShard] = {}
        self._counts: dict[str, dict[tuple[frozenset[Trust], bool], int]] = {}
        """Of each shard since it was last written to, by trusts and whether code counts."""
        self._opening = threading.Lock()
        self._lock_file: int | None = None

    async def ids(self, project_id: str, trusts: Collection[Trust], code: bool = False) -> frozenset[str]:
        def work() -> frozenset[str]:
            if (shard := self._existing(project_id)) is None:
                return frozenset()
            most = shard.count(edge.CountRequest(exact=True))
            request = edge.ScrollRequest(limit=max(most, 1), filter=_filter(trusts, code), with_payload=False)
            return frozenset(str(record.id) for record in shard.scroll(request)[0])

        return await self._run(work)

    async def count(self, project_id: str, trusts: Collection[Trust], code: bool = True) -> int:
        def work() -> int:
            shard = self._existing(project_id)
            return 0 if shard is None else self._count(shard, project_id, trusts, code)

        return await self._run(work)

    def _count(
        self, shard: edge.EdgeShard, project_id: str, trusts: Collection[Trust], code: bool = True
    ) -> int:
        """Counts once after each write: among many passages that takes longer than a search."""
        counts = self._counts.setdefault(self._name(project_id), {})
        what = (frozenset(trusts), code)
        if (known := counts.get(what)) is None:
            filter_ = _filter(trusts, None if code else False)
            known = counts[what] = shard.count(edge.CountRequest(exact=True, filter=filter_))
        return known

    async def upsert(self, project_id: str, points: Sequence[Point]) -> None:
        def work() -> None:
            if not points:
                return
            shard = self._existing(project_id) or self._create(project_id, len(points[0].vector))
            shard.update(
                edge.UpdateOperation.upsert_points(
                    [
                        edge.Point(
                            point.passage.passage_id,
                            {
                                DENSE: list(point.vector),
                                LEXICAL: encoder().embed_document(point.passage.text),
                            },
                            to_payload(point.passage),
                        )
                        for point in points
                    ]
                )
            )
            self._written(project_id, shard)

        await self._run(work)

    async def remove(self, project_id: str, ids: Collection[str]) -> None:
        def work() -> None:
            if ids and (shard := self._existing(project_id)) is not None:
                shard.update(edge.UpdateOperation.delete_points(sorted(ids)))
                self._written(project_id, shard)

        await self._run(work)

    def _written(self, project_id: str, shard: edge.EdgeShard) -> None:
        shard.flush()
        self._counts.pop(self._name(project_id), None)

    async def search(
        self,
        project_id: str,
        vector: Sequence[float],
        text: str,
        trusts: Collection[Trust],
        limit: int,
        code: bool = True,
    ) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
        def work() -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
            if (shard := self._existing(project_id)) is None:
                return (), ()

            # A search is a third faster without a filter that everything passes.
            every = self._count(shard, project_id, frozenset(Trust))
            narrows = self._count(shard, project_id, trusts, code) < every
            filter_ = _filter(trusts, None if code else False) if narrows else None

            def request(query: edge.Query) -> edge.QueryRequest:
                return edge.QueryRequest(limit=limit, query=query, filter=filter_, with_payload=True)

            meaning = edge.Query.Nearest(list(vector), using=DENSE)
            words = edge.Query.Nearest(encoder().embed_query(text), using=LEXICAL)
            batch = edge.QueryBatchRequest([request(meaning), request(words)])
            near, lexical = (
                [to_passage(found.payload) for found in ranking] for ranking in shard.query_batch(batch)
            )

            def asked(passage: Passage) -> bool:
                """Always, unless something was written since the passages were counted."""
                return passage.trust in trusts and (code or passage.kind != CODE)

            return tuple(filter(asked, near)), tuple(filter(asked, lexical))

        return await self._run(work)

    async def optimize(self, project_id: str) -> None:
        """Writes must wait until it returns; searches go on."""

        def work() -> None:
            shard = self._existing(project_id)
            if shard is None or _unindexed(shard) < EXACT_UP_TO:
                return
            path = self._directory / self._name(project_id)
            copy = path.with_suffix(".optimizing")
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(path, copy)
            command = [sys.executable, "-m", "memory_svc.storage.edge_optimize", str(copy)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
            if done.returncode:
                raise _unavailable(f"optimizing ended with {done.returncode}: {done.stderr[-300:]}")
            with self._opening:
                if self._shards.pop(path.name, None) is None:
                    return  # closed or dropped meanwhile
                shard.close()
                shutil.rmtree(path)
                copy.rename(path)
                self._shards[path.name] = edge.EdgeShard.load(str(path))

        await self._run(work)

    async def drop(self, project_id: str) -> None:
        def work() -> None:
            with self._opening:
                self._lock_directory()
                name = self._name(project_id)
                if (shard := self._shards.pop(name, None)) is not None:
                    shard.close()
                shutil.rmtree(self._directory / name, ignore_errors=True)
                self._counts.pop(name, None)

        await self._run(work)

    async def ping(self) -> None:
        def work() -> None:
            self._directory.mkdir(parents=True, exist_ok=True)
            if not os.access(self._directory, os.W_OK):
                raise _unavailable(f"{self._directory} cannot be written to")

        await self._run(work)

    async def close(self) -> None:
        def work() -> None:
            with self._opening:
                for shard in self._shards.values():
                    shard.close()
                self._shards.clear()
                if self._lock_file is not None:
                    os.close(self._lock_file)
                    self._lock_file = None

        await asyncio.to_thread(work)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except Unavailable:
            raise
        except Exception as error:  # the engine raises nothing narrower
            raise _unavailable(str(error)) from error

    def _name(self, project_id: str) -> str:
        return collection_name(project_id, self._model)

    def _existing(self, project_id: str) -> edge.EdgeShard | None:
        name = self._name(project_id)
        if (shard := self._shards.get(name)) is not None:
            return shard
        with self._opening:
            if name not in self._shards and (self._directory / name / "edge_config.json").exists():
                self._lock_directory()
                self._shards[name] = edge.EdgeShard.load(str(self._directory / name))
            return self._shards.get(name)

    def _create(self, project_id: str, size: int) -> edge.EdgeShard:
        with self._opening:
            self._lock_directory()
            name = self._name(project_id)
            # What a creation that was cut off has left has no configuration yet.
            shutil.rmtree(self._directory / name, ignore_errors=True)
            shard = edge.EdgeShard.create(
                str(self._directory / name),
                edge.EdgeConfig(
                    vectors={
                        DENSE: edge.EdgeVectorParams(
                            size=size, distance=edge.Distance.Cosine, memory=edge.Memory.Cold
                        )
                    },
                    sparse_vectors={
                        LEXICAL: edge.EdgeSparseVectorParams(
                            modifier=edge.Modifier.Idf, memory=edge.Memory.Cold
                        )
                    },
                    payload_memory=edge.Memory.Cold,
                    id_tracker_memory=edge.Memory.Cold,
                    max_search_threads=SEARCH_THREADS,
                    wal_enabled=False,
                ),
            )
            for field in (TRUST, KIND):
                shard.update(edge.UpdateOperation.create_field_index(field, edge.PayloadSchemaType.Keyword))
            self._shards[name] = shard
            return shard

    def _lock_directory(self) -> None:
        """Keeps other processes out: a shard has one, and without a log the engine does not see to it."""
        if self._lock_file is not None:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        file = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            raise _unavailable(f"another process has {self._directory} open") from error
        self._lock_file = file


def _filter(trusts: Collection[Trust], code: bool | None) -> edge.Filter:
    """Passages of these trusts; only those that are code, or are not; None for both."""
    values = sorted(trust.value for trust in trusts)
    trusted = edge.FieldCondition(TRUST, match=edge.MatchAny(values))
    is_code = edge.FieldCondition(KIND, match=edge.MatchValue(CODE))
    if code is None:
        return edge.Filter(must=[trusted])
    return edge.Filter(must=[trusted, is_code]) if code else edge.Filter(must=[trusted], must_not=[is_code])


def _unindexed(shard: edge.EdgeShard) -> int:
    info = shard.info()
    # Both vectors of a point are counted.
    return max(0, info.points_count - info.indexed_vectors_count // 2)


def _unavailable(message: str) -> Unavailable:
    return Unavailable(
        Reason(
            "INDEX_UNAVAILABLE",
            message,
            "stop what else uses it; if it is broken, autopack index --rebuild makes it anew",
        )
    )
