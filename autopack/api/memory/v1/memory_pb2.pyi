import datetime

from autopack.api.ledger.v1 import ledger_pb2 as _ledger_pb2
from autopack.api.plan.v1 import plan_pb2 as _plan_pb2
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

class WorkState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORK_STATE_UNSPECIFIED: _ClassVar[WorkState]
    WORK_STATE_RUNNING: _ClassVar[WorkState]
    WORK_STATE_SUCCEEDED: _ClassVar[WorkState]
    WORK_STATE_FAILED: _ClassVar[WorkState]
WORK_STATE_UNSPECIFIED: WorkState
WORK_STATE_RUNNING: WorkState
WORK_STATE_SUCCEEDED: WorkState
WORK_STATE_FAILED: WorkState

class RunRecord(_message.Message):
    __slots__ = ("run_id", "project_id", "plan_name", "state", "base", "head", "submit_time", "phases", "tree")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    PHASES_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    project_id: str
    plan_name: str
    state: str
    base: str
    head: str
    submit_time: _timestamp_pb2.Timestamp
    phases: _containers.RepeatedCompositeFieldContainer[PhaseRecord]
    tree: str
    def __init__(self, run_id: _Optional[str] = ..., project_id: _Optional[str] = ..., plan_name: _Optional[str] = ..., state: _Optional[str] = ..., base: _Optional[str] = ..., head: _Optional[str] = ..., submit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., phases: _Optional[_Iterable[_Union[PhaseRecord, _Mapping]]] = ..., tree: _Optional[str] = ...) -> None: ...

class PhaseRecord(_message.Message):
    __slots__ = ("phase_id", "goal", "category", "state", "commit", "decision_digest", "paths", "checks", "attempts", "decision")
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    DECISION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PATHS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    phase_id: str
    goal: str
    category: str
    state: str
    commit: str
    decision_digest: str
    paths: _containers.RepeatedScalarFieldContainer[str]
    checks: _containers.RepeatedScalarFieldContainer[str]
    attempts: _containers.RepeatedCompositeFieldContainer[AttemptRecord]
    decision: _plan_pb2.PhaseDecision
    def __init__(self, phase_id: _Optional[str] = ..., goal: _Optional[str] = ..., category: _Optional[str] = ..., state: _Optional[str] = ..., commit: _Optional[str] = ..., decision_digest: _Optional[str] = ..., paths: _Optional[_Iterable[str]] = ..., checks: _Optional[_Iterable[str]] = ..., attempts: _Optional[_Iterable[_Union[AttemptRecord, _Mapping]]] = ..., decision: _Optional[_Union[_plan_pb2.PhaseDecision, _Mapping]] = ...) -> None: ...

class AttemptRecord(_message.Message):
    __slots__ = ("number", "state", "reasons")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    number: int
    state: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, number: _Optional[int] = ..., state: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Tidy(_message.Message):
    __slots__ = ("request_id", "state", "commit", "entries", "reasons")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    state: WorkState
    commit: str
    entries: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Entry]
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, request_id: _Optional[str] = ..., state: _Optional[_Union[WorkState, str]] = ..., commit: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[_ledger_pb2.Entry, _Mapping]]] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Index(_message.Message):
    __slots__ = ("request_id", "state", "chunks", "added", "removed", "reasons")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    state: WorkState
    chunks: int
    added: int
    removed: int
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    def __init__(self, request_id: _Optional[str] = ..., state: _Optional[_Union[WorkState, str]] = ..., chunks: _Optional[int] = ..., added: _Optional[int] = ..., removed: _Optional[int] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("score", "text", "source", "entry_id", "trust", "commit", "create_time")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    score: float
    text: str
    source: str
    entry_id: str
    trust: str
    commit: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, score: _Optional[float] = ..., text: _Optional[str] = ..., source: _Optional[str] = ..., entry_id: _Optional[str] = ..., trust: _Optional[str] = ..., commit: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
