"""The auditor's gRPC face."""

import hashlib
from collections.abc import AsyncIterator

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from auditor_svc import convert
from auditor_svc.auditing import Auditing
from auditor_svc.domain.recommendation import Outcome
from auditor_svc.storage.audits import AuditStore
from autopack.api.auditor.v1.audit_pb2 import Audit
from autopack.api.auditor.v1.auditor_service_pb2 import (
    CancelAuditRequest,
    CancelAuditResponse,
    GetSarifRequest,
    GetSarifResponse,
    StartAuditRequest,
    StartAuditResponse,
    WaitAuditRequest,
    WaitAuditResponse,
)
from autopack.api.auditor.v1.auditor_service_pb2_grpc import AuditorServiceServicer as GeneratedServicer
from autopack.database.operations import RUNNING, Operations
from autopack.errors import AutopackError, FailedPrecondition, NotFound, Reason

Context = ServicerContext[Message, Message]
CHUNK_BYTES = 512 * 1024


class AuditorServiceServicer(GeneratedServicer):
    """Starts audits and tells how they ended."""

    def __init__(self, operations: Operations, auditing: Auditing, store: AuditStore) -> None:
        self._operations = operations
        self._auditing = auditing
        self._store = store

    async def StartAudit(self, request: StartAuditRequest, context: Context) -> StartAuditResponse:
        identity = convert.identity(request)
        result = await self._operations.start(request.request_id, identity, lambda: self._audit(request))
        if result is None:
            return StartAuditResponse(audit=convert.running(request.request_id))
        return StartAuditResponse(audit=Audit.FromString(result))

    async def WaitAudit(self, request: WaitAuditRequest, context: Context) -> WaitAuditResponse:
        result = await self._operations.wait(request.request_id)
        return WaitAuditResponse(audit=Audit.FromString(result))

    async def CancelAudit(self, request: CancelAuditRequest, context: Context) -> CancelAuditResponse:
        cancelled = convert.cancelled(request.request_id).SerializeToString(deterministic=True)
        result = await self._operations.cancel(request.request_id, lambda: cancelled)
        return CancelAuditResponse(audit=Audit.FromString(result))

    async def GetSarif(self, request: GetSarifRequest, context: Context) -> AsyncIterator[GetSarifResponse]:
        document = await self._store.sarif(request.request_id)
        if document is None:
            raise await self._without_document(request.request_id)
        for start in range(0, len(document), CHUNK_BYTES):
            yield GetSarifResponse(chunk=document[start : start + CHUNK_BYTES])

    async def _audit(self, message: StartAuditRequest) -> bytes:
        """The whole audit; what keeps it from being made ends it as failed."""
        request = convert.request_from_proto(message)
        # A failure is this request's alone: the next one tries again.
        key = hashlib.sha256(f"request\0{request.request_id}".encode()).hexdigest()
        try:
            job = await self._auditing.prepare(request)
            known = await self._store.reuse(job.key, request.request_id)
            if known is not None:
                return convert.answering(known, request.request_id)
            result = await self._auditing.run(job)
            if result.outcome is not Outcome.NOT_REVIEWED:
                key = job.key
        except AutopackError as error:
            result = convert.not_reviewed(request, error.reasons)
        stored = convert.to_stored(result)
        await self._store.put(key, request.request_id, stored)
        return convert.answering(stored.audit, request.request_id)

    async def _without_document(self, request_id: str) -> AutopackError:
        state = await self._store.state(request_id)
        if state == RUNNING:
            return FailedPrecondition(
                Reason("OPERATION_RUNNING", f"audit {request_id!r} has not ended", "Wait for it first.")
            )
        return NotFound(
            Reason(
                "OPERATION_NOT_FOUND",
                f"no audit {request_id!r} has ended here with a document",
                "Start it (again).",
            )
        )
