from autopack.api.auditor.v1 import audit_pb2 as _audit_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartAuditRequest(_message.Message):
    __slots__ = ("request_id", "project_id", "base", "head", "policy_commit", "git_address", "category")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    POLICY_COMMIT_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    base: str
    head: str
    policy_commit: str
    git_address: str
    category: str
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., base: _Optional[str] = ..., head: _Optional[str] = ..., policy_commit: _Optional[str] = ..., git_address: _Optional[str] = ..., category: _Optional[str] = ...) -> None: ...

class StartAuditResponse(_message.Message):
    __slots__ = ("audit",)
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    audit: _audit_pb2.Audit
    def __init__(self, audit: _Optional[_Union[_audit_pb2.Audit, _Mapping]] = ...) -> None: ...

class WaitAuditRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class WaitAuditResponse(_message.Message):
    __slots__ = ("audit",)
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    audit: _audit_pb2.Audit
    def __init__(self, audit: _Optional[_Union[_audit_pb2.Audit, _Mapping]] = ...) -> None: ...

class CancelAuditRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class CancelAuditResponse(_message.Message):
    __slots__ = ("audit",)
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    audit: _audit_pb2.Audit
    def __init__(self, audit: _Optional[_Union[_audit_pb2.Audit, _Mapping]] = ...) -> None: ...

class GetSarifRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class GetSarifResponse(_message.Message):
    __slots__ = ("chunk",)
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    chunk: bytes
    def __init__(self, chunk: _Optional[bytes] = ...) -> None: ...
