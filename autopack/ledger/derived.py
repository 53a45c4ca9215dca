"""What is generated from the ledgers: docs/INDEX.md, docs/CHANGELOG.md and the README's summary.

Each keeps what people wrote around its block.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from autopack.ledger.document import INDEX_END, INDEX_START, Ledger
from autopack.ledger.entry import LEDGERS, Entry, Kind
from autopack.ledger.files import Read
from autopack.ledger.table import cell, superseded_by

HUB_PATH = "docs/INDEX.md"
CHANGELOG_PATH = "docs/CHANGELOG.md"
README_PATH = "README.md"
DERIVED_PATHS = (HUB_PATH, CHANGELOG_PATH, README_PATH)
CHANGELOG_ENTRIES = 500
"""Told one by one; what is older is in the ledgers."""
SUMMARY_START = "<!-- AUTOPACK_SUMMARY_START -->"
SUMMARY_END = "<!-- AUTOPACK_SUMMARY_END -->"
CHANGELOG_START = "<!-- AUTOPACK_CHANGELOG_START -->"
CHANGELOG_END = "<!-- AUTOPACK_CHANGELOG_END -->"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_VERBS = {Kind.BUILD: "", Kind.DEBUG: "Fixed: ", Kind.DECISION: "Decided: "}


def render_derived(read: Read, ledgers: Mapping[Kind, Ledger]) -> dict[str, str]:
    """The generated files as they should be, by path; a README without the summary's marks is left out."""
    files = {
        HUB_PATH: render_hub(read(HUB_PATH), ledgers),
        CHANGELOG_PATH: render_changelog(read(CHANGELOG_PATH), ledgers),
    }
    readme = read(README_PATH)
    if readme is not None and has_summary(readme):
        files[README_PATH] = render_summary(readme, ledgers)
    return files


def render_hub(old: str | None, ledgers: Mapping[Kind, Ledger]) -> str:
    """`docs/INDEX.md`, with its table brought up to the ledgers."""
    rows = ["| Ledger | Entries | Latest |\n", "| --- | --- | --- |\n"]
    for kind, about in LEDGERS.items():
        name = PurePosixPath(about.path).name
        entries = ledgers[kind].entries
        latest = ""
        if entries:
            entry = entries[-1]
            latest = f"{entry.date.isoformat()} {_link(entry, name)} {cell(entry.content.title)}"
        rows.append(f"| [{about.heading}]({name}): {about.purpose} | {len(entries)} | {latest} |\n")
    text = old or "# Index\n\nWhere to find what.\n\n"
    return _with_block(text, INDEX_START, INDEX_END, "".join(rows))


def render_changelog(old: str | None, ledgers: Mapping[Kind, Ledger]) -> str:
    """`docs/CHANGELOG.md`: a line for each entry that still counts, newest first, by month."""
    entries = []
    for ledger in ledgers.values():
        superseded = superseded_by(ledger.entries)
        entries += [entry for entry in ledger.entries if entry.entry_id not in superseded]
    order = list(Kind)
    entries.sort(key=lambda entry: (entry.date, -order.index(entry.content.kind), entry.number), reverse=True)
    lines: list[str] = []
    month = ""
    for entry in entries[:CHANGELOG_ENTRIES]:
        if (begun := f"{_MONTHS[entry.date.month - 1]} {entry.date.year}") != month:
            month = begun
            lines.append(f"{chr(10) if lines else ''}## {month}\n\n")
        page = PurePosixPath(LEDGERS[entry.content.kind].path).name
        said = _VERBS[entry.content.kind] + entry.content.title
        lines.append(f"- {entry.date.isoformat()} {said} ({_link(entry, page)})\n")
    if len(entries) > CHANGELOG_ENTRIES:
        pages = ", ".join(
            f"[{about.heading.lower()}]({PurePosixPath(about.path).name})" for about in LEDGERS.values()
        )
        lines.append(f"\n## Earlier\n\n{len(entries) - CHANGELOG_ENTRIES} entries: {pages}.\n")
    if not lines:
        lines.append("Nothing yet.\n")
    text = old or "# Changelog\n\nWhat changed, newest first; each line leads to its entry in a ledger.\n\n"
    return _with_block(text, CHANGELOG_START, CHANGELOG_END, "".join(lines))


def has_summary(readme: str) -> bool:
    """Whether the README has a place for the summary; half of one counts, and is mended."""
    return SUMMARY_START in readme


def render_summary(readme: str, ledgers: Mapping[Kind, Ledger]) -> str:
    """The README, with its summary brought up to the ledgers."""
    builds = ledgers[Kind.BUILD].entries
    updated = max((ledger.entries[-1].date for ledger in ledgers.values() if ledger.entries), default=None)
    latest = ""
    if builds:
        latest = f"{_link(builds[-1], LEDGERS[Kind.BUILD].path)} {cell(builds[-1].content.title)}"
    row = [
        updated.isoformat() if updated else "",
        f"[{len(builds)}]({LEDGERS[Kind.BUILD].path})",
        latest,
        f"[{len(ledgers[Kind.DECISION].entries)}]({LEDGERS[Kind.DECISION].path})",
        f"[{len(ledgers[Kind.DEBUG].entries)}]({LEDGERS[Kind.DEBUG].path})",
    ]
    headings = ["Last updated", "Builds", "Latest build", "Decisions", "Debug sessions"]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, ["---"] * len(headings), row))
    return _with_block(readme, SUMMARY_START, SUMMARY_END, table)


def _link(entry: Entry, page: str) -> str:
    return f"[{entry.entry_id}]({page}#{entry.entry_id.lower()})"


def _with_block(text: str, start: str, end: str, body: str) -> str:
    """The text with the block between the marks replaced; put at the end where there is none."""
    block = f"{start}\n{body}{end}\n"
    found = re.compile(rf"^{start}\n(?:.*?^{end}(?:\n|\Z))?", re.MULTILINE | re.DOTALL)
    if found.search(text):
        return found.sub(lambda _: block, text, count=1)
    return text.rstrip("\n") + "\n\n" + block
