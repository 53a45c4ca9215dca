from autopack.api.reason.v1 import reason_pb2 as _reason_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_STATE_UNSPECIFIED: _ClassVar[AuditState]
    AUDIT_STATE_RUNNING: _ClassVar[AuditState]
    AUDIT_STATE_SUCCEEDED: _ClassVar[AuditState]
    AUDIT_STATE_FAILED: _ClassVar[AuditState]
    AUDIT_STATE_CANCELLED: _ClassVar[AuditState]

class Recommendation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECOMMENDATION_UNSPECIFIED: _ClassVar[Recommendation]
    RECOMMENDATION_APPROVE: _ClassVar[Recommendation]
    RECOMMENDATION_REVISE: _ClassVar[Recommendation]
    RECOMMENDATION_ESCALATE: _ClassVar[Recommendation]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_LOW: _ClassVar[Severity]
    SEVERITY_MEDIUM: _ClassVar[Severity]
    SEVERITY_HIGH: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]
AUDIT_STATE_UNSPECIFIED: AuditState
AUDIT_STATE_RUNNING: AuditState
AUDIT_STATE_SUCCEEDED: AuditState
AUDIT_STATE_FAILED: AuditState
AUDIT_STATE_CANCELLED: AuditState
RECOMMENDATION_UNSPECIFIED: Recommendation
RECOMMENDATION_APPROVE: Recommendation
RECOMMENDATION_REVISE: Recommendation
RECOMMENDATION_ESCALATE: Recommendation
SEVERITY_UNSPECIFIED: Severity
SEVERITY_LOW: Severity
SEVERITY_MEDIUM: Severity
SEVERITY_HIGH: Severity
SEVERITY_CRITICAL: Severity

class Audit(_message.Message):
    __slots__ = ("request_id", "state", "recommendation", "findings", "finding_count", "analyzers", "reasons", "findings_digest", "base", "head")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECOMMENDATION_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    FINDING_COUNT_FIELD_NUMBER: _ClassVar[int]
    ANALYZERS_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    state: AuditState
    recommendation: Recommendation
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    finding_count: int
    analyzers: _containers.RepeatedCompositeFieldContainer[AnalyzerRun]
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    findings_digest: str
    base: str
    head: str
    def __init__(self, request_id: _Optional[str] = ..., state: _Optional[_Union[AuditState, str]] = ..., recommendation: _Optional[_Union[Recommendation, str]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ..., finding_count: _Optional[int] = ..., analyzers: _Optional[_Iterable[_Union[AnalyzerRun, _Mapping]]] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., findings_digest: _Optional[str] = ..., base: _Optional[str] = ..., head: _Optional[str] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("analyzer", "rule_id", "severity", "message", "path", "line", "fingerprint", "cwe")
    ANALYZER_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    CWE_FIELD_NUMBER: _ClassVar[int]
    analyzer: str
    rule_id: str
    severity: Severity
    message: str
    path: str
    line: int
    fingerprint: str
    cwe: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, analyzer: _Optional[str] = ..., rule_id: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., message: _Optional[str] = ..., path: _Optional[str] = ..., line: _Optional[int] = ..., fingerprint: _Optional[str] = ..., cwe: _Optional[_Iterable[str]] = ...) -> None: ...

class AnalyzerRun(_message.Message):
    __slots__ = ("name", "version", "files", "seconds", "error")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    files: int
    seconds: float
    error: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., files: _Optional[int] = ..., seconds: _Optional[float] = ..., error: _Optional[str] = ...) -> None: ...
