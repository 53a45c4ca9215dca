"""What is refused whatever the tests say, and what is not."""

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
    ["a.pyc", "x/B.PYC", "lib/x.so", "x.pyd", "site/evil.pth", "a.egg-info/PKG-INFO", "v/a.dist-info/RECORD"],
)
def test_compiled_and_installed_code_is_refused(path: str) -> None:
    assert codes(added(path, b"x")) == ["FORBIDDEN_FILE"]


def test_taking_compiled_code_away_is_welcome() -> None:
    assert codes(ChangedFile("a.pyc", 0o100644, 0, b"x", None)) == []


@pytest.mark.parametrize(
    "path", ["pytest.py", "_pytest/__init__.py", "unittest/case.py", "src/pytest.py", "autopack_pytest.py"]
)
def test_what_hides_the_test_runner_is_refused(path: str) -> None:
    assert codes(added(path, b"x = 1\n")) == ["SHADOWS_RUNNER"]


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
