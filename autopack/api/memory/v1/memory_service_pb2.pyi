import datetime

from autopack.api.ledger.v1 import ledger_pb2 as _ledger_pb2
from autopack.api.memory.v1 import memory_pb2 as _memory_pb2
from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordRunRequest(_message.Message):
    __slots__ = ("request_id", "record")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    record: _memory_pb2.RunRecord
    def __init__(self, request_id: _Optional[str] = ..., record: _Optional[_Union[_memory_pb2.RunRecord, _Mapping]] = ...) -> None: ...

class RecordRunResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StartTidyRequest(_message.Message):
    __slots__ = ("request_id", "project_id", "base", "run_ids", "upload_token", "git_address", "time")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    base: str
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    upload_token: str
    git_address: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., base: _Optional[str] = ..., run_ids: _Optional[_Iterable[str]] = ..., upload_token: _Optional[str] = ..., git_address: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StartTidyResponse(_message.Message):
    __slots__ = ("tidy",)
    TIDY_FIELD_NUMBER: _ClassVar[int]
    tidy: _memory_pb2.Tidy
    def __init__(self, tidy: _Optional[_Union[_memory_pb2.Tidy, _Mapping]] = ...) -> None: ...

class WaitTidyRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class WaitTidyResponse(_message.Message):
    __slots__ = ("tidy",)
    TIDY_FIELD_NUMBER: _ClassVar[int]
    tidy: _memory_pb2.Tidy
    def __init__(self, tidy: _Optional[_Union[_memory_pb2.Tidy, _Mapping]] = ...) -> None: ...

class StartIndexRequest(_message.Message):
    __slots__ = ("request_id", "project_id", "commit", "rebuild", "git_address", "include_code")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    REBUILD_FIELD_NUMBER: _ClassVar[int]
    GIT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CODE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    project_id: str
    commit: str
    rebuild: bool
    git_address: str
    include_code: bool
    def __init__(self, request_id: _Optional[str] = ..., project_id: _Optional[str] = ..., commit: _Optional[str] = ..., rebuild: _Optional[bool] = ..., git_address: _Optional[str] = ..., include_code: _Optional[bool] = ...) -> None: ...

class StartIndexResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: _memory_pb2.Index
    def __init__(self, index: _Optional[_Union[_memory_pb2.Index, _Mapping]] = ...) -> None: ...

class WaitIndexRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class WaitIndexResponse(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: _memory_pb2.Index
    def __init__(self, index: _Optional[_Union[_memory_pb2.Index, _Mapping]] = ...) -> None: ...

class RecallRequest(_message.Message):
    __slots__ = ("project_id", "query", "top_k", "max_chars", "include_pending", "include_code")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    MAX_CHARS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PENDING_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CODE_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    query: str
    top_k: int
    max_chars: int
    include_pending: bool
    include_code: bool
    def __init__(self, project_id: _Optional[str] = ..., query: _Optional[str] = ..., top_k: _Optional[int] = ..., max_chars: _Optional[int] = ..., include_pending: _Optional[bool] = ..., include_code: _Optional[bool] = ...) -> None: ...

class RecallResponse(_message.Message):
    __slots__ = ("hits",)
    HITS_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[_memory_pb2.Hit]
    def __init__(self, hits: _Optional[_Iterable[_Union[_memory_pb2.Hit, _Mapping]]] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("project_id", "kind", "page_size", "page_token")
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    project_id: str
    kind: _ledger_pb2.LedgerKind
    page_size: int
    page_token: str
    def __init__(self, project_id: _Optional[str] = ..., kind: _Optional[_Union[_ledger_pb2.LedgerKind, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[_ledger_pb2.Entry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[_ledger_pb2.Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
