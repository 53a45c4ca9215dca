"""What is refused whatever the tests say, and what is not."""

import importlib
import sys
from pathlib import Path

import pytest

from gate_svc.domain.change import SYMLINK, ChangedFile, count_lines
from gate_svc.domain.content import refuse_contents


def added(path: str, contents: bytes) -> ChangedFile:
    return ChangedFile(path, 0, 0o100644, None, contents)


def changed(path: str, old: bytes, new: bytes) -> ChangedFile:
    return ChangedFile(path, 0o100644, 0o100644, old, new)


def codes(file: ChangedFile) -> list[str]:
    return [reason.code for reason in refuse_contents(file)]


@pytest.mark.parametrize(
    ("path", "contents"),
    [
        ("src/a.py", b"def f():\n    return 1\n"),
        ("docs/a.rst", b"Title\n=======\n\ntext\n"),
        ("docs/shift.md", b"<<<<<<< is how a conflict starts\n"),
        ("data/a.bin", b"\0\xff<<<<<<< a\n"),
        ("src/empty.py", b""),
        ("src/pytest_support.py", b"x = 1\n"),
        ("tests/pytest/a.py", b"x = 1\n"),
        ("docs/hebrew.md", "\u05d0\u200f!".encode()),
        ("notes.so.txt", b"x"),
    ],
)
def test_ordinary_files_are_not_refused(path: str, contents: bytes) -> None:
    assert codes(added(path, contents)) == []


def test_conflict_markers_are_refused_with_their_line() -> None:
    (reason,) = refuse_contents(added("a.txt", b"one\n<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n"))
    assert (reason.code, reason.path, reason.line) == ("CONFLICT_MARKERS", "a.txt", 2)


def test_conflict_markers_with_carriage_returns_are_refused() -> None:
    assert codes(added("a.txt", b"<<<<<<< ours\r\n=======\r\n>>>>>>> theirs\r\n")) == ["CONFLICT_MARKERS"]


def test_conflict_markers_that_the_base_has_are_not_this_changes_fault() -> None:
    old = b"<<<<<<< a\n=======\n>>>>>>> b\n"
    assert codes(changed("docs/merge.md", old, old + b"more\n")) == []


@pytest.mark.parametrize(
    "source",
    [b"def f(:\n", b"x = (\n", b"a" + b"()" * 100_000, b"# coding: nonsense\n", b"-" * 100_000],
)
def test_python_that_does_not_parse_is_refused(source: bytes) -> None:
    assert codes(added("src/a.py", source)) == ["DOES_NOT_PARSE"]


def test_python_that_did_not_parse_on_the_base_is_not_this_changes_fault() -> None:
    assert codes(changed("templates/a.py", b"{{ x }} y\n", b"{{ y }} z\n")) == []


def test_python_broken_by_the_change_is_refused_with_its_line() -> None:
    (reason,) = refuse_contents(changed("a.py", b"x = 1\n", b"x = 1\ny = (\n"))
    assert (reason.code, reason.line) == ("DOES_NOT_PARSE", 2)


@pytest.mark.parametrize(
    "path",
    [
        *("a.pyc", "x/B.PYC", "__pycache__/a.cpython-311.pyc", "lib/x.so", "x.abi3.so", "x.so.1.2", "x.pyd"),
        *("site/evil.pth", "a.egg-link", "a.egg-info/PKG-INFO", "a.egg-info", "v/a.dist-info/RECORD"),
        *("a-1.egg/EGG-INFO/PKG-INFO", "wheels/a-1-py3-none-any.whl"),
    ],
)
def test_compiled_and_installed_code_is_refused(path: str) -> None:
    assert codes(added(path, b"x")) == ["FORBIDDEN_FILE"]


@pytest.mark.parametrize(
    "contents",
    [
        Path(sys.executable).resolve().read_bytes()[:2000],
        importlib._bootstrap_external._code_to_timestamp_pyc(compile("x = 1", "a", "exec")),  # type: ignore[attr-defined]  # what py_compile writes
        b"MZ" + bytes(62) + bytes(100) + b"PE\0\0" + bytes(100),
    ],
    ids=["ELF", "bytecode", "PE"],
)
def test_compiled_code_is_known_by_what_it_is_too(contents: bytes) -> None:
    assert codes(added("assets/picture.png", bytes(contents))) == ["FORBIDDEN_FILE"]


@pytest.mark.parametrize("name", ["PNG", "zip"])
def test_other_binaries_are_not_refused(name: str) -> None:
    contents = {"PNG": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9, "zip": b"PK\x03\x04" + bytes(300)}[name]
    assert codes(added("assets/file", contents)) == []


@pytest.mark.parametrize(
    "path",
    [
        ".venv/lib/python3.11/a.py",
        "env/pyvenv.cfg",
        "x/lib/python3.11/site-packages/a/__init__.py",
        "node_modules/left-pad/index.js",
        ".tox/py311/a.py",
    ],
)
def test_a_committed_environment_is_refused(path: str) -> None:
    assert codes(added(path, b"x = 1\n")) == ["COMMITTED_ENVIRONMENT"]
    assert codes(changed(path, b"x = 1\n", b"x = 2\n")) == []


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [("a.json", b'{"a": 1}\n', b'{"a": 1,}\n'), ("pyproject.toml", b"[a]\n", b"[a\n")],
)
def test_what_the_change_makes_unreadable_is_refused(path: str, good: bytes, bad: bytes) -> None:
    assert codes(changed(path, good, bad)) == ["DOES_NOT_PARSE"]
    assert codes(changed(path, bad, bad + b"\n")) == []
    assert codes(added(path, bad)) == []  # a dialect, or a test's example
    assert codes(changed(path, good, good + b"\n")) == []


@pytest.mark.parametrize("source", [b"x = 1\0\n", b"x = 1\n" * 2000 + b"\0 = 2\n", b"# \0\nevil()\n"])
def test_python_with_nul_bytes_is_refused(source: bytes) -> None:
    assert codes(added("src/a.py", source)) == ["DOES_NOT_PARSE"]


def test_taking_compiled_code_away_is_welcome() -> None:
    assert codes(ChangedFile("a.pyc", 0o100644, 0, b"x", None)) == []


def test_text_that_reads_otherwise_than_it_runs_is_refused() -> None:
    (reason,) = refuse_contents(added("a.py", "ok = 1\nx = '\u202e'\n".encode()))
    assert (reason.code, reason.line) == ("BIDIRECTIONAL_TEXT", 2)


def test_a_symbolic_link_is_not_read_as_text() -> None:
    assert codes(ChangedFile("a.py", 0, SYMLINK, None, b"def (")) == []


def test_lines_that_only_moved_are_not_counted() -> None:
    counts = count_lines(changed("a", b"1\n2\n3\n", b"3\n1\n2\n4\n"))
    assert (counts.added, counts.deleted) == (1, 0)


def test_lines_of_a_new_a_deleted_and_a_binary_file() -> None:
    assert count_lines(added("a", b"1\n1\n")).added == 2
    assert count_lines(ChangedFile("a", 0o100644, 0, b"1\n2\n", None)).deleted == 2
    assert count_lines(added("a", b"\0" * 50)).added == 0
