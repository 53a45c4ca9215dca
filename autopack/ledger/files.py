"""The files of a ledger: the main one, and one for each past year of a long history."""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from autopack.errors import InvalidInput, Reason
from autopack.ledger.document import (
    INDEX_END,
    INDEX_START,
    Ledger,
    Reader,
    parse,
    refuse_line_ends,
    render,
    render_entry,
    render_head,
)
from autopack.ledger.entry import LEDGERS, Entry, Kind
from autopack.ledger.table import render_index, split, year_path

Read = Callable[[str], str | None]
"""Gives a file's text, None where there is no such file."""


def render_files(ledger: Ledger) -> dict[str, str]:
    """Every file of the ledger, by path; a pure function of it."""
    years, _ = split(ledger.entries)
    files = {
        year_path(ledger.kind, year): _head(ledger.kind, year, kept, ledger.entries)
        + "".join(map(render_entry, kept))
        for year, kept in years.items()
    }
    return files | {LEDGERS[ledger.kind].path: render(ledger)}


def parse_files(kind: Kind, read: Read) -> Ledger:
    """Reads a ledger from its files: `render_files`' exact inverse.

    Raises InvalidInput as `parse` does, and LEDGER_REMOVED where the file of a year is gone.
    """
    text = read(LEDGERS[kind].path) or ""
    earlier: tuple[Entry, ...] = ()
    texts: dict[str, str] = {}
    for path in year_paths(kind, text):
        texts[path] = year = read(path) or ""
        refuse_line_ends(path, year)
        index_end = year.find(f"\n{INDEX_END}\n")
        if index_end < 0:
            gone = f"the main file names it, and it {'has no index' if year else 'is gone'}"
            raise InvalidInput(Reason("LEDGER_REMOVED", gone, "restore it from the commit before", path))
        reader = Reader(kind, path, year, index_end + len(INDEX_END) + 2)
        earlier, drafts = reader.blocks(earlier)
        if drafts:
            reader.refuse("LEDGER_MALFORMED", "a past year takes no drafts", "move it to the main file", 0)
        if reader.reasons:
            raise InvalidInput(*reader.reasons)
    ledger = parse(kind, text, earlier)
    heads = {
        year_path(kind, year): _head(kind, year, kept, ledger.entries)
        for year, kept in split(ledger.entries)[0].items()
    }
    for path, found in texts.items():
        # The entries below were compared with their rendering one by one.
        if not found.startswith(heads.get(path, "\0")):
            stale = "what is above its entries says other than they do"
            fix = "write nothing there by hand"
            raise InvalidInput(Reason("LEDGER_INDEX_STALE", stale, fix, path, 1))
    return ledger


def year_paths(kind: Kind, main: str) -> list[str]:
    """Files of past years that the main file's index names, oldest first."""
    start, end = main.find(f"{INDEX_START}\n"), main.find(f"\n{INDEX_END}\n")
    path = PurePosixPath(LEDGERS[kind].path)
    named = re.compile(rf"^\| \d{{4}} \| .*\]\(({re.escape(path.stem)}_\d{{4}}\.md)\)", re.MULTILINE)
    return sorted(str(path.with_name(found[1])) for found in named.finditer(main, max(start, 0), max(end, 0)))


def sources(ledger: Ledger) -> dict[str, str]:
    """The file that each entry is in, by id."""
    years, current = split(ledger.entries)
    files = [(year_path(ledger.kind, year), kept) for year, kept in years.items()]
    files.append((LEDGERS[ledger.kind].path, current))
    return {entry.entry_id: path for path, kept in files for entry in kept}


def _head(kind: Kind, year: int, kept: Sequence[Entry], ledger: Sequence[Entry]) -> str:
    """What is above the entries of a past year."""
    about = LEDGERS[kind]
    main = PurePosixPath(about.path).name
    preamble = f"# {about.heading}, {year:04}\n\n{about.purpose} Later entries are in [{main}]({main}).\n\n"
    return render_head(preamble, render_index(kind, kept, ledger))
