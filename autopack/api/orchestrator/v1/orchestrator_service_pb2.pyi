import datetime

from autopack.api.gate.v1 import verdict_pb2 as _verdict_pb2
from autopack.api.ledger.v1 import ledger_pb2 as _ledger_pb2
from autopack.api.orchestrator.v1 import run_pb2 as _run_pb2
from autopack.api.plan.v1 import plan_pb2 as _plan_pb2
from autopack.api.reason.v1 import reason_pb2 as _reason_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanRunRequest(_message.Message):
    __slots__ = ("plan", "repository")
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    plan: _plan_pb2.Plan
    repository: _run_pb2.Repository
    def __init__(self, plan: _Optional[_Union[_plan_pb2.Plan, _Mapping]] = ..., repository: _Optional[_Union[_run_pb2.Repository, _Mapping]] = ...) -> None: ...

class PlanRunResponse(_message.Message):
    __slots__ = ("base", "order", "checks", "notices", "policy_digest")
    BASE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    base: str
    order: _containers.RepeatedScalarFieldContainer[str]
    checks: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Check]
    notices: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    policy_digest: str
    def __init__(self, base: _Optional[str] = ..., order: _Optional[_Iterable[str]] = ..., checks: _Optional[_Iterable[_Union[_plan_pb2.Check, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., policy_digest: _Optional[str] = ...) -> None: ...

class SubmitRunRequest(_message.Message):
    __slots__ = ("request_id", "plan", "repository", "run_id", "replay")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    plan: _plan_pb2.Plan
    repository: _run_pb2.Repository
    run_id: str
    replay: Replay
    def __init__(self, request_id: _Optional[str] = ..., plan: _Optional[_Union[_plan_pb2.Plan, _Mapping]] = ..., repository: _Optional[_Union[_run_pb2.Repository, _Mapping]] = ..., run_id: _Optional[str] = ..., replay: _Optional[_Union[Replay, _Mapping]] = ...) -> None: ...

class Replay(_message.Message):
    __slots__ = ("submit_time", "builds")
    SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    BUILDS_FIELD_NUMBER: _ClassVar[int]
    submit_time: _timestamp_pb2.Timestamp
    builds: _containers.RepeatedCompositeFieldContainer[RecordedBuild]
    def __init__(self, submit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., builds: _Optional[_Iterable[_Union[RecordedBuild, _Mapping]]] = ...) -> None: ...

class RecordedBuild(_message.Message):
    __slots__ = ("phase_id", "number", "change", "builder_kind", "exchange_digest", "reasons")
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    BUILDER_KIND_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    phase_id: str
    number: int
    change: str
    builder_kind: str
    exchange_digest: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, phase_id: _Optional[str] = ..., number: _Optional[int] = ..., change: _Optional[str] = ..., builder_kind: _Optional[str] = ..., exchange_digest: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class SubmitRunResponse(_message.Message):
    __slots__ = ("run", "notices")
    RUN_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    notices: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ..., notices: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class GetRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_run_pb2.Run]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[_run_pb2.Run, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchRunRequest(_message.Message):
    __slots__ = ("run_id", "after_sequence")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    after_sequence: int
    def __init__(self, run_id: _Optional[str] = ..., after_sequence: _Optional[int] = ...) -> None: ...

class WatchRunResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: _run_pb2.Event
    def __init__(self, event: _Optional[_Union[_run_pb2.Event, _Mapping]] = ...) -> None: ...

class ApprovePhaseRequest(_message.Message):
    __slots__ = ("request_id", "run_id", "phase_id", "approval")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    run_id: str
    phase_id: str
    approval: _verdict_pb2.Approval
    def __init__(self, request_id: _Optional[str] = ..., run_id: _Optional[str] = ..., phase_id: _Optional[str] = ..., approval: _Optional[_Union[_verdict_pb2.Approval, _Mapping]] = ...) -> None: ...

class ApprovePhaseResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class RejectPhaseRequest(_message.Message):
    __slots__ = ("request_id", "run_id", "phase_id", "why")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    run_id: str
    phase_id: str
    why: str
    def __init__(self, request_id: _Optional[str] = ..., run_id: _Optional[str] = ..., phase_id: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class RejectPhaseResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class CancelRunRequest(_message.Message):
    __slots__ = ("request_id", "run_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    run_id: str
    def __init__(self, request_id: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class CancelRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class ResumeRunRequest(_message.Message):
    __slots__ = ("request_id", "run_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    run_id: str
    def __init__(self, request_id: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class ResumeRunResponse(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.Run
    def __init__(self, run: _Optional[_Union[_run_pb2.Run, _Mapping]] = ...) -> None: ...

class DiffPhaseRequest(_message.Message):
    __slots__ = ("run_id", "phase_id")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    phase_id: str
    def __init__(self, run_id: _Optional[str] = ..., phase_id: _Optional[str] = ...) -> None: ...

class DiffPhaseResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class ImportRevisionsRequest(_message.Message):
    __slots__ = ("request_id", "repository", "revisions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    repository: _run_pb2.Repository
    revisions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., repository: _Optional[_Union[_run_pb2.Repository, _Mapping]] = ..., revisions: _Optional[_Iterable[str]] = ...) -> None: ...

class ImportRevisionsResponse(_message.Message):
    __slots__ = ("project_id", "commits", "git_address")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    COMMITS_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    commits: _containers.RepeatedScalarFieldContainer[str]
    git_address: str
    def __init__(self, project_id: _Optional[str] = ..., commits: _Optional[_Iterable[str]] = ..., git_address: _Optional[str] = ...) -> None: ...

class TidyProjectRequest(_message.Message):
    __slots__ = ("request_id", "repository", "branch", "execute")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    BRANCH_FIELD_NUMBER: _ClassVar[int]
    EXECUTE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    repository: _run_pb2.Repository
    branch: str
    execute: bool
    def __init__(self, request_id: _Optional[str] = ..., repository: _Optional[_Union[_run_pb2.Repository, _Mapping]] = ..., branch: _Optional[str] = ..., execute: _Optional[bool] = ...) -> None: ...

class TidyProjectResponse(_message.Message):
    __slots__ = ("entries", "diff", "run_id")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    DIFF_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Entry]
    diff: str
    run_id: str
    def __init__(self, entries: _Optional[_Iterable[_Union[_ledger_pb2.Entry, _Mapping]]] = ..., diff: _Optional[str] = ..., run_id: _Optional[str] = ...) -> None: ...

class GetTraceRequest(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class GetTraceResponse(_message.Message):
    __slots__ = ("span",)
    SPAN_FIELD_NUMBER: _ClassVar[int]
    span: _run_pb2.Span
    def __init__(self, span: _Optional[_Union[_run_pb2.Span, _Mapping]] = ...) -> None: ...
