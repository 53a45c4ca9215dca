"""Applies the hunks of a diff to the contents of one file, exactly."""

from collections.abc import Sequence

from autopack.gitstore.patch_format import Hunk

MAXIMUM_SEARCHES = 200
"""Hunks of a file that may stand elsewhere than they say: each is looked for in the rest of the file."""


class HunkMismatch(Exception):
    """A hunk that does not fit; `line` is that of the file, from 1."""

    def __init__(self, hunk: Hunk, line: int, message: str) -> None:
        super().__init__(message)
        self.hunk = hunk
        self.line = line
        self.message = message


def apply_hunks(data: bytes, hunks: Sequence[Hunk]) -> bytes:
    """The contents after all hunks. Raises HunkMismatch.

    A hunk may stand at another line than it says if its old lines are at exactly one place after the
    hunk before it. A diff without carriage returns fits a file where every line has one.
    """
    lines = _lines(data)
    add_returns = _wants_returns(lines, hunks)
    result: list[bytes] = []
    done = offset = searches = 0
    for hunk in hunks:
        old, new = hunk.old, hunk.new
        if add_returns:
            old, new = (list(map(_with_return, part)) for part in (old, new))
        # An insertion names the line before it.
        start = hunk.old_start - 1 + offset if old else hunk.old_start + offset
        if start < done or lines[start : start + len(old)] != old or start > len(lines):
            searches += 1
            start = _search(lines, done, old, hunk, start, searches)
            offset = start - (hunk.old_start - 1)
        result += lines[done:start]
        result += new
        done = start + len(old)
    result += lines[done:]
    if any(not line.endswith(b"\n") for line in result[:-1]):
        last = hunks[-1]
        raise HunkMismatch(last, len(result), "a line without a line end would not be the last one")
    return b"".join(result)


def _lines(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _wants_returns(lines: Sequence[bytes], hunks: Sequence[Hunk]) -> bool:
    return (
        bool(lines)
        and all(line.endswith(b"\r\n") for line in lines[:-1] or lines)
        and not any(b"\r" in line for hunk in hunks for line in (*hunk.old, *hunk.new))
    )


def _with_return(line: bytes) -> bytes:
    return line[:-1] + b"\r\n" if line.endswith(b"\n") else line


def _search(
    lines: Sequence[bytes], done: int, old: Sequence[bytes], hunk: Hunk, start: int, searches: int
) -> int:
    """The one place from line `done` on (from 0) where a hunk's old lines are."""
    wanted = b"".join(old)
    places: list[int] = []
    if wanted and searches <= MAXIMUM_SEARCHES:
        rest = b"\n" + b"".join(lines[done:])
        # The line end before it makes a match start with a line; its own, or the file's end, ends it.
        at = rest.find(b"\n" + wanted)
        while at >= 0 and len(places) < 3:
            if wanted.endswith(b"\n") or at + 1 + len(wanted) == len(rest):
                places.append(done + rest.count(b"\n", 0, at))
            at = rest.find(b"\n" + wanted, at + 1)
    if len(places) == 1:
        return places[0]
    if places:
        numbers = ", ".join(str(place + 1) for place in places)
        raise HunkMismatch(hunk, places[0] + 1, f"its old lines are at more than one place: lines {numbers}")
    raise _mismatch(lines, old, hunk, max(start, 0))


def _mismatch(lines: Sequence[bytes], old: Sequence[bytes], hunk: Hunk, start: int) -> HunkMismatch:
    """Says where a hunk and the file part, at the place that the hunk names."""
    for index, expected in enumerate(old):
        found = lines[start + index] if start + index < len(lines) else None
        if found != expected:
            shown = "the end of the file" if found is None else _shown(found)
            return HunkMismatch(hunk, start + index + 1, f"{_shown(expected)} expected, {shown} found")
    return HunkMismatch(hunk, start + 1, f"the file has {len(lines)} lines")


def _shown(line: bytes) -> str:
    text = line.decode(errors="replace")
    return repr(text if len(text) <= 120 else text[:117] + "...")
