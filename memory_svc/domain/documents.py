"""What memory indexes: one document for each ledger entry, and for what runs have not consolidated yet."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from enum import StrEnum

from autopack.ledger.document import Ledger
from autopack.ledger.entry import LEDGERS, Content, Entry, Field, Kind
from autopack.ledger.files import sources
from autopack.ledger.table import superseded_by
from memory_svc.domain.chunks import chunk
from memory_svc.domain.records import PhaseRecord, PhaseState, RunRecord
from memory_svc.domain.tidy import contents_of_run
from memory_svc.domain.wording import code, listing, plain, reason_line

FILE_TYPES: Mapping[Kind, str] = {
    Kind.BUILD: "build_history",
    Kind.DEBUG: "debug_log",
    Kind.DECISION: "architecture_decisions",
}
RUN_FILE_TYPE = "run"
"""Of what failed and is in no ledger."""
CODE = "code"
"""Kind of the passages that are the project's own files; all others tell what happened."""

# Ids and digests say nothing to a reader of a passage, and would drown its words.
_UNSPOKEN = frozenset({"Run", "Base", "Head", "Tree", "Phases", "Commit", "Verdict"})


class Trust(StrEnum):
    """How far a passage may be relied on."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    SUPERSEDED = "superseded"
    FAILED = "failed"


TRUSTED = frozenset({Trust.ACCEPTED, Trust.SUPERSEDED})
"""What recall finds unasked; the rest has not passed the gate, or is not merged."""


@dataclass(frozen=True, slots=True)
class Document:
    """One entry, accepted or not."""

    file_type: str
    key: str
    """Unique within the project and file type: the entry's id, else where it comes from."""
    entry_id: str
    """Empty while pending."""
    title: str
    fields: tuple[Field, ...]
    create_time: datetime
    trust: Trust
    source: str
    """Path of the ledger, or run:ID."""
    commit: str = ""
    """The run's head; empty for what is read from the ledgers at the project's commit."""
    successor: str = ""
    """Id of the entry that counts instead, where it is superseded."""
    digest: str = ""
    previous_digest: str = ""

    @property
    def kind(self) -> Kind | None:
        """The ledger that it belongs to; None for what failed."""
        return next((kind for kind, file_type in FILE_TYPES.items() if file_type == self.file_type), None)

    @property
    def run_id(self) -> str:
        """The run that a BUILD or DBG entry tells of."""
        return next((field.value for field in self.fields if field.name == "Run"), "")

    @property
    def content(self) -> str:
        """All fields as Markdown."""
        return _body(self.fields)

    @property
    def content_hash(self) -> str:
        """SHA-256, hex, over everything in it."""
        return hashlib.sha256(_said(self).encode()).hexdigest()

    def passages(self, limit: int) -> tuple["Passage", ...]:
        """The document cut to passages of at most `limit` characters."""
        body = _body(tuple(field for field in self.fields if field.name not in _UNSPOKEN))
        title = f"{self.entry_id}: {self.title}" if self.entry_id else self.title
        return tuple(
            Passage(
                number,
                text,
                self.source,
                self.entry_id,
                self.trust,
                self.create_time,
                self.commit,
                self.successor,
            )
            for number, text in enumerate(chunk(title, body, limit))
        )


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document, as it is found."""

    number: int
    text: str
    source: str
    entry_id: str
    trust: Trust
    create_time: datetime
    commit: str
    successor: str
    kind: str = ""
    """CODE, or empty."""

    @property
    def passage_id(self) -> str:
        """A UUID that is another one as soon as anything in the passage is another."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, _said(self)))


def _said(whole: Document | Passage) -> str:
    """All that it says, as text; `asdict` would take longer than all else that an indexing does."""
    return json.dumps([getattr(whole, field.name) for field in fields(whole)], default=str)


def documents_of_ledgers(ledgers: Mapping[Kind, Ledger]) -> tuple[Document, ...]:
    """Every entry, and every draft as pending."""
    return tuple(
        document for ledger in ledgers.values() for document in (*_entries(ledger), *_drafts(ledger))
    )


def _entries(ledger: Ledger) -> list[Document]:
    successors = superseded_by(ledger.entries)
    paths = sources(ledger)
    return [
        _entry(entry, _last(successors, entry.entry_id), paths[entry.entry_id]) for entry in ledger.entries
    ]


def _last(successors: Mapping[str, str], entry_id: str) -> str:
    """The entry that counts now; empty where this one does. An entry names earlier ones only: it ends."""
    last = ""
    while entry_id := successors.get(entry_id, ""):
        last = entry_id
    return last


def _entry(entry: Entry, successor: str, source: str) -> Document:
    kind = entry.content.kind
    return Document(
        file_type=FILE_TYPES[kind],
        key=entry.entry_id,
        entry_id=entry.entry_id,
        title=entry.content.title,
        fields=entry.content.fields,
        create_time=_midnight(entry.date),
        trust=Trust.SUPERSEDED if successor else Trust.ACCEPTED,
        source=source,
        successor=successor,
        digest=entry.digest,
        previous_digest=entry.previous_digest,
    )


def _drafts(ledger: Ledger) -> list[Document]:
    return [
        Document(
            file_type=FILE_TYPES[ledger.kind],
            key=f"draft:{number}",
            entry_id="",
            title=draft.content.title,
            fields=draft.content.fields,
            create_time=_midnight(draft.date or date.min),
            trust=Trust.PENDING,
            source=LEDGERS[ledger.kind].path,
        )
        for number, draft in enumerate(ledger.drafts)
    ]


def documents_of_run(record: RunRecord, tidied: bool) -> tuple[Document, ...]:
    """What the ledgers do not say of a run: its pending entries, and its phases that failed."""
    if record.internal:
        return ()
    pending = () if tidied else contents_of_run(record)
    failed = [phase for phase in record.phases if phase.state is PhaseState.FAILED and phase.refusals]
    return (
        *(_pending(record, number, content) for number, content in enumerate(pending)),
        *(_failed(record, phase) for phase in failed),
    )


def _pending(record: RunRecord, number: int, content: Content) -> Document:
    return Document(
        file_type=FILE_TYPES[content.kind],
        key=f"run:{record.run_id}:{number}",
        entry_id="",
        title=content.title,
        fields=content.fields,
        create_time=record.submit_time,
        trust=Trust.PENDING,
        source=f"run:{record.run_id}",
        commit=record.head,
    )


def _failed(record: RunRecord, phase: PhaseRecord) -> Document:
    reasons = [reason_line(reason) for attempt in phase.refusals for reason in attempt.reasons]
    return Document(
        file_type=RUN_FILE_TYPE,
        key=f"run:{record.run_id}:{phase.phase_id}",
        entry_id="",
        title=plain(f"{phase.phase_id} failed: {phase.goal}", 100),
        fields=(
            Field("Failure", listing("every attempt was refused:", list(dict.fromkeys(reasons)), most=20)),
            Field("Files", ", ".join(code(path) for path in phase.paths[:20])),
            Field("Run", record.run_id),
        ),
        create_time=record.submit_time,
        trust=Trust.FAILED,
        source=f"run:{record.run_id}",
        commit=record.head or record.base,
    )


def _body(fields: tuple[Field, ...]) -> str:
    return "\n".join(f"- **{field.name}:** {field.value}" for field in fields if field.value)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
