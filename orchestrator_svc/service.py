"""The gRPC face of the orchestrator: each method converts, asks, and converts back."""

import base64
import binascii
from collections.abc import AsyncIterator
from typing import Any

from grpc.aio import ServicerContext

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import (
    OrchestratorServiceServicer as GeneratedServicer,
)
from autopack.errors import InvalidInput, Reason
from autopack.policy.convert import plan_from_proto
from autopack.rpc.errors import reasons_to_proto
from orchestrator_svc import convert
from orchestrator_svc.control import Control
from orchestrator_svc.ledgers import Ledgers
from orchestrator_svc.traces import Traces

Context = ServicerContext[Any, Any]
PAGE_SIZE = 50
CHUNK_BYTES = 512 * 1024


class OrchestratorServicer(GeneratedServicer):
    """OrchestratorService over `Control`."""

    def __init__(self, control: Control, ledgers: Ledgers, traces: Traces) -> None:
        self._control = control
        self._ledgers = ledgers
        self._traces = traces

    async def PlanRun(self, request: messages.PlanRunRequest, context: Context) -> messages.PlanRunResponse:
        prepared = await self._control.prepare(plan_from_proto(request.plan), request.repository)
        return convert.prepared_to_proto(prepared)

    async def SubmitRun(
        self, request: messages.SubmitRunRequest, context: Context
    ) -> messages.SubmitRunResponse:
        run, notices = await self._control.submit(request)
        return messages.SubmitRunResponse(run=convert.run_to_proto(run), notices=reasons_to_proto(notices))

    async def GetRun(self, request: messages.GetRunRequest, context: Context) -> messages.GetRunResponse:
        run = await self._control.rows.get(request.run_id, self._control.clock())
        return messages.GetRunResponse(run=convert.run_to_proto(run))

    async def ListRuns(
        self, request: messages.ListRunsRequest, context: Context
    ) -> messages.ListRunsResponse:
        size = request.page_size or PAGE_SIZE
        before = _read_token(request.page_token)
        runs = await self._control.rows.page(size + 1, before, self._control.clock())
        more = len(runs) > size
        return messages.ListRunsResponse(
            runs=[convert.run_to_proto(run) for run in runs[:size]],
            next_page_token=_token(runs[size - 1].submit_time, runs[size - 1].run_id) if more else "",
        )

    async def WatchRun(
        self, request: messages.WatchRunRequest, context: Context
    ) -> AsyncIterator[messages.WatchRunResponse]:
        async for event in self._control.watch(request.run_id, request.after_sequence):
            yield messages.WatchRunResponse(event=convert.event_to_proto(event))

    async def ApprovePhase(
        self, request: messages.ApprovePhaseRequest, context: Context
    ) -> messages.ApprovePhaseResponse:
        run = await self._control.approve(
            request.request_id, request.run_id, request.phase_id, request.approval
        )
        return messages.ApprovePhaseResponse(run=convert.run_to_proto(run))

    async def RejectPhase(
        self, request: messages.RejectPhaseRequest, context: Context
    ) -> messages.RejectPhaseResponse:
        run = await self._control.reject(request.request_id, request.run_id, request.phase_id, request.why)
        return messages.RejectPhaseResponse(run=convert.run_to_proto(run))

    async def CancelRun(
        self, request: messages.CancelRunRequest, context: Context
    ) -> messages.CancelRunResponse:
        run = await self._control.cancel(request.request_id, request.run_id)
        return messages.CancelRunResponse(run=convert.run_to_proto(run))

    async def ResumeRun(
        self, request: messages.ResumeRunRequest, context: Context
    ) -> messages.ResumeRunResponse:
        run = await self._control.resume(request.run_id)
        return messages.ResumeRunResponse(run=convert.run_to_proto(run))

    async def DiffPhase(
        self, request: messages.DiffPhaseRequest, context: Context
    ) -> AsyncIterator[messages.DiffPhaseResponse]:
        diff = await self._control.diff(request.run_id, request.phase_id)
        for start in range(0, len(diff), CHUNK_BYTES):
            yield messages.DiffPhaseResponse(chunk=diff[start : start + CHUNK_BYTES])

    async def ImportRevisions(
        self, request: messages.ImportRevisionsRequest, context: Context
    ) -> messages.ImportRevisionsResponse:
        project, commits = await self._control.bring(request.repository, request.revisions)
        return messages.ImportRevisionsResponse(
            project_id=project.project_id, commits=commits, git_address=self._control.drivers.git_address
        )

    async def TidyProject(
        self, request: messages.TidyProjectRequest, context: Context
    ) -> messages.TidyProjectResponse:
        return await self._ledgers.tidy(request)

    async def GetTrace(
        self, request: messages.GetTraceRequest, context: Context
    ) -> AsyncIterator[messages.GetTraceResponse]:
        for span in await self._traces.of_run(request.run_id):
            yield messages.GetTraceResponse(span=span)


def _token(submit_time: float, run_id: str) -> str:
    return base64.urlsafe_b64encode(f"{submit_time!r} {run_id}".encode()).decode()


def _read_token(token: str) -> tuple[float, str] | None:
    if not token:
        return None
    try:
        submit_time, _, run_id = base64.urlsafe_b64decode(token.encode()).decode().partition(" ")
        return float(submit_time), run_id
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(
            Reason("PAGE_TOKEN_INVALID", "The page token is not one of ours.", "Start from the first page.")
        ) from error
