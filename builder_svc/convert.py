"""Between the contract's messages and the domain; nowhere else does the builder know messages."""

from collections.abc import Iterable
from dataclasses import replace

from autopack.api.builder.v1 import build_pb2
from autopack.api.builder.v1.builder_service_pb2 import StartBuildRequest
from autopack.errors import Reason
from autopack.policy.convert import phase_from_proto
from autopack.rpc.errors import reasons_from_proto, reasons_to_proto
from autopack.text import head, neutralise
from builder_svc.domain.builder import Allowance, Delivery, RecalledText, Record, Task
from builder_svc.domain.building import Outcome

MAXIMUM_REASONS = 100
MAXIMUM_TEXT = 8192
"""Characters of a message or fix: the contract takes no more when a reason comes back as feedback."""
MAXIMUM_PATH = 4096


def task_from_proto(request: StartBuildRequest) -> Task:
    """Raises InvalidInput PHASE_INVALID with every reason."""
    return Task(
        request_id=request.request_id,
        project_id=request.project_id,
        base=request.base,
        policy_commit=request.policy_commit,
        phase=phase_from_proto(request.phase),
        attempt=request.attempt,
        feedback=reasons_from_proto(request.feedback),
        recalled=tuple(
            RecalledText(passage.text, passage.source, passage.entry_id, passage.trust)
            for passage in request.recalled
        ),
        allowance=Allowance(request.budget.seconds, request.budget.tokens, request.budget.usd or None),
        delivery=delivery_from_proto(request),
    )


def delivery_from_proto(request: StartBuildRequest) -> Delivery:
    return Delivery(request.git_address, request.upload_token)


def identity(request: StartBuildRequest) -> bytes:
    """What makes it the same request, without what a caller that was restarted may say differently."""
    same = StartBuildRequest()
    same.CopyFrom(request)
    for field in ("budget", "recalled", "upload_token", "git_address", "wait_seconds"):
        same.ClearField(field)
    return same.SerializeToString(deterministic=True)


def running_to_proto(request_id: str) -> build_pb2.Build:
    return build_pb2.Build(request_id=request_id, state=build_pb2.BUILD_STATE_RUNNING)


def cancelled_to_proto(request_id: str, record: Record) -> build_pb2.Build:
    message = _build(request_id, build_pb2.BUILD_STATE_CANCELLED, record)
    message.reasons.extend(reasons_to_proto([Reason("BUILD_CANCELLED", "the build was cancelled", "")]))
    return message


def ended_to_proto(request_id: str, outcome: Outcome, record: Record) -> build_pb2.Build:
    state = build_pb2.BUILD_STATE_SUCCEEDED if outcome.commit else build_pb2.BUILD_STATE_FAILED
    message = _build(request_id, state, record)
    message.commit = outcome.commit
    message.exchange_digest = outcome.exchange_digest
    message.reasons.extend(reasons_to_proto(_shortened(outcome.reasons)))
    return message


def _build(request_id: str, state: build_pb2.BuildState, record: Record) -> build_pb2.Build:
    usage = build_pb2.Usage(
        seconds=record.seconds,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        usd=record.usd,
    )
    return build_pb2.Build(request_id=request_id, state=state, usage=usage, builder_kind=record.kind)


def _shortened(reasons: Iterable[Reason]) -> list[Reason]:
    """Reasons fit to show and to be sent back."""
    return [
        replace(
            reason,
            message=head(neutralise(reason.message), MAXIMUM_TEXT),
            fix=head(neutralise(reason.fix), MAXIMUM_TEXT),
            path=head(neutralise(reason.path), MAXIMUM_PATH),
        )
        for reason in list(reasons)[:MAXIMUM_REASONS]
    ]
