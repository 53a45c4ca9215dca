"""Finds the marks of an unfinished merge, which builders leave behind when a patch went wrong."""

import re
from collections.abc import Sequence

from autopack.errors import Reason
from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit

_MARKERS = tuple(
    re.compile(mark, re.MULTILINE) for mark in (rb"^<{7}(?: |\r?$)", rb"^={7}\r?$", rb"^>{7}(?: |\r?$)")
)


def find_conflict_markers(store: GitStore, base: str, edits: Sequence[Edit]) -> tuple[Reason, ...]:
    """A reason for each file that gains conflict markers which it does not have in the base.

    All three marks have to be there in their order: one alone can be an underlined heading.
    """
    found = []
    for edit in edits:
        line = _marked_line(edit.contents or b"")
        if line and not _marked_line(_base_file(store, base, edit.path)):
            message = f"conflict markers from line {line} on"
            fix = "resolve the conflict and leave only the result"
            found.append(Reason("CONFLICT_MARKERS", message, fix, edit.path, line))
    return tuple(found)


def _marked_line(contents: bytes) -> int:
    """Line of the first complete set of markers, 0 if there is none."""
    start = position = 0
    for number, marker in enumerate(_MARKERS):
        match = marker.search(contents, position)
        if match is None:
            return 0
        position = match.end()
        start = start if number else match.start() + 1
    return contents.count(b"\n", 0, start) + 1


def _base_file(store: GitStore, base: str, path: str) -> bytes:
    entry = store.entry(base, path)
    return store.read_blob(entry.oid) if entry and entry.mode in (REGULAR, EXECUTABLE) else b""
