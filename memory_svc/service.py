"""The gRPC face of memory."""

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack.api.memory.v1.memory_pb2 import WORK_STATE_RUNNING, Index, Tidy
from autopack.api.memory.v1.memory_service_pb2 import (
    ListEntriesRequest,
    ListEntriesResponse,
    RecallRequest,
    RecallResponse,
    RecordRunRequest,
    RecordRunResponse,
    StartIndexRequest,
    StartIndexResponse,
    StartTidyRequest,
    StartTidyResponse,
    WaitIndexRequest,
    WaitIndexResponse,
    WaitTidyRequest,
    WaitTidyResponse,
)
from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceServicer as GeneratedServicer
from autopack.database.operations import Operations
from autopack.errors import FailedPrecondition, InvalidInput, NotFound
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from memory_svc import convert
from memory_svc.domain.memory import Memory
from memory_svc.domain.tidying import Tidying

Context = ServicerContext[Message, Message]

REFUSALS = (InvalidInput, NotFound, FailedPrecondition)
"""What a second try with the same request would end in too; anything else is not kept as the answer."""


class MemoryServicer(GeneratedServicer):
    """Translates; what memory is, `Memory` and `Tidying` know."""

    def __init__(self, memory: Memory, tidying: Tidying, tidies: Operations, indexings: Operations) -> None:
        self._memory = memory
        self._tidying = tidying
        self._tidies = tidies
        self._indexings = indexings

    async def RecordRun(self, request: RecordRunRequest, context: Context) -> RecordRunResponse:
        record = convert.record_from_proto(request.record)
        await self._memory.record(record, request.request_id, convert.record_digest(request.record))
        return RecordRunResponse()

    async def StartTidy(self, request: StartTidyRequest, context: Context) -> StartTidyResponse:
        identity = convert.tidy_identity(request)
        result = await self._tidies.start(request.request_id, identity, lambda: self._tidy(request))
        if result is None:
            return StartTidyResponse(tidy=Tidy(request_id=request.request_id, state=WORK_STATE_RUNNING))
        return StartTidyResponse(tidy=Tidy.FromString(result))

    async def WaitTidy(self, request: WaitTidyRequest, context: Context) -> WaitTidyResponse:
        return WaitTidyResponse(tidy=Tidy.FromString(await self._tidies.wait(request.request_id)))

    async def StartIndex(self, request: StartIndexRequest, context: Context) -> StartIndexResponse:
        identity = convert.index_identity(request)
        result = await self._indexings.start(request.request_id, identity, lambda: self._index(request))
        if result is None:
            return StartIndexResponse(index=Index(request_id=request.request_id, state=WORK_STATE_RUNNING))
        return StartIndexResponse(index=Index.FromString(result))

    async def WaitIndex(self, request: WaitIndexRequest, context: Context) -> WaitIndexResponse:
        return WaitIndexResponse(index=Index.FromString(await self._indexings.wait(request.request_id)))

    async def Recall(self, request: RecallRequest, context: Context) -> RecallResponse:
        with span(names.RECALL_SPAN, {names.PROJECT_ID: request.project_id}) as current:
            recalled = await self._memory.recall(
                request.project_id,
                request.query,
                request.top_k,
                request.max_chars,
                request.include_pending,
                request.include_code,
            )
            current.set_attribute(names.HITS, len(recalled.hits))
            return convert.recalled_to_proto(recalled)

    async def ListEntries(self, request: ListEntriesRequest, context: Context) -> ListEntriesResponse:
        before = convert.position_from_token(request)
        kind, limit = convert.kind_from_proto(request.kind), convert.page_size(request)
        page = await self._memory.list_entries(request.project_id, kind, before, limit)
        return convert.page_to_proto(request, page)

    async def _tidy(self, request: StartTidyRequest) -> bytes:
        attributes = {names.PROJECT_ID: request.project_id, names.BASE: request.base}
        with span(names.TIDY_SPAN, attributes) as current:
            try:
                tidied = await self._tidying.tidy(convert.order_from_proto(request))
                current.set_attribute(names.ENTRIES, len(tidied.entries))
                tidy = convert.tidied_to_proto(request.request_id, tidied)
            except REFUSALS as error:
                current.set_attribute(names.REASON, error.reasons[0].code)
                tidy = convert.failed_tidy(request.request_id, error.reasons)
        return tidy.SerializeToString(deterministic=True)

    async def _index(self, request: StartIndexRequest) -> bytes:
        attributes = {names.PROJECT_ID: request.project_id, names.COMMIT: request.commit}
        with span(names.INDEX_SPAN, attributes) as current:
            try:
                indexed = await self._memory.index(
                    request.project_id,
                    request.commit,
                    request.git_address,
                    request.rebuild,
                    request.include_code,
                )
                current.set_attribute(names.CHUNKS, indexed.chunks)
                index = convert.indexed_to_proto(request.request_id, indexed)
            except REFUSALS as error:
                current.set_attribute(names.REASON, error.reasons[0].code)
                index = convert.failed_index(request.request_id, error.reasons)
        return index.SerializeToString(deterministic=True)
