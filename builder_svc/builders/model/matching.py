"""Finds the text that a model quoted in the file that it meant, through drift of blanks and line ends."""

import difflib
import textwrap
from collections.abc import Callable

from autopack.errors import InvalidInput, Reason

NEAREST_LINES = 12
"""Lines of the file shown in a refusal, where the quoted text nearly is."""
MAXIMUM_LINES_COMPARED = 5_000
"""Lines of a file in which the nearest text is searched."""
MAXIMUM_CANDIDATES = 1_000
"""Places looked at closely where lines agree but for blanks."""
MAXIMUM_LINES_SOUGHT = 200
"""Lines of the quoted text that are searched for; the search takes the product of both."""


def replace_once(path: str, text: str, find: str, replacement: str) -> str:
    """The text with the one place that `find` quotes replaced.

    Tried in this order: as it is (with the file's line ends); line by line without trailing
    blanks; line by line with another indentation, which the replacement then takes on.

    Raises InvalidInput: EDIT_DOES_NOT_APPLY, EDIT_AMBIGUOUS.
    """
    newline = "\r\n" if "\r\n" in text else "\n"
    find, replacement = _with_newline(find, newline), _with_newline(replacement, newline)
    if not find.strip():
        raise _does_not_apply(path, "`find` is empty", "quote the text to replace, or give `contents`")
    if (count := text.count(find)) == 1:
        return text.replace(find, replacement)
    if count > 1:
        raise _ambiguous(path, count)
    lines, wanted = text.split("\n"), _trimmed(find.split("\n"))
    for alike in (_same_text, _same_but_indented):
        places = _places(lines, wanted, alike)
        if len(places) > 1:
            raise _ambiguous(path, len(places))
        if places:
            start, end = places[0], places[0] + len(wanted)
            new = [line.rstrip("\r") for line in _trimmed(replacement.split("\n"))]
            new = [line + newline.rstrip("\n") for line in _reindented(new, wanted, lines[start:end])]
            if new and end == len(lines):  # the last line has no end to keep
                new[-1] = new[-1].rstrip("\r")
            return "\n".join([*lines[:start], *new, *lines[end:]])
    raise _does_not_apply(
        path, f"`find` is not in the file; the nearest text is\n{_nearest(lines, wanted)}", "quote it exactly"
    )


def keep_newlines(before: str, after: str) -> str:
    """`after` with CRLF line ends where `before` had nothing else: a model should not rewrite every line."""
    only_crlf = "\n" in before and before.count("\n") == before.count("\r\n")
    return _with_newline(after, "\r\n") if only_crlf else after


def _with_newline(text: str, newline: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", newline)


def _trimmed(lines: list[str]) -> list[str]:
    """Without blank lines at either end."""
    filled = [number for number, line in enumerate(lines) if line.strip()]
    return lines[filled[0] : filled[-1] + 1] if filled else []


def _same_text(found: list[str], wanted: list[str]) -> bool:
    return all(one.rstrip() == other.rstrip() for one, other in zip(found, wanted, strict=True))


def _same_but_indented(found: list[str], wanted: list[str]) -> bool:
    return _dedented(found) == _dedented(wanted)


def _dedented(lines: list[str]) -> list[str]:
    return textwrap.dedent("\n".join(line.rstrip() for line in lines)).split("\n")


def _places(lines: list[str], wanted: list[str], alike: Callable[[list[str], list[str]], bool]) -> list[int]:
    """Numbers of the lines where the wanted ones start; candidates are found by one linear search."""
    text, sought = ("\n".join(["", *(line.strip() for line in part), ""]) for part in (lines, wanted))
    found: list[int] = []
    position, number = 0, 0
    for _ in range(MAXIMUM_CANDIDATES):
        at = text.find(sought, position)
        if at < 0:
            break
        number, position = number + text.count("\n", position, at + 1), at + 1
        if alike(lines[number - 1 : number - 1 + len(wanted)], wanted):
            found.append(number - 1)
    return found


def _indentation(lines: list[str]) -> str:
    first = next((line for line in lines if line.strip()), "")
    return first[: len(first) - len(first.lstrip())]


def _reindented(new: list[str], wanted: list[str], found: list[str]) -> list[str]:
    """The replacement moved by as much as the quoted text stood elsewhere than the file's."""
    was, now = _indentation(wanted), _indentation(found)
    if was == now:
        return new
    return [now + line.removeprefix(was) if line.strip() and line.startswith(was) else line for line in new]


def _nearest(lines: list[str], wanted: list[str]) -> str:
    """The stretch of the file that shares most with the wanted text, for the next attempt to quote from."""
    compared = [line.strip() for line in lines[:MAXIMUM_LINES_COMPARED]]
    sought = [line.strip() for line in wanted[:MAXIMUM_LINES_SOUGHT]]
    matcher = difflib.SequenceMatcher(None, compared, sought, autojunk=False)
    match = matcher.find_longest_match()
    if match.size:
        start = match.a - match.b
    else:
        close = difflib.get_close_matches(sought[0], compared, 1, 0.5)
        start = compared.index(close[0]) if close else 0
    start = max(0, start - 1)
    return "\n".join(line.rstrip() for line in lines[start : start + min(len(wanted) + 2, NEAREST_LINES)])


def _ambiguous(path: str, count: int) -> InvalidInput:
    return InvalidInput(
        Reason("EDIT_AMBIGUOUS", f"`find` is in the file {count} times", "quote more lines around it", path)
    )


def _does_not_apply(path: str, message: str, fix: str) -> InvalidInput:
    return InvalidInput(Reason("EDIT_DOES_NOT_APPLY", message, fix, path))
