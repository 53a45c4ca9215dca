"""What a ledger entry is: its kind, its fixed fields, its id and its digest."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from types import MappingProxyType

from autopack.errors import InvalidInput, Reason

TITLE_LIMIT = 200
"""Characters of a title."""

SUPERSEDES = "Supersedes"
"""Field of every ledger: ids, comma separated, of earlier entries that this one corrects."""

# Control characters but tab and line feed, lone surrogates, and the marks that override the direction of
# writing or break lines unseen, so that text reads as something that it is not.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)


class Kind(Enum):
    """Which ledger an entry belongs to; the value is the prefix of its ids."""

    BUILD = "BUILD"
    DEBUG = "DBG"
    DECISION = "DEC"


@dataclass(frozen=True, slots=True)
class LedgerFormat:
    """What is fixed about one ledger."""

    path: str
    """From the repository's root."""
    heading: str
    purpose: str
    fields: tuple[str, ...]
    """Names that an entry may have, in the order in which they are printed."""
    required: frozenset[str]
    columns: tuple[str, ...]
    """Fields whose first line is shown in the index, between id and title."""


LEDGERS: Mapping[Kind, LedgerFormat] = MappingProxyType(
    {
        Kind.BUILD: LedgerFormat(
            path="docs/BUILD_HISTORY.md",
            heading="Build history",
            purpose="What changed and how it was verified, one entry per run.",
            fields=("What changed", "Verified", "Run", "Base", "Head", "Tree", "Phases", "Files", SUPERSEDES),
            required=frozenset({"What changed", "Verified"}),
            columns=("Phases", "Files"),
        ),
        Kind.DEBUG: LedgerFormat(
            path="docs/DEBUG_LOG.md",
            heading="Debug log",
            purpose="Failures that were understood and fixed: what failed, why, and what mended it.",
            fields=(
                "Failure",
                "Root cause",
                "Fix",
                "Verification",
                "Signature",
                "Run",
                "Phase",
                "Commit",
                "Verdict",
                "Files",
                SUPERSEDES,
            ),
            required=frozenset({"Failure", "Root cause", "Fix", "Verification"}),
            columns=("Phase",),
        ),
        Kind.DECISION: LedgerFormat(
            path="docs/ARCHITECTURE_DECISIONS.md",
            heading="Architecture decisions",
            purpose="Decisions that last, with what they were chosen over and what follows from them.",
            fields=(
                "Context",
                "Decision",
                "Alternatives",
                "Consequences",
                "Run",
                "Phase",
                "Commit",
                "Verdict",
                SUPERSEDES,
            ),
            required=frozenset({"Context", "Decision", "Alternatives", "Consequences"}),
            columns=(),
        ),
    }
)


_LINE_END = re.compile(r"[^\S\n]\n")


def is_canonical(text: str) -> bool:
    """Whether lines taken from the text, stripped of their indent, are in canonical form already."""
    return not _HIDDEN.search(text) and not _LINE_END.search(text)


def canonical_text(text: str) -> str:
    """The one form of a text: line feeds, no control characters, no space at any line's end or around it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = _HIDDEN.sub("", text)
    return "\n".join(line.rstrip() for line in kept.split("\n")).strip()


def canonical_line(text: str) -> str:
    """The same on one line, with single spaces."""
    return " ".join(canonical_text(text).split())


@dataclass(frozen=True, slots=True)
class Field:
    """One named field; the value is Markdown in canonical form."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Content:
    """What an entry says, before it has a place in the chain."""

    kind: Kind
    title: str
    fields: tuple[Field, ...]

    def get(self, name: str) -> str:
        """The field's value, empty where there is none."""
        return next((field.value for field in self.fields if field.name == name), "")

    @property
    def supersedes(self) -> tuple[str, ...]:
        """Ids of the entries that this one corrects."""
        if not (said := self.get(SUPERSEDES)):
            return ()
        return tuple(part.strip() for part in said.split(",") if part.strip())


def make_content(kind: Kind, title: str, fields: Mapping[str, str], canonical: bool = False) -> Content:
    """Brings title and fields into canonical form (unless they are known to be) and order.

    Raises InvalidInput with every reason: LEDGER_TITLE_INVALID, LEDGER_FIELD_UNKNOWN, LEDGER_FIELD_MISSING,
    LEDGER_SUPERSEDES_INVALID.
    """
    ledger = LEDGERS[kind]
    values: Mapping[str, str] = fields
    if not canonical:
        title = canonical_line(title)
        values = {name: canonical_text(value) for name, value in fields.items()}
    reasons = []
    if not 0 < len(title) <= TITLE_LIMIT:
        reasons.append(
            Reason(
                "LEDGER_TITLE_INVALID",
                f"the title has {len(title)} characters",
                f"give it 1 to {TITLE_LIMIT}",
                ledger.path,
            )
        )
    for name in values:
        if name not in ledger.fields:
            reasons.append(
                Reason(
                    "LEDGER_FIELD_UNKNOWN",
                    f"a {kind.value} entry has no field {name!r}",
                    f"use one of: {', '.join(ledger.fields)}",
                    ledger.path,
                )
            )
    for name in ledger.fields:
        if name in ledger.required and not values.get(name):
            reasons.append(
                Reason(
                    "LEDGER_FIELD_MISSING",
                    f"a {kind.value} entry needs the field {name!r}",
                    f"add a line: - **{name}:** ...",
                    ledger.path,
                )
            )
    content = Content(
        kind, title, tuple(Field(name, values[name]) for name in ledger.fields if values.get(name))
    )
    for superseded in content.supersedes:
        if not re.fullmatch(rf"{kind.value}-[0-9]{{4,}}", superseded):
            reasons.append(
                Reason(
                    "LEDGER_SUPERSEDES_INVALID",
                    f"{superseded!r} is no id of this ledger",
                    f"name earlier entries, as {kind.value}-0001, {kind.value}-0002",
                    ledger.path,
                )
            )
    if reasons:
        raise InvalidInput(*reasons)
    return content


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry with its place in the chain; make its content with `make_content`."""

    number: int
    date: date
    content: Content
    previous_digest: str
    """Digest of the entry before it; empty for the first."""

    @property
    def entry_id(self) -> str:
        """As BUILD-0042."""
        return format_id(self.content.kind, self.number)

    @property
    def digest(self) -> str:
        """SHA-256, hex, over all that the entry says and the digest before it."""
        said = [
            self.entry_id,
            self.date.isoformat(),
            self.content.title,
            [[field.name, field.value] for field in self.content.fields],
            self.previous_digest,
        ]
        return hashlib.sha256(
            json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        ).hexdigest()


def format_id(kind: Kind, number: int) -> str:
    """The id of the entry with this number, counted from 1."""
    return f"{kind.value}-{number:04}"
