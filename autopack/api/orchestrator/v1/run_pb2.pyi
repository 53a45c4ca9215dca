import datetime

from autopack.api.builder.v1 import build_pb2 as _build_pb2
from autopack.api.gate.v1 import verdict_pb2 as _verdict_pb2
from autopack.api.reason.v1 import reason_pb2 as _reason_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RUN_STATE_UNSPECIFIED: _ClassVar[RunState]
    RUN_STATE_RUNNING: _ClassVar[RunState]
    RUN_STATE_WAITING_APPROVAL: _ClassVar[RunState]
    RUN_STATE_SUCCEEDED: _ClassVar[RunState]
    RUN_STATE_FAILED: _ClassVar[RunState]
    RUN_STATE_CANCELLED: _ClassVar[RunState]

class PhaseState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_STATE_UNSPECIFIED: _ClassVar[PhaseState]
    PHASE_STATE_QUEUED: _ClassVar[PhaseState]
    PHASE_STATE_BUILDING: _ClassVar[PhaseState]
    PHASE_STATE_AUDITING: _ClassVar[PhaseState]
    PHASE_STATE_GATING: _ClassVar[PhaseState]
    PHASE_STATE_WAITING_APPROVAL: _ClassVar[PhaseState]
    PHASE_STATE_LANDING: _ClassVar[PhaseState]
    PHASE_STATE_LANDED: _ClassVar[PhaseState]
    PHASE_STATE_FAILED: _ClassVar[PhaseState]
    PHASE_STATE_SKIPPED: _ClassVar[PhaseState]
    PHASE_STATE_CANCELLED: _ClassVar[PhaseState]

class AttemptState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATTEMPT_STATE_UNSPECIFIED: _ClassVar[AttemptState]
    ATTEMPT_STATE_BUILDING: _ClassVar[AttemptState]
    ATTEMPT_STATE_JUDGING: _ClassVar[AttemptState]
    ATTEMPT_STATE_ACCEPTED: _ClassVar[AttemptState]
    ATTEMPT_STATE_WAITING_APPROVAL: _ClassVar[AttemptState]
    ATTEMPT_STATE_REFUSED: _ClassVar[AttemptState]
    ATTEMPT_STATE_LANDED: _ClassVar[AttemptState]
    ATTEMPT_STATE_CANCELLED: _ClassVar[AttemptState]
RUN_STATE_UNSPECIFIED: RunState
RUN_STATE_RUNNING: RunState
RUN_STATE_WAITING_APPROVAL: RunState
RUN_STATE_SUCCEEDED: RunState
RUN_STATE_FAILED: RunState
RUN_STATE_CANCELLED: RunState
PHASE_STATE_UNSPECIFIED: PhaseState
PHASE_STATE_QUEUED: PhaseState
PHASE_STATE_BUILDING: PhaseState
PHASE_STATE_AUDITING: PhaseState
PHASE_STATE_GATING: PhaseState
PHASE_STATE_WAITING_APPROVAL: PhaseState
PHASE_STATE_LANDING: PhaseState
PHASE_STATE_LANDED: PhaseState
PHASE_STATE_FAILED: PhaseState
PHASE_STATE_SKIPPED: PhaseState
PHASE_STATE_CANCELLED: PhaseState
ATTEMPT_STATE_UNSPECIFIED: AttemptState
ATTEMPT_STATE_BUILDING: AttemptState
ATTEMPT_STATE_JUDGING: AttemptState
ATTEMPT_STATE_ACCEPTED: AttemptState
ATTEMPT_STATE_WAITING_APPROVAL: AttemptState
ATTEMPT_STATE_REFUSED: AttemptState
ATTEMPT_STATE_LANDED: AttemptState
ATTEMPT_STATE_CANCELLED: AttemptState

class Repository(_message.Message):
    __slots__ = ("path", "url", "credential")
    PATH_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    path: str
    url: str
    credential: str
    def __init__(self, path: _Optional[str] = ..., url: _Optional[str] = ..., credential: _Optional[str] = ...) -> None: ...

class Run(_message.Message):
    __slots__ = ("run_id", "project_id", "plan_name", "state", "base", "head", "trace_id", "submit_time", "end_time", "phases", "usage", "reasons", "plan_digest", "driven")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PHASES_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DRIVEN_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    project_id: str
    plan_name: str
    state: RunState
    base: str
    head: str
    trace_id: str
    submit_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    phases: _containers.RepeatedCompositeFieldContainer[Phase]
    usage: _build_pb2.Usage
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    plan_digest: str
    driven: bool
    def __init__(self, run_id: _Optional[str] = ..., project_id: _Optional[str] = ..., plan_name: _Optional[str] = ..., state: _Optional[_Union[RunState, str]] = ..., base: _Optional[str] = ..., head: _Optional[str] = ..., trace_id: _Optional[str] = ..., submit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., phases: _Optional[_Iterable[_Union[Phase, _Mapping]]] = ..., usage: _Optional[_Union[_build_pb2.Usage, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., plan_digest: _Optional[str] = ..., driven: _Optional[bool] = ...) -> None: ...

class Phase(_message.Message):
    __slots__ = ("phase_id", "state", "slot", "attempts", "commit", "verdict", "approval", "reasons")
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    phase_id: str
    state: PhaseState
    slot: int
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    commit: str
    verdict: _verdict_pb2.Verdict
    approval: PendingApproval
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, phase_id: _Optional[str] = ..., state: _Optional[_Union[PhaseState, str]] = ..., slot: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ..., commit: _Optional[str] = ..., verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ..., approval: _Optional[_Union[PendingApproval, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("number", "state", "change", "reasons", "usage")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    number: int
    state: AttemptState
    change: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    usage: _build_pb2.Usage
    def __init__(self, number: _Optional[int] = ..., state: _Optional[_Union[AttemptState, str]] = ..., change: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., usage: _Optional[_Union[_build_pb2.Usage, _Mapping]] = ...) -> None: ...

class PendingApproval(_message.Message):
    __slots__ = ("digest", "reasons")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    digest: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, digest: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("sequence", "create_time", "phase_id", "attempt", "state", "message", "reasons")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    create_time: _timestamp_pb2.Timestamp
    phase_id: str
    attempt: int
    state: str
    message: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, sequence: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., phase_id: _Optional[str] = ..., attempt: _Optional[int] = ..., state: _Optional[str] = ..., message: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Span(_message.Message):
    __slots__ = ("trace_id", "span_id", "parent_span_id", "name", "service", "start_time_unix_nano", "end_time_unix_nano", "attributes", "status", "kind")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    PARENT_SPAN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    END_TIME_UNIX_NANO_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    service: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: _containers.ScalarMap[str, str]
    status: str
    kind: str
    def __init__(self, trace_id: _Optional[str] = ..., span_id: _Optional[str] = ..., parent_span_id: _Optional[str] = ..., name: _Optional[str] = ..., service: _Optional[str] = ..., start_time_unix_nano: _Optional[int] = ..., end_time_unix_nano: _Optional[int] = ..., attributes: _Optional[_Mapping[str, str]] = ..., status: _Optional[str] = ..., kind: _Optional[str] = ...) -> None: ...
