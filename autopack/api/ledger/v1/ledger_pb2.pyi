import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LedgerKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEDGER_KIND_UNSPECIFIED: _ClassVar[LedgerKind]
    LEDGER_KIND_BUILD_HISTORY: _ClassVar[LedgerKind]
    LEDGER_KIND_DEBUG_LOG: _ClassVar[LedgerKind]
    LEDGER_KIND_ARCHITECTURE_DECISIONS: _ClassVar[LedgerKind]
LEDGER_KIND_UNSPECIFIED: LedgerKind
LEDGER_KIND_BUILD_HISTORY: LedgerKind
LEDGER_KIND_DEBUG_LOG: LedgerKind
LEDGER_KIND_ARCHITECTURE_DECISIONS: LedgerKind

class Entry(_message.Message):
    __slots__ = ("entry_id", "kind", "create_time", "title", "fields", "digest", "previous_digest")
    ENTRY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    entry_id: str
    kind: LedgerKind
    create_time: _timestamp_pb2.Timestamp
    title: str
    fields: _containers.RepeatedCompositeFieldContainer[Field]
    digest: str
    previous_digest: str
    def __init__(self, entry_id: _Optional[str] = ..., kind: _Optional[_Union[LedgerKind, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., title: _Optional[str] = ..., fields: _Optional[_Iterable[_Union[Field, _Mapping]]] = ..., digest: _Optional[str] = ..., previous_digest: _Optional[str] = ...) -> None: ...

class Field(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
