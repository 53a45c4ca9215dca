from autopack.api.reason.v1 import reason_pb2 as _reason_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BuildState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUILD_STATE_UNSPECIFIED: _ClassVar[BuildState]
    BUILD_STATE_RUNNING: _ClassVar[BuildState]
    BUILD_STATE_SUCCEEDED: _ClassVar[BuildState]
    BUILD_STATE_FAILED: _ClassVar[BuildState]
    BUILD_STATE_CANCELLED: _ClassVar[BuildState]
BUILD_STATE_UNSPECIFIED: BuildState
BUILD_STATE_RUNNING: BuildState
BUILD_STATE_SUCCEEDED: BuildState
BUILD_STATE_FAILED: BuildState
BUILD_STATE_CANCELLED: BuildState

class Build(_message.Message):
    __slots__ = ("request_id", "state", "commit", "reasons", "usage", "builder_kind", "exchange_digest")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    BUILDER_KIND_FIELD_NUMBER: _ClassVar[int]
    EXCHANGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    state: BuildState
    commit: str
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    usage: Usage
    builder_kind: str
    exchange_digest: str
    def __init__(self, request_id: _Optional[str] = ..., state: _Optional[_Union[BuildState, str]] = ..., commit: _Optional[str] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., builder_kind: _Optional[str] = ..., exchange_digest: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("seconds", "input_tokens", "output_tokens", "usd")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    USD_FIELD_NUMBER: _ClassVar[int]
    seconds: float
    input_tokens: int
    output_tokens: int
    usd: float
    def __init__(self, seconds: _Optional[float] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ..., usd: _Optional[float] = ...) -> None: ...

class RecalledText(_message.Message):
    __slots__ = ("text", "source", "entry_id", "trust")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    TRUST_FIELD_NUMBER: _ClassVar[int]
    text: str
    source: str
    entry_id: str
    trust: str
    def __init__(self, text: _Optional[str] = ..., source: _Optional[str] = ..., entry_id: _Optional[str] = ..., trust: _Optional[str] = ...) -> None: ...
