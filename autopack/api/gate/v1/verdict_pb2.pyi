import datetime

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

class JudgementState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JUDGEMENT_STATE_UNSPECIFIED: _ClassVar[JudgementState]
    JUDGEMENT_STATE_RUNNING: _ClassVar[JudgementState]
    JUDGEMENT_STATE_SUCCEEDED: _ClassVar[JudgementState]
    JUDGEMENT_STATE_FAILED: _ClassVar[JudgementState]
    JUDGEMENT_STATE_CANCELLED: _ClassVar[JudgementState]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_ACCEPT: _ClassVar[Decision]
    DECISION_REJECT: _ClassVar[Decision]
    DECISION_NEEDS_APPROVAL: _ClassVar[Decision]

class Proof(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROOF_UNSPECIFIED: _ClassVar[Proof]
    PROOF_BLIND: _ClassVar[Proof]
    PROOF_COMPARED: _ClassVar[Proof]
    PROOF_SELF_REPORTED: _ClassVar[Proof]

class CheckOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECK_OUTCOME_UNSPECIFIED: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_PASSED: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_FAILED: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_OLD_FAILURES: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_TIMED_OUT: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_NO_EVIDENCE: _ClassVar[CheckOutcome]
    CHECK_OUTCOME_KILLED: _ClassVar[CheckOutcome]
JUDGEMENT_STATE_UNSPECIFIED: JudgementState
JUDGEMENT_STATE_RUNNING: JudgementState
JUDGEMENT_STATE_SUCCEEDED: JudgementState
JUDGEMENT_STATE_FAILED: JudgementState
JUDGEMENT_STATE_CANCELLED: JudgementState
DECISION_UNSPECIFIED: Decision
DECISION_ACCEPT: Decision
DECISION_REJECT: Decision
DECISION_NEEDS_APPROVAL: Decision
PROOF_UNSPECIFIED: Proof
PROOF_BLIND: Proof
PROOF_COMPARED: Proof
PROOF_SELF_REPORTED: Proof
CHECK_OUTCOME_UNSPECIFIED: CheckOutcome
CHECK_OUTCOME_PASSED: CheckOutcome
CHECK_OUTCOME_FAILED: CheckOutcome
CHECK_OUTCOME_OLD_FAILURES: CheckOutcome
CHECK_OUTCOME_TIMED_OUT: CheckOutcome
CHECK_OUTCOME_NO_EVIDENCE: CheckOutcome
CHECK_OUTCOME_KILLED: CheckOutcome

class Judgement(_message.Message):
    __slots__ = ("request_id", "state", "verdict", "reasons", "record")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    state: JudgementState
    verdict: Verdict
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    record: bytes
    def __init__(self, request_id: _Optional[str] = ..., state: _Optional[_Union[JudgementState, str]] = ..., verdict: _Optional[_Union[Verdict, _Mapping]] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., record: _Optional[bytes] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("decision", "reasons", "change_digest", "decision_digest", "tree", "base_tree", "policy_digest", "checks", "risk", "categories", "findings_digest", "sandbox_tier")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    CHANGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DECISION_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TREE_FIELD_NUMBER: _ClassVar[int]
    BASE_TREE_FIELD_NUMBER: _ClassVar[int]
    POLICY_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SANDBOX_TIER_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    reasons: _containers.RepeatedCompositeFieldContainer[_reason_pb2.Reason]
    change_digest: str
    decision_digest: str
    tree: str
    base_tree: str
    policy_digest: str
    checks: _containers.RepeatedCompositeFieldContainer[CheckResult]
    risk: Risk
    categories: _containers.RepeatedScalarFieldContainer[str]
    findings_digest: str
    sandbox_tier: str
    def __init__(self, decision: _Optional[_Union[Decision, str]] = ..., reasons: _Optional[_Iterable[_Union[_reason_pb2.Reason, _Mapping]]] = ..., change_digest: _Optional[str] = ..., decision_digest: _Optional[str] = ..., tree: _Optional[str] = ..., base_tree: _Optional[str] = ..., policy_digest: _Optional[str] = ..., checks: _Optional[_Iterable[_Union[CheckResult, _Mapping]]] = ..., risk: _Optional[_Union[Risk, _Mapping]] = ..., categories: _Optional[_Iterable[str]] = ..., findings_digest: _Optional[str] = ..., sandbox_tier: _Optional[str] = ...) -> None: ...

class CheckResult(_message.Message):
    __slots__ = ("name", "run", "outcome", "seconds", "cached", "exit_code", "reports", "tests", "new_failures", "old_failures", "vanished", "outcome_digest", "output_tail", "seen", "probe")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    CACHED_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    NEW_FAILURES_FIELD_NUMBER: _ClassVar[int]
    OLD_FAILURES_FIELD_NUMBER: _ClassVar[int]
    VANISHED_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_DIGEST_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TAIL_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    PROBE_FIELD_NUMBER: _ClassVar[int]
    name: str
    run: str
    outcome: CheckOutcome
    seconds: float
    cached: bool
    exit_code: int
    reports: str
    tests: TestCounts
    new_failures: _containers.RepeatedScalarFieldContainer[str]
    old_failures: _containers.RepeatedScalarFieldContainer[str]
    vanished: _containers.RepeatedScalarFieldContainer[str]
    outcome_digest: str
    output_tail: str
    seen: _containers.RepeatedCompositeFieldContainer[SeenTest]
    probe: Probe
    def __init__(self, name: _Optional[str] = ..., run: _Optional[str] = ..., outcome: _Optional[_Union[CheckOutcome, str]] = ..., seconds: _Optional[float] = ..., cached: _Optional[bool] = ..., exit_code: _Optional[int] = ..., reports: _Optional[str] = ..., tests: _Optional[_Union[TestCounts, _Mapping]] = ..., new_failures: _Optional[_Iterable[str]] = ..., old_failures: _Optional[_Iterable[str]] = ..., vanished: _Optional[_Iterable[str]] = ..., outcome_digest: _Optional[str] = ..., output_tail: _Optional[str] = ..., seen: _Optional[_Iterable[_Union[SeenTest, _Mapping]]] = ..., probe: _Optional[_Union[Probe, _Mapping]] = ...) -> None: ...

class SeenTest(_message.Message):
    __slots__ = ("name", "proof")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    name: str
    proof: Proof
    def __init__(self, name: _Optional[str] = ..., proof: _Optional[_Union[Proof, str]] = ...) -> None: ...

class Probe(_message.Message):
    __slots__ = ("seed", "possible", "killed", "survived", "not_reached", "not_tried", "survivors", "changed_lines", "reached_lines")
    SEED_FIELD_NUMBER: _ClassVar[int]
    POSSIBLE_FIELD_NUMBER: _ClassVar[int]
    KILLED_FIELD_NUMBER: _ClassVar[int]
    SURVIVED_FIELD_NUMBER: _ClassVar[int]
    NOT_REACHED_FIELD_NUMBER: _ClassVar[int]
    NOT_TRIED_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_LINES_FIELD_NUMBER: _ClassVar[int]
    REACHED_LINES_FIELD_NUMBER: _ClassVar[int]
    seed: str
    possible: int
    killed: int
    survived: int
    not_reached: int
    not_tried: int
    survivors: _containers.RepeatedScalarFieldContainer[str]
    changed_lines: int
    reached_lines: int
    def __init__(self, seed: _Optional[str] = ..., possible: _Optional[int] = ..., killed: _Optional[int] = ..., survived: _Optional[int] = ..., not_reached: _Optional[int] = ..., not_tried: _Optional[int] = ..., survivors: _Optional[_Iterable[str]] = ..., changed_lines: _Optional[int] = ..., reached_lines: _Optional[int] = ...) -> None: ...

class TestCounts(_message.Message):
    __slots__ = ("passed", "failed", "errors", "skipped", "blind", "compared", "self_reported")
    PASSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    BLIND_FIELD_NUMBER: _ClassVar[int]
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    SELF_REPORTED_FIELD_NUMBER: _ClassVar[int]
    passed: int
    failed: int
    errors: int
    skipped: int
    blind: int
    compared: int
    self_reported: int
    def __init__(self, passed: _Optional[int] = ..., failed: _Optional[int] = ..., errors: _Optional[int] = ..., skipped: _Optional[int] = ..., blind: _Optional[int] = ..., compared: _Optional[int] = ..., self_reported: _Optional[int] = ...) -> None: ...

class Risk(_message.Message):
    __slots__ = ("score", "level", "factors")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    FACTORS_FIELD_NUMBER: _ClassVar[int]
    score: int
    level: str
    factors: _containers.RepeatedCompositeFieldContainer[RiskFactor]
    def __init__(self, score: _Optional[int] = ..., level: _Optional[str] = ..., factors: _Optional[_Iterable[_Union[RiskFactor, _Mapping]]] = ...) -> None: ...

class RiskFactor(_message.Message):
    __slots__ = ("name", "points", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    points: int
    detail: str
    def __init__(self, name: _Optional[str] = ..., points: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("change_digest", "approver", "approve_time", "key_id", "signature")
    CHANGE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    APPROVER_FIELD_NUMBER: _ClassVar[int]
    APPROVE_TIME_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    change_digest: str
    approver: str
    approve_time: _timestamp_pb2.Timestamp
    key_id: str
    signature: bytes
    def __init__(self, change_digest: _Optional[str] = ..., approver: _Optional[str] = ..., approve_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., key_id: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...
