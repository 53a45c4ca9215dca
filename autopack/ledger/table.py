"""The index on top of a ledger: short cells, newest first, and a line for each year with its own file."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from autopack.ledger.entry import LEDGERS, Entry, Kind

CELL_LIMIT = 72
"""Characters of a cell."""
SPLIT_OVER = 250
"""Entries from which past years have files of their own: forges stop showing long files."""


def cell(text: str) -> str:
    """Text cut to a short cell."""
    if len(text) > CELL_LIMIT:
        text = text[: CELL_LIMIT - 1].rstrip() + "…"
    return text.replace("|", "\\|")


def superseded_by(entries: Sequence[Entry]) -> dict[str, str]:
    """For each superseded id the id of the latest entry that supersedes it."""
    return {old: entry.entry_id for entry in entries for old in entry.content.supersedes}


def split(entries: Sequence[Entry]) -> tuple[dict[int, tuple[Entry, ...]], tuple[Entry, ...]]:
    """Entries of each past year, where there are many, and those of the ledger's main file; both in order.

    An entry that is dated back belongs to the year of the latest one before it, so that the chain runs on.
    """
    if len(entries) <= SPLIT_OVER:
        return {}, tuple(entries)
    years: dict[int, list[Entry]] = {}
    year = 0
    for entry in entries:
        year = max(year, entry.date.year)
        years.setdefault(year, []).append(entry)
    current = years.pop(year)
    return {year: tuple(kept) for year, kept in years.items()}, tuple(current)


def year_path(kind: Kind, year: int) -> str:
    """The file of a past year, as docs/BUILD_HISTORY_2025.md."""
    path = PurePosixPath(LEDGERS[kind].path)
    return str(path.with_stem(f"{path.stem}_{year:04}"))


def render_index(
    kind: Kind,
    shown: Sequence[Entry],
    ledger: Sequence[Entry] | None = None,
    years: Mapping[int, Sequence[Entry]] | None = None,
) -> str:
    """The table of the entries shown, of all the ledger's (default: the same), and of the years kept apart.

    The main file has an anchor for every entry, also for those kept apart: a link never breaks.
    """
    columns = LEDGERS[kind].columns
    superseded = superseded_by(shown if ledger is None else ledger)
    first = shown[0].number if shown else 0
    headings = ["Date", "Entry", *columns, "Summary"]
    rows = [headings, ["---"] * len(headings)]
    for entry in reversed(shown):
        entry_id = entry.entry_id
        successor = superseded.get(entry_id, "")
        page = ""
        if successor and not first <= int(successor.split("-")[1]) <= shown[-1].number:
            page = PurePosixPath(LEDGERS[kind].path).name
        rows.append(
            [
                entry.date.isoformat(),
                f"[{entry_id}](#{entry_id.lower()})",
                *(cell(entry.content.get(name).split("\n")[0]) for name in columns),
                cell(entry.content.title)
                + (f" (superseded by [{successor}]({page}#{successor.lower()}))" if successor else ""),
            ]
        )
    for year, kept in reversed(list((years or {}).items())):
        anchors = "".join(f'<a id="{entry.entry_id.lower()}"></a>' for entry in kept)
        ids = f"{kept[0].entry_id} to {kept[-1].entry_id}"
        file = PurePosixPath(year_path(kind, year)).name
        count = f"{len(kept)} {'entry' if len(kept) == 1 else 'entries'}"
        rows.append([f"{year:04}", f"{anchors}[{ids}]({file})", *("" for _ in columns), count])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
