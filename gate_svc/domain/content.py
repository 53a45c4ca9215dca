"""What is refused whatever the tests say: contents and kinds of files that have no place in a change."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from autopack.errors import Reason
from gate_svc.domain.change import SUBMODULE, SYMLINK, ChangedFile

PARSE_LIMIT = 1_000_000
"""Bytes of a Python file; a larger one is data, and is left to the checks."""

_COMPILED = frozenset((".pyc", ".pyo", ".pyd", ".so", ".dll", ".dylib", ".pth"))
_INSTALLED = (".egg-info", ".dist-info")

_RUNNERS = frozenset(
    ("pytest", "_pytest", "pluggy", "unittest", "autopack_pytest", "sitecustomize", "usercustomize")
)
"""Modules that run the tests: at the root of a repository one of these names comes before the real one."""

_CONFLICT_START = re.compile(rb"^<{7}(?: .*)?\r?$", re.MULTILINE)
_CONFLICT_END = re.compile(rb"^>{7}(?: .*)?\r?$", re.MULTILINE)
# Marks that set the direction of one letter are ordinary in right-to-left text; these reorder what follows.
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")


def refuse_contents(file: ChangedFile) -> Iterator[Reason]:
    """Why this file may not land as it is."""
    for rule in _RULES:
        if reason := rule(file):
            yield reason


def _artefact(file: ChangedFile) -> Reason | None:
    if file.deleted:
        return None
    path = PurePosixPath(file.path.lower())
    installed = any(part.endswith(_INSTALLED) for part in path.parts)
    if path.suffix not in _COMPILED and not installed:
        return None
    return Reason(
        "FORBIDDEN_FILE",
        f"compiled or installed code ({path.suffix or path.name}) that nobody can review",
        "build it where it is used, and leave it out of the repository",
        path=file.path,
    )


def _shadow(file: ChangedFile) -> Reason | None:
    if not file.added:
        return None
    parts = [part.lower() for part in PurePosixPath(file.path).parts]
    first = parts[1] if parts[0] in ("src", "lib") and len(parts) > 1 else parts[0]
    if first.removesuffix(".py") not in _RUNNERS:
        return None
    return Reason(
        "SHADOWS_RUNNER",
        f"{first} would be imported in place of what runs the tests",
        "give it another name",
        path=file.path,
    )


def _conflict(file: ChangedFile) -> Reason | None:
    if not file.has_text or file.new is None:
        return None
    start, end = _CONFLICT_START.search(file.new), _CONFLICT_END.search(file.new)
    if not start or not end or _had(file, lambda old: bool(_CONFLICT_START.search(old))):
        return None
    return Reason(
        "CONFLICT_MARKERS",
        "markers of an unresolved merge",
        "resolve the conflict",
        path=file.path,
        line=_line(file.new, start.start()),
    )


def _unparsable(file: ChangedFile) -> Reason | None:
    if not file.path.endswith((".py", ".pyi")) or not file.has_text or file.new is None:
        return None
    line = _syntax_error(file.new)
    if line is None or _had(file, lambda old: _syntax_error(old) is not None):
        return None
    return Reason("DOES_NOT_PARSE", "this is not valid Python", "mend the syntax", path=file.path, line=line)


def _bidirectional(file: ChangedFile) -> Reason | None:
    if not file.has_text or file.new is None:
        return None
    text = file.new.decode(errors="replace")
    found = _BIDIRECTIONAL.search(text)
    if found is None or _had(file, lambda old: bool(_BIDIRECTIONAL.search(old.decode(errors="replace")))):
        return None
    return Reason(
        "BIDIRECTIONAL_TEXT",
        f"a control character (U+{ord(found.group()):04X}) makes text read otherwise than it runs",
        "write it as an escape sequence",
        path=file.path,
        line=text.count("\n", 0, found.start()) + 1,
    )


def _syntax_error(source: bytes) -> int | None:
    """The line of the first syntax error (0 where none is named), or None."""
    if len(source) > PARSE_LIMIT:
        return None
    try:
        ast.parse(source)
    except SyntaxError as error:
        return error.lineno or 0
    except (ValueError, RecursionError, MemoryError):
        return 0
    return None


def _had(file: ChangedFile, fault: Callable[[bytes], bool]) -> bool:
    """Whether the base has the fault already: then it is not this change's."""
    return file.old is not None and file.old_mode not in (SYMLINK, SUBMODULE) and fault(file.old)


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


_RULES: tuple[Callable[[ChangedFile], Reason | None], ...] = (
    _artefact,
    _shadow,
    _conflict,
    _unparsable,
    _bidirectional,
)
