"""The gate's gRPC face."""

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack.api.gate.v1.gate_service_pb2 import (
    CancelGateRequest,
    CancelGateResponse,
    GetCapabilitiesRequest,
    GetCapabilitiesResponse,
    StartGateRequest,
    StartGateResponse,
    WaitGateRequest,
    WaitGateResponse,
)
from autopack.api.gate.v1.gate_service_pb2_grpc import GateServiceServicer as GeneratedServicer
from autopack.api.gate.v1.verdict_pb2 import Judgement
from autopack.database.operations import Operations
from autopack.errors import AutopackError
from gate_svc import convert
from gate_svc.judging import Judging
from gate_svc.sandboxes import Sandboxes

Context = ServicerContext[Message, Message]


class GateServiceServicer(GeneratedServicer):
    """Starts judgements and tells how they ended."""

    def __init__(self, operations: Operations, judging: Judging, sandboxes: Sandboxes) -> None:
        self._operations = operations
        self._judging = judging
        self._sandboxes = sandboxes

    async def StartGate(self, request: StartGateRequest, context: Context) -> StartGateResponse:
        data = request.SerializeToString(deterministic=True)
        result = await self._operations.start(request.request_id, data, lambda: self._judge(request))
        if result is None:
            return StartGateResponse(judgement=convert.running(request.request_id))
        return StartGateResponse(judgement=Judgement.FromString(result))

    async def WaitGate(self, request: WaitGateRequest, context: Context) -> WaitGateResponse:
        result = await self._operations.wait(request.request_id)
        return WaitGateResponse(judgement=Judgement.FromString(result))

    async def CancelGate(self, request: CancelGateRequest, context: Context) -> CancelGateResponse:
        cancelled = convert.cancelled(request.request_id).SerializeToString(deterministic=True)
        result = await self._operations.cancel(request.request_id, lambda: cancelled)
        return CancelGateResponse(judgement=Judgement.FromString(result))

    async def GetCapabilities(
        self, request: GetCapabilitiesRequest, context: Context
    ) -> GetCapabilitiesResponse:
        return convert.capabilities_to_proto(await self._sandboxes.capabilities())

    async def _judge(self, request: StartGateRequest) -> bytes:
        """The whole judgement; a fault of the machine ends it without a verdict."""
        try:
            verdict = await self._judging.judge(convert.request_from_proto(request))
            judgement = convert.succeeded(request.request_id, verdict)
        except AutopackError as error:
            judgement = convert.failed(request.request_id, error.reasons)
        return judgement.SerializeToString(deterministic=True)
