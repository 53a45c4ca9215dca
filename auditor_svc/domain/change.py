"""A change as analyzers see it: the files that it touches, at both versions."""

import re
from dataclasses import dataclass

from auditor_svc.domain.findings import Unread

_PYTHON_SUFFIXES = (".py", ".pyi", ".pyw")
_PYTHON_SHEBANG = re.compile(rb"#![^\n]{0,200}\bpython")
_BINARY_PROBE_BYTES = 8000
_TEST_PATH = re.compile(r"(^|/)(tests?|testing)/|(^|/)(test_[^/]*|[^/]*_test|conftest)\.py$")


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One regular file that the change writes."""

    path: str
    """Path in the head."""
    new: bytes
    """Contents in the head."""
    old_path: str = ""
    """Path in the base: another one after a rename, empty for a new file."""
    old: bytes | None = None
    """Contents in the base; None for a new file."""

    @property
    def is_python(self) -> bool:
        return is_python(self.path, self.new)

    @property
    def is_binary(self) -> bool:
        return is_binary(self.new)


@dataclass(frozen=True, slots=True)
class Change:
    """What the head adds to the base."""

    base: str
    head: str
    files: tuple[ChangedFile, ...]
    unread: tuple[Unread, ...] = ()


def is_python(path: str, contents: bytes) -> bool:
    return path.endswith(_PYTHON_SUFFIXES) or bool(_PYTHON_SHEBANG.match(contents))


def is_binary(contents: bytes) -> bool:
    """Whether git would call it binary: a NUL near the start, unless a mark says UTF-16."""
    probe = contents[:_BINARY_PROBE_BYTES]
    return b"\0" in probe and not probe.startswith((b"\xff\xfe", b"\xfe\xff"))


def decode(contents: bytes) -> str:
    """The text that people would read, its lines ended by one newline each; bytes that are no text
    become replacement characters.
    """
    encoding = "utf-16" if contents.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return contents.decode(encoding, errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def is_test_path(path: str) -> bool:
    return bool(_TEST_PATH.search(path))
