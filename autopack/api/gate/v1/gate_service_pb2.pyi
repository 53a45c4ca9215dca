from autopack.api.gate.v1 import verdict_pb2 as _verdict_pb2
from autopack.api.plan.v1 import plan_pb2 as _plan_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AttestChangeRequest(_message.Message):
    __slots__ = ("judgement_id", "commit", "parent", "run_id", "phase_id", "attempt", "slot", "plan_digest", "run_base", "builder_kind", "exchange_digest", "change")
    JUDGEMENT_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RUN_BASE_FIELD_NUMBER: _ClassVar[int]
    BUILDER_KIND_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    judgement_id: str
    commit: bytes
    parent: bytes
    run_id: str
    phase_id: str
    attempt: int
    slot: int
    plan_digest: str
    run_base: str
    builder_kind: str
    exchange_digest: str
    change: str
    def __init__(self, judgement_id: _Optional[str] = ..., commit: _Optional[bytes] = ..., parent: _Optional[bytes] = ..., run_id: _Optional[str] = ..., phase_id: _Optional[str] = ..., attempt: _Optional[int] = ..., slot: _Optional[int] = ..., plan_digest: _Optional[str] = ..., run_base: _Optional[str] = ..., builder_kind: _Optional[str] = ..., exchange_digest: _Optional[str] = ..., change: _Optional[str] = ...) -> None: ...

class AttestChangeResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: bytes
    def __init__(self, bundle: _Optional[bytes] = ...) -> None: ...

class AttestRunRequest(_message.Message):
    __slots__ = ("run_id", "head", "predicate")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    head: str
    predicate: bytes
    def __init__(self, run_id: _Optional[str] = ..., head: _Optional[str] = ..., predicate: _Optional[bytes] = ...) -> None: ...

class AttestRunResponse(_message.Message):
    __slots__ = ("envelope",)
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class StartGateRequest(_message.Message):
    __slots__ = ("request_id", "project_id", "base", "head", "policy_commit", "scope", "audit_request_id", "approvals", "git_address", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    POLICY_COMMIT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    AUDIT_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    base: str
    head: str
    policy_commit: str
    scope: GateScope
    audit_request_id: str
    approvals: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.Approval]
    git_address: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., base: _Optional[str] = ..., head: _Optional[str] = ..., policy_commit: _Optional[str] = ..., scope: _Optional[_Union[GateScope, _Mapping]] = ..., audit_request_id: _Optional[str] = ..., approvals: _Optional[_Iterable[_Union[_verdict_pb2.Approval, _Mapping]]] = ..., git_address: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class GateScope(_message.Message):
    __slots__ = ("paths", "category", "checks")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    category: str
    checks: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Check]
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., category: _Optional[str] = ..., checks: _Optional[_Iterable[_Union[_plan_pb2.Check, _Mapping]]] = ...) -> None: ...

class StartGateResponse(_message.Message):
    __slots__ = ("judgement",)
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    judgement: _verdict_pb2.Judgement
    def __init__(self, judgement: _Optional[_Union[_verdict_pb2.Judgement, _Mapping]] = ...) -> None: ...

class WaitGateRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class WaitGateResponse(_message.Message):
    __slots__ = ("judgement",)
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    judgement: _verdict_pb2.Judgement
    def __init__(self, judgement: _Optional[_Union[_verdict_pb2.Judgement, _Mapping]] = ...) -> None: ...

class CancelGateRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class CancelGateResponse(_message.Message):
    __slots__ = ("judgement",)
    JUDGEMENT_FIELD_NUMBER: _ClassVar[int]
    judgement: _verdict_pb2.Judgement
    def __init__(self, judgement: _Optional[_Union[_verdict_pb2.Judgement, _Mapping]] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCapabilitiesResponse(_message.Message):
    __slots__ = ("tiers", "capabilities")
    TIERS_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    tiers: _containers.RepeatedScalarFieldContainer[str]
    capabilities: _containers.RepeatedCompositeFieldContainer[Capability]
    def __init__(self, tiers: _Optional[_Iterable[str]] = ..., capabilities: _Optional[_Iterable[_Union[Capability, _Mapping]]] = ...) -> None: ...

class Capability(_message.Message):
    __slots__ = ("name", "available", "detail", "fix")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    FIX_FIELD_NUMBER: _ClassVar[int]
    name: str
    available: bool
    detail: str
    fix: str
    def __init__(self, name: _Optional[str] = ..., available: _Optional[bool] = ..., detail: _Optional[str] = ..., fix: _Optional[str] = ...) -> None: ...
