from autopack.api.builder.v1 import build_pb2 as _build_pb2
from autopack.api.plan.v1 import plan_pb2 as _plan_pb2
from autopack.api.reason.v1 import reason_pb2 as _reason_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartBuildRequest(_message.Message):
    __slots__ = ("request_id", "project_id", "base", "policy_commit", "phase", "attempt", "feedback", "recalled", "budget", "upload_token", "git_address", "wait_seconds")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    POLICY_COMMIT_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    RECALLED_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    base: str
    policy_commit: str
    phase: _plan_pb2.Phase
    attempt: int
    feedback: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    recalled: _containers.RepeatedCompositeFieldContainer[_build_pb2.RecalledText]
    budget: _plan_pb2.Budget
    upload_token: str
    git_address: str
    wait_seconds: int
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., base: _Optional[str] = ..., policy_commit: _Optional[str] = ..., phase: _Optional[_Union[_plan_pb2.Phase, _Mapping]] = ..., attempt: _Optional[int] = ..., feedback: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., recalled: _Optional[_Iterable[_Union[_build_pb2.RecalledText, _Mapping]]] = ..., budget: _Optional[_Union[_plan_pb2.Budget, _Mapping]] = ..., upload_token: _Optional[str] = ..., git_address: _Optional[str] = ..., wait_seconds: _Optional[int] = ...) -> None: ...

class StartBuildResponse(_message.Message):
    __slots__ = ("build",)
    BUILD_FIELD_NUMBER: _ClassVar[int]
    build: _build_pb2.Build
    def __init__(self, build: _Optional[_Union[_build_pb2.Build, _Mapping]] = ...) -> None: ...

class WaitBuildRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class WaitBuildResponse(_message.Message):
    __slots__ = ("build",)
    BUILD_FIELD_NUMBER: _ClassVar[int]
    build: _build_pb2.Build
    def __init__(self, build: _Optional[_Union[_build_pb2.Build, _Mapping]] = ...) -> None: ...

class CancelBuildRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class CancelBuildResponse(_message.Message):
    __slots__ = ("build",)
    BUILD_FIELD_NUMBER: _ClassVar[int]
    build: _build_pb2.Build
    def __init__(self, build: _Optional[_Union[_build_pb2.Build, _Mapping]] = ...) -> None: ...
