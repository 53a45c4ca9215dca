"""A ledger as text: `parse` and `render` are each other's exact inverse.

A document is a preamble, a generated index, the sealed entries in order, and drafts that
people wrote by hand below them and that the next tidy seals.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from autopack.errors import InvalidInput, Reason
from autopack.ledger.entry import LEDGERS, Content, Entry, Kind, format_id, is_canonical, make_content
from autopack.ledger.table import render_index, split

INDEX_START = "<!-- AUTOPACK_INDEX_START -->"
INDEX_END = "<!-- AUTOPACK_INDEX_END -->"
MOST_REASONS = 100
"""Told of one file."""

_BLOCK = re.compile(r'^(?:<a id="[^"\n]*"></a>\n\n)?## ', re.MULTILINE)
_HEADING = re.compile(r"## ([A-Z]+)(?:-([0-9]{4,}))?: (.+)")
_DRAFT = re.compile(r"^## (?:BUILD|DBG|DEC)(?:-[0-9]{4,})?: ", re.MULTILINE)
_FIELD = re.compile(r"[-*+] \*\*([^*:]+)(?::\*\*|\*\*:)(.*)")
_FENCE = re.compile(r"^(```+(?!`)|~~~+(?!~))(?!.*`)", re.MULTILINE)
"""A line that begins or ends a fence; headings in one that is not indented are none."""
_SEAL = re.compile(r"<!-- sealed: sha256 ([0-9a-f]{64}) after ([0-9a-f]{64}|nothing) -->")


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry written by hand that has no place in the chain yet."""

    content: Content
    date: date | None
    """None: the day of the tidy that seals it."""
    text: str
    """As it stands in the document."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One parsed ledger."""

    kind: Kind
    preamble: str
    """Everything above the index, kept as it is."""
    entries: tuple[Entry, ...] = ()
    drafts: tuple[Draft, ...] = ()

    @property
    def head(self) -> str:
        """Digest of the last entry; empty where there is none."""
        return self.entries[-1].digest if self.entries else ""


def empty(kind: Kind) -> Ledger:
    """A ledger without entries, as a repository starts with."""
    ledger = LEDGERS[kind]
    required = ", ".join(f"`- **{name}:** ...`" for name in ledger.fields if name in ledger.required)
    return Ledger(
        kind,
        f"# {ledger.heading}\n\n{ledger.purpose}\n\n"
        "Entries are only ever added: a correction is a new entry that names what it supersedes. To add\n"
        f"one, write it at the end: `## {kind.value}: Title`, then {required}.\n"
        "`autopack tidy --execute` gives it its number, its seal and its line in this index.\n\n",
    )


def append(ledger: Ledger, contents: Sequence[tuple[Content, date]], today: date) -> Ledger:
    """Seals the drafts, then adds the contents in order, each with its date."""
    entries = list(ledger.entries)
    for content, day in [*((draft.content, draft.date or today) for draft in ledger.drafts), *contents]:
        entries.append(Entry(len(entries) + 1, day, content, entries[-1].digest if entries else ""))
    return Ledger(ledger.kind, ledger.preamble, tuple(entries))


def render(ledger: Ledger) -> str:
    """The text of the ledger's main file: all of it, but for the years that have files of their own."""
    years, current = split(ledger.entries)
    index = render_index(ledger.kind, current, ledger.entries, years)
    entries = "".join(map(render_entry, current))
    return render_head(ledger.preamble, index) + entries + "".join(draft.text for draft in ledger.drafts)


def render_head(preamble: str, index: str) -> str:
    """What is above a file's entries."""
    return f"{preamble}{INDEX_START}\n{index}{INDEX_END}\n\n"


def render_entry(entry: Entry, digest: str = "") -> str:
    """One sealed entry's text, up to the next one; the digest is its own, where it is known."""
    entry_id = entry.entry_id
    lines = [
        f'<a id="{entry_id.lower()}"></a>',
        "",
        f"## {entry_id}: {entry.content.title}",
        "",
        f"- **Date:** {entry.date.isoformat()}",
    ]
    for field in entry.content.fields:
        first, *rest = field.value.split("\n")
        lines += [f"- **{field.name}:** {first}", *(f"  {line}" if line else "" for line in rest)]
    lines += [
        "",
        f"<!-- sealed: sha256 {digest or entry.digest} after {entry.previous_digest or 'nothing'} -->",
        "",
        "",
    ]
    return "\n".join(lines)


def parse(kind: Kind, text: str, earlier: Sequence[Entry] = ()) -> Ledger:
    """Reads a ledger's main file; what is no ledger yet becomes its preamble.

    `earlier` are the entries of past years that have files of their own.

    Raises InvalidInput with every reason: LEDGER_MALFORMED, LEDGER_INDEX_STALE, LEDGER_ID_INVALID,
    LEDGER_LINE_ENDS, LEDGER_DIGEST_MISMATCH, LEDGER_CHAIN_BROKEN, LEDGER_SUPERSEDES_INVALID and those of
    `make_content`.
    """
    if not text.strip():
        return empty(kind)
    refuse_line_ends(LEDGERS[kind].path, text)
    index = re.search(rf"^{INDEX_START}\n(.*?)^{INDEX_END}\n", text, re.MULTILINE | re.DOTALL)
    if index is None:
        start = next(_outside_fences(_DRAFT, text, 0), len(text))
        preamble = text[:start].rstrip("\n")
        preamble = preamble + "\n\n" if preamble else empty(kind).preamble
    else:
        start = index.end()
        preamble = text[: index.start()]
    reader = Reader(kind, LEDGERS[kind].path, text, start)
    entries, drafts = reader.blocks(earlier)
    years, current = split(entries)
    if index is not None and not reader.reasons and index[1] != render_index(kind, current, entries, years):
        reader.refuse(
            "LEDGER_INDEX_STALE",
            "the index says other than the entries below it",
            "write nothing between its markers by hand; autopack tidy writes it",
            index.start(1),
        )
    if reader.reasons:
        raise InvalidInput(*reader.reasons)
    return Ledger(kind, preamble, entries, drafts)


def refuse_line_ends(path: str, text: str) -> None:
    """Raises InvalidInput LEDGER_LINE_ENDS where what was sealed or generated has Windows' line ends."""
    last = max(text.rfind("\n<!-- sealed: "), text.find(INDEX_END))
    at = text.find("\r\n", text.find(INDEX_START), text.find("\n", last + 1) + 1)
    if last >= 0 and at >= 0:
        fix = f"sed -i 's/\\r$//' {path} && git config core.autocrlf input"
        line = text.count("\n", 0, at) + 1
        raise InvalidInput(Reason("LEDGER_LINE_ENDS", "its lines end with CR LF", fix, path, line))


def _outside_fences(pattern: re.Pattern[str], text: str, start: int) -> Iterator[int]:
    """Where the pattern begins to match."""
    fenced: list[tuple[int, int]] = []
    opened: re.Match[str] | None = None
    for mark in _FENCE.finditer(text, start):
        if opened is None:
            opened = mark
        elif mark[1].startswith(opened[1]):
            fenced.append((opened.start(), mark.end()))
            opened = None
    spans = iter(fenced)
    span = next(spans, None)
    for found in pattern.finditer(text, start):
        while span is not None and span[1] <= found.start():
            span = next(spans, None)
        if span is None or found.start() < span[0]:
            yield found.start()


class Reader:
    """Reads the blocks of one file and collects what is wrong with them."""

    def __init__(self, kind: Kind, path: str, text: str, start: int) -> None:
        self.kind = kind
        self.path = path
        self.text = text
        self.start = start
        self.reasons: list[Reason] = []
        self.canonical = False
        """Whether all of it is in canonical form, as whatever was sealed is: that is faster to ask once."""
        self.head = ""
        """Digest of the last sealed entry."""

    def refuse(self, code: str, message: str, fix: str, position: int) -> None:
        if len(self.reasons) == MOST_REASONS:
            return
        line = self.text.count("\n", 0, position) + 1
        self.reasons.append(Reason(code, message, fix, self.path, line))

    def blocks(self, earlier: Sequence[Entry]) -> tuple[tuple[Entry, ...], tuple[Draft, ...]]:
        """The earlier entries with those of the file, and its drafts."""
        self.canonical = is_canonical(self.text)
        self.head = earlier[-1].digest if earlier else ""
        starts = list(_outside_fences(_BLOCK, self.text, self.start))
        if self.text[self.start : starts[0] if starts else None].strip():
            self.refuse(
                "LEDGER_MALFORMED",
                "there is text before the first entry that belongs to none",
                f"begin an entry with ## {self.kind.value}: Title",
                self.start,
            )
        entries = list(earlier)
        drafts: list[Draft] = []
        for start, end in pairwise([*starts, len(self.text)]):
            self._block(start, end, entries, drafts)
        return tuple(entries), tuple(drafts)

    def _block(self, start: int, end: int, entries: list[Entry], drafts: list[Draft]) -> None:
        block = self.text[start:end]
        heading_at = start + block.index("## ")
        heading, *lines = self.text[heading_at:end].split("\n")
        found = _HEADING.fullmatch(heading.rstrip())
        if found is None or found[1] != self.kind.value:
            self.refuse(
                "LEDGER_MALFORMED",
                f"{heading[:100]!r} is no heading of an entry",
                f"write ## {self.kind.value}: Title, and use ### for headings within an entry's field",
                heading_at,
            )
            return
        number = len(entries) + len(drafts) + 1
        if found[2] and int(found[2]) != number:
            self.refuse(
                "LEDGER_ID_INVALID",
                f"{found[1]}-{found[2]} stands where {format_id(self.kind, number)} comes next",
                f"write ## {self.kind.value}: without a number; tidy gives the next one",
                heading_at,
            )
        values, seal = self._fields(lines, heading_at + len(heading) + 1)
        day: date | None = None
        if (written := values.pop("Date", None)) is not None:
            try:
                day = date.fromisoformat(written.strip())
            except ValueError:
                self.refuse(
                    "LEDGER_MALFORMED", f"{written!r} is no date", "write it as 2026-01-31", heading_at
                )
        try:
            content = make_content(self.kind, found[3], values, self.canonical and seal is not None)
        except InvalidInput as error:
            for reason in error.reasons:
                self.refuse(reason.code, reason.message, reason.fix, heading_at)
            return
        for superseded in content.supersedes:
            if not 0 < int(superseded.split("-")[1]) < number:
                self.refuse(
                    "LEDGER_SUPERSEDES_INVALID",
                    f"{superseded} is no earlier entry",
                    "name an entry above this one",
                    heading_at,
                )
        if seal is None:
            drafts.append(Draft(content, day, block))
            return
        self._sealed(block, heading_at, Entry(number, day or date.min, content, ""), seal, entries, drafts)

    def _sealed(
        self,
        block: str,
        heading_at: int,
        unchained: Entry,
        seal: re.Match[str],
        entries: list[Entry],
        drafts: Sequence[Draft],
    ) -> None:
        previous = "" if seal[2] == "nothing" else seal[2]
        entry = Entry(unchained.number, unchained.date, unchained.content, previous)
        mend = "restore it from the commit before; a correction is a new entry with a Supersedes field"
        if drafts:
            self.refuse(
                "LEDGER_MALFORMED",
                f"{entry.entry_id} is sealed and stands below a draft",
                "move the draft to the end",
                heading_at,
            )
        elif previous != self.head:
            self.refuse(
                "LEDGER_CHAIN_BROKEN",
                f"{entry.entry_id} does not follow the entry above it",
                mend,
                heading_at,
            )
        elif (digest := entry.digest) != seal[1]:
            self.refuse(
                "LEDGER_DIGEST_MISMATCH", f"{entry.entry_id} is not what was sealed", mend, heading_at
            )
        elif not self._as_sealed(block, render_entry(entry, digest)):
            self.refuse(
                "LEDGER_MALFORMED", f"{entry.entry_id} is not written as it was sealed", mend, heading_at
            )
        self.head = seal[1]
        entries.append(entry)

    def _as_sealed(self, block: str, sealed: str) -> bool:
        """Blank lines below the last seal are the next editor's."""
        if block == sealed:
            return True
        last = self.text.rfind("\n<!-- sealed: ") < self.text.find(block, self.start) + len(block)
        return last and block.rstrip("\n") == sealed.rstrip("\n")

    def _fields(self, lines: Sequence[str], position: int) -> tuple[dict[str, str], re.Match[str] | None]:
        values: dict[str, list[str]] = {}
        current: list[str] | None = None
        seal: re.Match[str] | None = None
        fence = ""
        for line in lines:
            mark = _FENCE.match(line) if seal is None else None
            if current is not None and (mark or fence):
                if mark and line.startswith(fence):
                    fence = "" if fence else mark[1]
                current.append(line)
                position += len(line) + 1
                continue
            if current is not None and seal is None and line.startswith("  "):
                current.append(line[2:])
                position += len(line) + 1
                continue
            field = _FIELD.fullmatch(line.rstrip())
            if seal is not None and line.strip():
                self.refuse("LEDGER_MALFORMED", "text below the seal", "begin a new entry for it", position)
            elif field is not None:
                if field[1] in values:
                    self.refuse("LEDGER_MALFORMED", f"{field[1]} is written twice", "join the two", position)
                current = values.setdefault(field[1], [])
                current.append(field[2].strip())
            elif current is not None and not line.strip():
                current.append(line[2:])
            elif (seal := _SEAL.fullmatch(line)) is None and line.strip():
                self.refuse(
                    "LEDGER_MALFORMED",
                    f"{line[:100]!r} belongs to no field",
                    "begin a field with - **Name:** and indent its further lines by two spaces",
                    position,
                )
            position += len(line) + 1
        return {name: "\n".join(parts).strip("\n") for name, parts in values.items()}, seal
