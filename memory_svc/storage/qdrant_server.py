"""The vector index on a Qdrant server, over gRPC: one collection for each project and model."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from autopack.errors import Reason, Unavailable
from memory_svc.domain.documents import CODE, Passage, Trust
from memory_svc.domain.index import Point
from memory_svc.storage.bm25 import encoder
from memory_svc.storage.payload import DENSE, KIND, LEXICAL, TRUST, collection_name, to_passage, to_payload

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient
    from qdrant_client.models import Filter

SECONDS = 10
"""For one request."""
PAGE = 10_000
"""Ids read at once."""


class QdrantIndex:
    """The VectorIndex of production; its client, which takes a second and 90 MB, waits for first use."""

    def __init__(self, connect: "Callable[[], AsyncQdrantClient]", model: str) -> None:
        self._connect = connect
        self._model = model
        self._client: AsyncQdrantClient | None = None
        self._connecting = asyncio.Lock()

    async def ids(self, project_id: str, trusts: Collection[Trust], code: bool = False) -> frozenset[str]:
        found: set[str] = set()
        offset: Any = None
        filter_ = _filter(trusts, code)
        async with self._requests() as client:
            name = self._name(project_id)
            if not await client.collection_exists(name):
                return frozenset()
            while True:
                page, offset = await client.scroll(
                    name, scroll_filter=filter_, limit=PAGE, offset=offset, with_payload=False
                )
                found.update(str(record.id) for record in page)
                if offset is None:
                    return frozenset(found)

    async def count(self, project_id: str, trusts: Collection[Trust], code: bool = True) -> int:
        async with self._requests() as client:
            name = self._name(project_id)
            if not await client.collection_exists(name):
                return 0
            filter_ = _filter(trusts, None if code else False)
            return (await client.count(name, count_filter=filter_, exact=True)).count

    async def upsert(self, project_id: str, points: Sequence[Point]) -> None:
        if not points:
            return
        from qdrant_client import models

        def made() -> list[models.PointStruct]:
            return [
                models.PointStruct(
                    id=point.passage.passage_id,
                    vector={DENSE: list(point.vector), LEXICAL: _document_weights(point.passage.text)},
                    payload=to_payload(point.passage),
                )
                for point in points
            ]

        async with self._requests() as client:
            await self._ensure(client, project_id, len(points[0].vector))
            await client.upsert(self._name(project_id), await asyncio.to_thread(made), wait=True)

    async def remove(self, project_id: str, ids: Collection[str]) -> None:
        if not ids:
            return
        from qdrant_client import models

        async with self._requests() as client:
            name = self._name(project_id)
            if await client.collection_exists(name):
                await client.delete(name, models.PointIdsList(points=sorted(ids)), wait=True)

    async def search(
        self,
        project_id: str,
        vector: Sequence[float],
        text: str,
        trusts: Collection[Trust],
        limit: int,
        code: bool = True,
    ) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
        from qdrant_client import models

        weights = encoder().embed_query(text)
        filter_ = _filter(trusts, None if code else False)
        queries: list[tuple[str, Any]] = [
            (DENSE, list(vector)),
            (LEXICAL, models.SparseVector(indices=weights.indices, values=weights.values)),
        ]
        async with self._requests() as client:
            name = self._name(project_id)
            if not await client.collection_exists(name):
                return (), ()
            near, lexical = await client.query_batch_points(
                name,
                [
                    models.QueryRequest(
                        query=query, using=using, filter=filter_, limit=limit, with_payload=True
                    )
                    for using, query in queries
                ],
            )
        return tuple(to_passage(found.payload) for found in near.points), tuple(
            to_passage(found.payload) for found in lexical.points
        )

    async def optimize(self, project_id: str) -> None:
        """The server does so by itself."""

    async def drop(self, project_id: str) -> None:
        async with self._requests() as client:
            await client.delete_collection(self._name(project_id))

    async def ping(self) -> None:
        async with self._requests() as client:
            await client.get_collections()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _name(self, project_id: str) -> str:
        return collection_name(project_id, self._model)

    async def _ensure(self, client: "AsyncQdrantClient", project_id: str, size: int) -> None:
        from qdrant_client import models

        name = self._name(project_id)
        if await client.collection_exists(name):
            return
        await client.create_collection(
            name,
            vectors_config={DENSE: models.VectorParams(size=size, distance=models.Distance.COSINE)},
            sparse_vectors_config={LEXICAL: models.SparseVectorParams(modifier=models.Modifier.IDF)},
        )
        for field in (TRUST, KIND):
            await client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD, wait=True)

    @asynccontextmanager
    async def _requests(self) -> "AsyncIterator[AsyncQdrantClient]":
        """The client; what the server refuses, and what does not reach it, becomes Unavailable."""
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
        from grpc.aio import AioRpcError
        from qdrant_client.http.exceptions import ApiException

        try:
            yield self._client
        except (AioRpcError, ApiException, OSError) as error:
            raise Unavailable(
                Reason("INDEX_UNAVAILABLE", str(error)[:500], "check that the Qdrant server can be reached")
            ) from error


def connect(url: str, api_key: str) -> "AsyncQdrantClient":
    """A client that speaks gRPC to the server at a URL such as https://qdrant:6334. Blocks."""
    from urllib.parse import urlsplit

    from qdrant_client import AsyncQdrantClient

    address = urlsplit(url)
    return AsyncQdrantClient(
        host=address.hostname,
        grpc_port=address.port or 6334,
        https=address.scheme == "https",
        api_key=api_key or None,
        prefer_grpc=True,
        timeout=SECONDS,
        check_compatibility=False,
    )


def _document_weights(text: str) -> Any:
    from qdrant_client import models

    weights = encoder().embed_document(text)
    return models.SparseVector(indices=weights.indices, values=weights.values)


def _filter(trusts: Collection[Trust], code: bool | None) -> "Filter":
    """Passages of these trusts; only those that are code, or are not; None for both."""
    from qdrant_client import models

    values = sorted(trust.value for trust in trusts)
    trusted = models.FieldCondition(key=TRUST, match=models.MatchAny(any=values))
    is_code = models.FieldCondition(key=KIND, match=models.MatchValue(value=CODE))
    if code is None:
        return models.Filter(must=[trusted])
    if code:
        return models.Filter(must=[trusted, is_code])
    return models.Filter(must=[trusted], must_not=[is_code])
