"""The gRPC face of the builder."""

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack.api.builder.v1.build_pb2 import Build
from autopack.api.builder.v1.builder_service_pb2 import (
    CancelBuildRequest,
    CancelBuildResponse,
    StartBuildRequest,
    StartBuildResponse,
    WaitBuildRequest,
    WaitBuildResponse,
)
from autopack.api.builder.v1.builder_service_pb2_grpc import BuilderServiceServicer as GeneratedServicer
from autopack.database.operations import Operations
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from builder_svc import convert
from builder_svc.domain.builder import Record, Task
from builder_svc.domain.building import Building

Context = ServicerContext[Message, Message]


class BuilderServicer(GeneratedServicer):
    """Starts builds, waits for them, cancels them; what a build is, `Building` knows."""

    def __init__(self, building: Building, operations: Operations) -> None:
        self._building = building
        self._operations = operations
        self._running: dict[str, tuple[Task, Record]] = {}

    async def StartBuild(self, request: StartBuildRequest, context: Context) -> StartBuildResponse:
        task = convert.task_from_proto(request)
        result = await self._operations.start(
            task.request_id, convert.identity(request), lambda: self._build(task)
        )
        if task.request_id in self._running:
            running, _ = self._running[task.request_id]
            running.delivery.git_address = task.delivery.git_address
            running.delivery.upload_token = task.delivery.upload_token
        if result is None:
            result = await self._operations.soon(task.request_id, request.wait_seconds)
        if result is not None:
            return StartBuildResponse(build=Build.FromString(result))
        return StartBuildResponse(build=convert.running_to_proto(task.request_id))

    async def WaitBuild(self, request: WaitBuildRequest, context: Context) -> WaitBuildResponse:
        return WaitBuildResponse(build=Build.FromString(await self._operations.wait(request.request_id)))

    async def CancelBuild(self, request: CancelBuildRequest, context: Context) -> CancelBuildResponse:
        request_id = request.request_id
        _, record = self._running.get(request_id, (None, Record()))
        result = await self._operations.cancel(
            request_id, lambda: convert.cancelled_to_proto(request_id, record).SerializeToString()
        )
        return CancelBuildResponse(build=Build.FromString(result))

    async def _build(self, task: Task) -> bytes:
        record = Record()
        self._running[task.request_id] = (task, record)
        attributes: dict[str, str | int] = {
            names.REQUEST_ID: task.request_id,
            names.PROJECT_ID: task.project_id,
            names.PHASE_ID: task.phase.id,
            names.ATTEMPT: task.attempt,
        }
        try:
            with span(names.BUILD_SPAN, attributes) as current:
                outcome = await self._building.run(task, record)
                current.set_attribute(names.BUILDER_KIND, record.kind)
                current.set_attribute(names.STATE, "SUCCEEDED" if outcome.commit else "FAILED")
                if outcome.reasons:
                    current.set_attribute(names.REASON, outcome.reasons[0].code)
                return convert.ended_to_proto(task.request_id, outcome, record).SerializeToString()
        finally:
            del self._running[task.request_id]
