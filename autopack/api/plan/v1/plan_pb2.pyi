from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Landing(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LANDING_UNSPECIFIED: _ClassVar[Landing]
    LANDING_BRANCH: _ClassVar[Landing]
    LANDING_FAST_FORWARD: _ClassVar[Landing]
LANDING_UNSPECIFIED: Landing
LANDING_BRANCH: Landing
LANDING_FAST_FORWARD: Landing

class Plan(_message.Message):
    __slots__ = ("version", "name", "base", "landing", "phases")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    LANDING_FIELD_NUMBER: _ClassVar[int]
    PHASES_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    base: str
    landing: Landing
    phases: _containers.RepeatedCompositeFieldContainer[Phase]
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., base: _Optional[str] = ..., landing: _Optional[_Union[Landing, str]] = ..., phases: _Optional[_Iterable[_Union[Phase, _Mapping]]] = ...) -> None: ...

class Phase(_message.Message):
    __slots__ = ("phase_id", "goal", "category", "depends_on", "scope", "builder", "checks", "hints", "budget", "decision")
    PHASE_ID_FIELD_NUMBER: _ClassVar[int]
    GOAL_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    DEPENDS_ON_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    BUILDER_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    phase_id: str
    goal: str
    category: str
    depends_on: _containers.RepeatedScalarFieldContainer[str]
    scope: Scope
    builder: BuilderSpec
    checks: _containers.RepeatedCompositeFieldContainer[Check]
    hints: _containers.RepeatedScalarFieldContainer[str]
    budget: Budget
    decision: PhaseDecision
    def __init__(self, phase_id: _Optional[str] = ..., goal: _Optional[str] = ..., category: _Optional[str] = ..., depends_on: _Optional[_Iterable[str]] = ..., scope: _Optional[_Union[Scope, _Mapping]] = ..., builder: _Optional[_Union[BuilderSpec, _Mapping]] = ..., checks: _Optional[_Iterable[_Union[Check, _Mapping]]] = ..., hints: _Optional[_Iterable[str]] = ..., budget: _Optional[_Union[Budget, _Mapping]] = ..., decision: _Optional[_Union[PhaseDecision, _Mapping]] = ...) -> None: ...

class PhaseDecision(_message.Message):
    __slots__ = ("title", "context", "decision", "alternatives", "consequences", "supersedes")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    CONSEQUENCES_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    title: str
    context: str
    decision: str
    alternatives: str
    consequences: str
    supersedes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, title: _Optional[str] = ..., context: _Optional[str] = ..., decision: _Optional[str] = ..., alternatives: _Optional[str] = ..., consequences: _Optional[str] = ..., supersedes: _Optional[_Iterable[str]] = ...) -> None: ...

class Scope(_message.Message):
    __slots__ = ("paths", "context")
    PATHS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    paths: _containers.RepeatedScalarFieldContainer[str]
    context: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, paths: _Optional[_Iterable[str]] = ..., context: _Optional[_Iterable[str]] = ...) -> None: ...

class BuilderSpec(_message.Message):
    __slots__ = ("patch", "command", "named", "repair", "replay", "ledger")
    PATCH_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    patch: PatchBuilder
    command: CommandBuilder
    named: NamedBuilder
    repair: RepairBuilder
    replay: ReplayBuilder
    ledger: LedgerBuilder
    def __init__(self, patch: _Optional[_Union[PatchBuilder, _Mapping]] = ..., command: _Optional[_Union[CommandBuilder, _Mapping]] = ..., named: _Optional[_Union[NamedBuilder, _Mapping]] = ..., repair: _Optional[_Union[RepairBuilder, _Mapping]] = ..., replay: _Optional[_Union[ReplayBuilder, _Mapping]] = ..., ledger: _Optional[_Union[LedgerBuilder, _Mapping]] = ...) -> None: ...

class PatchBuilder(_message.Message):
    __slots__ = ("diff", "files")
    DIFF_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    diff: str
    files: _containers.RepeatedCompositeFieldContainer[FileContent]
    def __init__(self, diff: _Optional[str] = ..., files: _Optional[_Iterable[_Union[FileContent, _Mapping]]] = ...) -> None: ...

class FileContent(_message.Message):
    __slots__ = ("path", "contents")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    path: str
    contents: str
    def __init__(self, path: _Optional[str] = ..., contents: _Optional[str] = ...) -> None: ...

class CommandBuilder(_message.Message):
    __slots__ = ("run",)
    RUN_FIELD_NUMBER: _ClassVar[int]
    run: str
    def __init__(self, run: _Optional[str] = ...) -> None: ...

class NamedBuilder(_message.Message):
    __slots__ = ("use",)
    USE_FIELD_NUMBER: _ClassVar[int]
    use: str
    def __init__(self, use: _Optional[str] = ...) -> None: ...

class RepairBuilder(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReplayBuilder(_message.Message):
    __slots__ = ("run_id",)
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    def __init__(self, run_id: _Optional[str] = ...) -> None: ...

class LedgerBuilder(_message.Message):
    __slots__ = ("run_ids",)
    RUN_IDS_FIELD_NUMBER: _ClassVar[int]
    run_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, run_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Check(_message.Message):
    __slots__ = ("name", "run", "reports", "timeout_seconds")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    run: str
    reports: str
    timeout_seconds: int
    def __init__(self, name: _Optional[str] = ..., run: _Optional[str] = ..., reports: _Optional[str] = ..., timeout_seconds: _Optional[int] = ...) -> None: ...

class Budget(_message.Message):
    __slots__ = ("attempts", "seconds", "tokens", "usd")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    USD_FIELD_NUMBER: _ClassVar[int]
    attempts: int
    seconds: int
    tokens: int
    usd: float
    def __init__(self, attempts: _Optional[int] = ..., seconds: _Optional[int] = ..., tokens: _Optional[int] = ..., usd: _Optional[float] = ...) -> None: ...
