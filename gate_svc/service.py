"""The gate's gRPC face."""

from collections.abc import Callable

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack import __version__
from autopack.api.gate.v1.gate_service_pb2 import (
    AttestChangeRequest,
    AttestChangeResponse,
    AttestRunRequest,
    AttestRunResponse,
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
from autopack.attestation.predicates import RUN
from autopack.database.operations import Operations
from autopack.errors import AutopackError
from autopack.signing.document import parse
from autopack.signing.statement import to_payload
from gate_svc import convert
from gate_svc.domain.attestation import statements
from gate_svc.domain.record import record_of
from gate_svc.judging import Judging
from gate_svc.sandboxes import Sandboxes
from gate_svc.signing.process import Signer

Context = ServicerContext[Message, Message]


class GateServiceServicer(GeneratedServicer):
    """Starts judgements and tells how they ended."""

    def __init__(
        self,
        operations: Operations,
        judging: Judging,
        sandboxes: Sandboxes,
        signer: Signer,
        clock: Callable[[], float],
    ) -> None:
        self._operations = operations
        self._judging = judging
        self._sandboxes = sandboxes
        self._signer = signer
        self._clock = clock

    async def StartGate(self, request: StartGateRequest, context: Context) -> StartGateResponse:
        identity = convert.identity(request)
        result = await self._operations.start(request.request_id, identity, lambda: self._judge(request))
        if result is None:
            result = await self._operations.soon(request.request_id, request.wait_seconds)
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

    async def AttestChange(self, request: AttestChangeRequest, context: Context) -> AttestChangeResponse:
        judgement = Judgement.FromString(await self._operations.wait(request.judgement_id))
        record = parse(judgement.record, "the judgement's record")
        envelopes = await self._signer.sign(statements(record, convert.landing_from_proto(request)))
        return AttestChangeResponse(bundle=b"".join(each.to_json() + b"\n" for each in envelopes))

    async def AttestRun(self, request: AttestRunRequest, context: Context) -> AttestRunResponse:
        predicate = parse(request.predicate, f"what is said of {request.run_id}")
        subject = [(f"run {request.run_id}", "gitCommit", request.head)]
        (envelope,) = await self._signer.sign([to_payload(subject, RUN, predicate)])
        return AttestRunResponse(envelope=envelope.to_json())

    async def _judge(self, message: StartGateRequest) -> bytes:
        """The whole judgement; a fault of the machine ends it without a verdict."""
        self._signer.warm()
        started = self._clock()
        try:
            request = convert.request_from_proto(message)
            verdict = await self._judging.judge(request)
            enforced = await self._sandboxes.enforced() if verdict.sandbox_tier else ()
            record = record_of(
                request, verdict, enforced, self._judging.machine, __version__, started, self._clock()
            )
            judgement = convert.succeeded(message.request_id, verdict, record)
        except AutopackError as error:
            judgement = convert.failed(message.request_id, error.reasons)
        return judgement.SerializeToString(deterministic=True)
