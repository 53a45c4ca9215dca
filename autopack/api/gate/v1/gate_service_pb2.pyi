from autopack.api.gate.v1 import verdict_pb2 as _verdict_pb2
from autopack.api.plan.v1 import plan_pb2 as _plan_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartGateRequest(_message.Message):
    __slots__ = ("request_id", "project_id", "base", "head", "policy_commit", "scope", "audit_request_id", "approvals", "git_address")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    POLICY_COMMIT_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    AUDIT_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    base: str
    head: str
    policy_commit: str
    scope: GateScope
    audit_request_id: str
    approvals: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.Approval]
    git_address: str
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., base: _Optional[str] = ..., head: _Optional[str] = ..., policy_commit: _Optional[str] = ..., scope: _Optional[_Union[GateScope, _Mapping]] = ..., audit_request_id: _Optional[str] = ..., approvals: _Optional[_Iterable[_Union[_verdict_pb2.Approval, _Mapping]]] = ..., git_address: _Optional[str] = ...) -> None: ...

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
