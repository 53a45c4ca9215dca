"""What is refused whatever the tests say: contents and kinds of files that have no place in a change."""

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from autopack.errors import Reason
from gate_svc.domain.change import SUBMODULE, SYMLINK, ChangedFile
from gate_svc.domain.hidden_text import refuse_hidden_text

PARSE_LIMIT = 1_000_000
"""Bytes of a file; a larger one is data, and is left to the checks."""

_COMPILED = re.compile(r".*\.(py[cod]|so(\.[0-9.]+)?|dll|dylib|pth|egg-link|egg|whl)")
_MACHINE_CODE = re.compile(
    rb"\x7fELF|\xfe\xed\xfa[\xce\xcf]|[\xce\xcf]\xfa\xed\xfe|MZ[\s\S]{58}[\s\S]{0,1000}PE\0\0"
)
_BYTECODE = re.compile(rb"[\x00-\xff][\x0b-\x0f]\r\n[\x00-\x03]\0\0\0[\s\S]{8}[\xe3\x63]")
"""Python's magic number (3.0 to 3.15), flags, time and size, and a code object."""
_INSTALLED = (".egg-info", ".dist-info", ".egg")
_ENVIRONMENT = frozenset(
    (
        ".venv",
        ".tox",
        ".nox",
        "site-packages",
        "dist-packages",
        "node_modules",
        "__pypackages__",
        "conda-meta",
    )
)

_CONFLICT_START = re.compile(rb"^<{7}(?: .*)?\r?$", re.MULTILINE)
_CONFLICT_END = re.compile(rb"^>{7}(?: .*)?\r?$", re.MULTILINE)


def refuse_contents(file: ChangedFile) -> Iterator[Reason]:
    """Why this file may not land as it is."""
    for rule in _RULES:
        if reason := rule(file):
            yield reason
    yield from refuse_hidden_text(file)


def _artefact(file: ChangedFile) -> Reason | None:
    if file.deleted:
        return None
    path = PurePosixPath(file.path.lower())
    compiled = _COMPILED.fullmatch(path.name) or (
        file.new is not None
        and file.new_mode not in (SYMLINK, SUBMODULE)
        and (_MACHINE_CODE.match(file.new) or _BYTECODE.match(file.new))
    )
    if not compiled and not any(part.endswith(_INSTALLED) for part in path.parts):
        return None
    return Reason(
        "FORBIDDEN_FILE",
        f"compiled or installed code ({path.suffix or path.name}) that nobody can review",
        "build it where it is used, and leave it out of the repository",
        path=file.path,
    )


def _environment(file: ChangedFile) -> Reason | None:
    parts = PurePosixPath(file.path.lower()).parts
    if not file.added or not (_ENVIRONMENT.intersection(parts) or parts[-1] == "pyvenv.cfg"):
        return None
    return Reason(
        "COMMITTED_ENVIRONMENT",
        "installed packages, which nobody can review",
        "leave them out of the repository; `environment.setup` in autopack.yaml installs what checks need",
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
    """Python must be valid; other formats, of which there are dialects, must not become invalid."""
    if file.new is None or file.new_mode in (0, SYMLINK, SUBMODULE):
        return None
    suffix = PurePosixPath(file.path).suffix
    if suffix in (".py", ".pyi"):
        line = _syntax_error(file.new)
        if line is None or _had(file, lambda old: _syntax_error(old) is not None):
            return None
        return Reason(
            "DOES_NOT_PARSE", "this is not valid Python", "mend the syntax", path=file.path, line=line
        )
    reads = _READERS.get(suffix)
    if reads is None or reads(file.new) or not _had(file, reads):
        return None
    message = f"this is not valid {suffix[1:].upper()} any more"
    return Reason("DOES_NOT_PARSE", message, "mend the syntax", path=file.path)


def _syntax_error(source: bytes) -> int | None:
    """The line of the first syntax error (0 where none is named), or None."""
    if b"\0" in source:
        return source.count(b"\n", 0, source.index(b"\0")) + 1  # Python's versions read on in several ways
    if len(source) > PARSE_LIMIT:
        return None
    try:
        ast.parse(source)
    except SyntaxError as error:
        return error.lineno or 0
    except (ValueError, RecursionError, MemoryError):
        return 0
    return None


def _reads_json(data: bytes) -> bool:
    return _reads(data, lambda text: json.loads(text))


def _reads_toml(data: bytes) -> bool:
    return _reads(data, lambda text: tomllib.loads(text))


def _reads(data: bytes, read: Callable[[str], object]) -> bool:
    if len(data) > PARSE_LIMIT:
        return True
    try:
        read(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


_READERS: dict[str, Callable[[bytes], bool]] = {".json": _reads_json, ".toml": _reads_toml}


def _had(file: ChangedFile, fault: Callable[[bytes], bool]) -> bool:
    """Whether the base has the fault already: then it is not this change's."""
    return file.old is not None and file.old_mode not in (SYMLINK, SUBMODULE) and fault(file.old)


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


_RULES: tuple[Callable[[ChangedFile], Reason | None], ...] = (
    _artefact,
    _environment,
    _conflict,
    _unparsable,
)
