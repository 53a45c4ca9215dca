"""Between the contract's messages and the domain; nowhere else does memory know messages."""

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from autopack.api.ledger.v1 import ledger_pb2
from autopack.api.memory.v1 import memory_pb2, memory_service_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import InvalidInput, Reason
from autopack.ledger.entry import Entry, Kind
from autopack.ledger.entry import Field as LedgerField
from autopack.rpc.errors import reasons_from_proto, reasons_to_proto
from memory_svc.domain.documents import Document
from memory_svc.domain.memory import Indexed, Recalled
from memory_svc.domain.records import (
    AttemptRecord,
    AttemptState,
    DecisionRecord,
    PhaseRecord,
    PhaseState,
    RunRecord,
)
from memory_svc.domain.store import ListedDocument
from memory_svc.domain.tidying import Tidied, TidyOrder

State = TypeVar("State", bound=StrEnum)

PAGE_SIZE = 50
"""Entries of a page, where the caller does not say."""

_KINDS = {
    ledger_pb2.LEDGER_KIND_BUILD_HISTORY: Kind.BUILD,
    ledger_pb2.LEDGER_KIND_DEBUG_LOG: Kind.DEBUG,
    ledger_pb2.LEDGER_KIND_ARCHITECTURE_DECISIONS: Kind.DECISION,
}
_PROTO_KINDS = {kind: proto for proto, kind in _KINDS.items()}


def kind_from_proto(kind: ledger_pb2.LedgerKind) -> Kind | None:
    """None for all ledgers."""
    return _KINDS.get(kind)


def record_from_proto(record: memory_pb2.RunRecord) -> RunRecord:
    """Raises InvalidInput `REQUEST_INVALID` for a state that is none."""
    return RunRecord(
        run_id=record.run_id,
        project_id=record.project_id,
        plan_name=record.plan_name,
        state=record.state,
        base=record.base,
        head=record.head,
        submit_time=record.submit_time.ToDatetime(UTC),
        phases=tuple(_phase(phase, f"record.phases[{n}]") for n, phase in enumerate(record.phases)),
        tree=record.tree,
    )


def _phase(phase: memory_pb2.PhaseRecord, field: str) -> PhaseRecord:
    return PhaseRecord(
        phase_id=phase.phase_id,
        goal=phase.goal,
        category=phase.category,
        state=_state(PhaseState, phase.state, field),
        commit=phase.commit,
        decision_digest=phase.decision_digest,
        paths=tuple(phase.paths),
        checks=tuple(phase.checks),
        attempts=tuple(
            AttemptRecord(
                attempt.number,
                _state(AttemptState, attempt.state, f"{field}.attempts[{n}]"),
                reasons_from_proto(attempt.reasons),
            )
            for n, attempt in enumerate(phase.attempts)
        ),
        decision=_decision(phase.decision) if phase.HasField("decision") else None,
    )


def _decision(decision: plan_pb2.PhaseDecision) -> DecisionRecord:
    return DecisionRecord(
        title=decision.title,
        context=decision.context,
        decision=decision.decision,
        alternatives=decision.alternatives,
        consequences=decision.consequences,
        supersedes=tuple(decision.supersedes),
    )


def _state(states: type[State], name: str, field: str) -> State:
    try:
        return states(name)
    except ValueError:
        raise InvalidInput(
            Reason("REQUEST_INVALID", f"{field}.state is {name[:100]!r}", f"use one of: {', '.join(states)}")
        ) from None


def record_digest(record: memory_pb2.RunRecord) -> str:
    """SHA-256, hex, of the record as it was sent."""
    return hashlib.sha256(record.SerializeToString(deterministic=True)).hexdigest()


def order_from_proto(request: memory_service_pb2.StartTidyRequest) -> TidyOrder:
    return TidyOrder(
        request_id=request.request_id,
        project_id=request.project_id,
        base=request.base,
        run_ids=tuple(request.run_ids),
        upload_token=request.upload_token,
        git_address=request.git_address,
        time=request.time.ToDatetime(UTC) if request.HasField("time") else None,
    )


def tidy_identity(request: memory_service_pb2.StartTidyRequest) -> bytes:
    """What makes it the same request, without what a caller that was restarted may say differently."""
    same = memory_service_pb2.StartTidyRequest()
    same.CopyFrom(request)
    same.ClearField("git_address")
    same.ClearField("upload_token")
    return same.SerializeToString(deterministic=True)


def index_identity(request: memory_service_pb2.StartIndexRequest) -> bytes:
    """The same for an indexing."""
    same = memory_service_pb2.StartIndexRequest()
    same.CopyFrom(request)
    same.ClearField("git_address")
    return same.SerializeToString(deterministic=True)


def tidied_to_proto(request_id: str, tidied: Tidied) -> memory_pb2.Tidy:
    return memory_pb2.Tidy(
        request_id=request_id,
        state=memory_pb2.WORK_STATE_SUCCEEDED,
        commit=tidied.commit,
        entries=[_entry(entry) for entry in tidied.entries],
    )


def failed_tidy(request_id: str, reasons: Iterable[Reason]) -> memory_pb2.Tidy:
    state = memory_pb2.WORK_STATE_FAILED
    return memory_pb2.Tidy(request_id=request_id, state=state, reasons=reasons_to_proto(reasons))


def indexed_to_proto(request_id: str, indexed: Indexed) -> memory_pb2.Index:
    return memory_pb2.Index(
        request_id=request_id,
        state=memory_pb2.WORK_STATE_SUCCEEDED,
        chunks=indexed.chunks,
        added=indexed.added,
        removed=indexed.removed,
    )


def failed_index(request_id: str, reasons: Iterable[Reason]) -> memory_pb2.Index:
    state = memory_pb2.WORK_STATE_FAILED
    return memory_pb2.Index(request_id=request_id, state=state, reasons=reasons_to_proto(reasons))


def recalled_to_proto(recalled: Recalled) -> memory_service_pb2.RecallResponse:
    return memory_service_pb2.RecallResponse(
        hits=[
            memory_pb2.Hit(
                score=hit.score,
                text=hit.passage.text,
                source=hit.passage.source,
                entry_id=hit.passage.entry_id,
                trust=hit.passage.trust.value,
                commit=hit.passage.commit or recalled.commit,
                create_time=_timestamp(hit.passage.create_time),
            )
            for hit in recalled.hits
        ]
    )


def page_to_proto(
    request: memory_service_pb2.ListEntriesRequest, page: Sequence[ListedDocument]
) -> memory_service_pb2.ListEntriesResponse:
    """The page, and where the next one begins if this one is full."""
    full = page and len(page) == page_size(request)
    return memory_service_pb2.ListEntriesResponse(
        entries=[_document(listed.document) for listed in page],
        next_page_token=_page_token(request, page[-1].position) if full else "",
    )


def page_size(request: memory_service_pb2.ListEntriesRequest) -> int:
    return request.page_size or PAGE_SIZE


def position_from_token(request: memory_service_pb2.ListEntriesRequest) -> str:
    """Where the page begins; empty for the first. Raises InvalidInput `PAGE_TOKEN_INVALID`."""
    if not request.page_token:
        return ""
    try:
        project, kind, position = json.loads(base64.urlsafe_b64decode(request.page_token))
    except (ValueError, TypeError, binascii.Error):
        project = kind = position = None
    if (project, kind) != (request.project_id, request.kind) or not isinstance(position, str):
        raise InvalidInput(
            Reason("PAGE_TOKEN_INVALID", "the token is of no page of this list", "start from the first page")
        )
    return position


def _page_token(request: memory_service_pb2.ListEntriesRequest, position: str) -> str:
    said = json.dumps([request.project_id, request.kind, position])
    return base64.urlsafe_b64encode(said.encode()).decode()


def _entry(entry: Entry) -> ledger_pb2.Entry:
    return ledger_pb2.Entry(
        entry_id=entry.entry_id,
        kind=_PROTO_KINDS[entry.content.kind],
        create_time=_timestamp(_midnight(entry.date)),
        title=entry.content.title,
        fields=_fields(entry.content.fields),
        digest=entry.digest,
        previous_digest=entry.previous_digest,
    )


def _document(document: Document) -> ledger_pb2.Entry:
    return ledger_pb2.Entry(
        entry_id=document.entry_id,
        kind=_PROTO_KINDS[document.kind] if document.kind else ledger_pb2.LEDGER_KIND_UNSPECIFIED,
        create_time=_timestamp(document.create_time),
        title=document.title,
        fields=_fields(document.fields),
        digest=document.digest,
        previous_digest=document.previous_digest,
    )


def _fields(fields: Iterable[LedgerField]) -> list[ledger_pb2.Field]:
    return [ledger_pb2.Field(name=field.name, value=field.value) for field in fields]


def _timestamp(moment: datetime) -> Timestamp | None:
    """None for a draft that has no date yet."""
    if moment == _midnight(date.min):
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
