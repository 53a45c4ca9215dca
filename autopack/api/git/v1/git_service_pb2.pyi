from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetPackRequest(_message.Message):
    __slots__ = ("project_id", "wants", "haves")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    WANTS_FIELD_NUMBER: _ClassVar[int]
    HAVES_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    wants: _containers.RepeatedScalarFieldContainer[str]
    haves: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, project_id: _Optional[str] = ..., wants: _Optional[_Iterable[str]] = ..., haves: _Optional[_Iterable[str]] = ...) -> None: ...

class GetPackResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...

class PutPackRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: PutPackHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[PutPackHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class PutPackHeader(_message.Message):
    __slots__ = ("request_id", "project_id", "commit", "upload_token")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_TOKEN_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    commit: str
    upload_token: str
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., commit: _Optional[str] = ..., upload_token: _Optional[str] = ...) -> None: ...

class PutPackResponse(_message.Message):
    __slots__ = ("objects",)
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    objects: int
    def __init__(self, objects: _Optional[int] = ...) -> None: ...
