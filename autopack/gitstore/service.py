"""GitService, the server's side: only the owner of the repositories runs it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack.api.git.v1.git_service_pb2 import (
    GetPackRequest,
    GetPackResponse,
    PutPackHeader,
    PutPackRequest,
    PutPackResponse,
)
from autopack.api.git.v1.git_service_pb2_grpc import GitServiceServicer as GeneratedServicer
from autopack.errors import InvalidInput, Reason
from autopack.gitstore.packs import PackReceiver, make_pack
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import in_chunks, receive

UPLOAD_LIMIT_BYTES = 100_000_000
"""Of one attempt's pack."""


class GitServiceServicer(GeneratedServicer):
    """Gives packs of the stores, and takes packs from whom `authorize` lets."""

    def __init__(
        self,
        stores: Callable[[str], GitStore],
        authorize: Callable[[PutPackHeader], Awaitable[None]],
        on_received: Callable[[PutPackHeader, GitStore], Awaitable[None]],
        limit_bytes: int = UPLOAD_LIMIT_BYTES,
    ) -> None:
        """`stores` gives a project's store or raises NotFound `PROJECT_NOT_FOUND`; `authorize` raises
        PermissionDenied `UPLOAD_REFUSED`; `on_received` runs when the objects are in the store."""
        self._stores = stores
        self._authorize = authorize
        self._on_received = on_received
        self._limit_bytes = limit_bytes

    async def GetPack(
        self, request: GetPackRequest, context: ServicerContext[Message, Message]
    ) -> AsyncIterator[GetPackResponse]:
        def prepare() -> Iterator[bytes]:
            return make_pack(self._stores(request.project_id), request.wants, request.haves)

        async for chunk in in_chunks(prepare):
            yield GetPackResponse(chunk=chunk)

    async def PutPack(
        self, request_iterator: AsyncIterator[PutPackRequest], context: ServicerContext[Message, Message]
    ) -> PutPackResponse:
        first = await anext(request_iterator, PutPackRequest())
        if not first.HasField("header"):
            raise InvalidInput(Reason("PACK_INVALID", "the first message has no header", "send it first"))
        header = first.header
        await self._authorize(header)
        store = await asyncio.to_thread(self._stores, header.project_id)
        with PackReceiver(store, self._limit_bytes) as receiver:
            async for request in request_iterator:
                if not request.HasField("chunk"):
                    raise InvalidInput(Reason("PACK_INVALID", "a second header", "send one pack a call"))
                await receive(receiver, request.chunk)
            objects = await asyncio.to_thread(receiver.finish, header.commit)
        await self._on_received(header, store)
        return PutPackResponse(objects=objects)
