"""Text that reads otherwise than it runs is refused where the change brings it, and ordinary text is not."""

import pytest

from gate_svc.domain.change import SYMLINK, ChangedFile
from gate_svc.domain.content import refuse_contents


def added(path: str, contents: str | bytes) -> ChangedFile:
    data = contents.encode() if isinstance(contents, str) else contents
    return ChangedFile(path, 0, 0o100644, None, data)


def changed(path: str, old: str, new: str) -> ChangedFile:
    return ChangedFile(path, 0o100644, 0o100644, old.encode(), new.encode())


def found(file: ChangedFile) -> list[tuple[str, int]]:
    return [(reason.code, reason.line) for reason in refuse_contents(file)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("src/a.py", "x = 'na\u00efve \u4e2d\u6587 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \U0001f600'\n"),
        ("src/a.py", "\u0394t = 1\n\u03b1 = \u03c1_max = \u03bd = \u0441\u0443\u043c\u043c\u0430 = 2\n"),
        ("src/a.py", "x = 1\r\ny = 2\r\n"),
        ("src/a.py", "x = 1\n\x0c\ny = 2\n"),
        ("src/a.py", "\ufeffx = 1\n"),
        ("src/a.py", "family = '\U0001f468\u200d\U0001f469'\n"),
        ("docs/a.md", "a\u200bb \u00ad \u200f\n"),
        ("data/mac.txt", "a\rb\r"),
        ("\u0434\u043e\u043a\u0443\u043c\u0435\u043d\u0442\u044b/\u0444\u0430\u0439\u043b.md", "x\n"),
        ("docs/r\u00e9sum\u00e9.md", "x\n"),
        ("src/a.py", "# -*- coding: utf-8 -*-\nx = 1\n"),
        ("src/a.py", "#!/usr/bin/python\n# vim: set fileencoding=UTF8 :\nx = 1\n"),
        ("src/a.py", "x = 1\n\n\n# coding: rot13 is not said so far down\n"),
    ],
)
def test_ordinary_text_is_not_refused(path: str, text: str) -> None:
    assert found(added(path, text)) == []


@pytest.mark.parametrize(
    ("path", "text", "code", "line"),
    [
        ("a.py", "ok = 1\nx = '\u202e'\n", "BIDIRECTIONAL_TEXT", 2),
        ("README.md", "a \u2066b\n", "BIDIRECTIONAL_TEXT", 1),
        ("a.py", "# harmless\revil()\n", "HIDDEN_TEXT", 1),
        ("a.sh", "# harmless\u2028evil\n", "HIDDEN_TEXT", 1),
        ("a.js", "// harmless\u2028evil()\n", "HIDDEN_TEXT", 1),
        ("a.js", "const {a,\u3164} = b\n", "HIDDEN_TEXT", 1),
        ("a.py", "x = 1\ny = 'a\U000e0061b'\n", "HIDDEN_TEXT", 2),
        ("a.py", "x = '\u200b'\n", "HIDDEN_TEXT", 1),
        ("Makefile", "all: \u200b\n", "HIDDEN_TEXT", 1),
        ("requirements.txt", "a\rb\n", "HIDDEN_TEXT", 1),
        ("a.py", "x = 1\ndef \u0430dmin(): pass\n", "LOOK_ALIKE", 2),
        ("a.py", "\uff45val = 1\n", "LOOK_ALIKE", 1),
        ("a.py", "\u0441\u043e\u0440 = 1\n", "LOOK_ALIKE", 1),
        ("a.py", "if role == '\u0430dmin': pass\n", "LOOK_ALIKE", 1),
        ("a.go", "func check\u0410dmin() {}\n", "LOOK_ALIKE", 1),
        ("src/m\u0430ths.py", "x = 1\n", "LOOK_ALIKE", 0),
        ("t\u0435sts/a.txt", "x\n", "LOOK_ALIKE", 0),
    ],
)
def test_what_hides_or_deceives_is_refused_with_its_line(path: str, text: str, code: str, line: int) -> None:
    assert (code, line) in found(added(path, text))
    assert {each for each, _ in found(added(path, text))} == {code}


@pytest.mark.parametrize("mark", ["\u202e", "\u200b", "\r", "\u0430dmin", "\u2028"])
def test_what_the_base_has_is_not_this_changes_fault_and_more_of_it_is(mark: str) -> None:
    line = f"x = '{mark}' # \n"
    assert found(changed("a.sh", line, f"{line}y = 1\n")) == []
    assert found(changed("a.sh", line, f"y = 1\n{line}")) == []
    ((_, number),) = found(changed("a.sh", line, f"{line}{line}"))
    assert number == 2


@pytest.mark.parametrize(
    "cookie",
    ["utf-7", "latin-1", "rot13", "unicode_escape", "raw_unicode_escape", "cp1252", "idna", "utf-16"],
)
def test_a_coding_line_other_than_utf_8_is_refused(cookie: str) -> None:
    for head in ("# coding: {}\n", "#!/usr/bin/env python\n# -*- coding={} -*-\n", "#\r# coding: {}\r"):
        source = head.format(cookie) + "x = 1\n"
        assert "SOURCE_ENCODING" in {code for code, _ in found(added("a.py", source))} | _unparsable(source)


def _unparsable(source: str) -> set[str]:
    """Some encodings are none of text, or not one of Python's sources: then the file is not valid."""
    codes = {code for code, _ in found(added("a.py", source))}
    return {"SOURCE_ENCODING"} if "DOES_NOT_PARSE" in codes else set()


def test_a_coding_line_that_the_base_has_is_not_this_changes_fault() -> None:
    old = "# coding: latin-1\nx = 1\n"
    assert found(changed("a.py", old, f"{old}y = 2\n")) == []
    assert [code for code, _ in found(changed("a.py", old, "# coding: utf-7\nx = 1\n"))] == [
        "SOURCE_ENCODING"
    ]


def test_code_hidden_by_an_encoding_is_refused() -> None:
    """In UTF-7 this comment ends, and code follows; as UTF-8 it reads as one comment."""
    source = b"# coding: utf-7\nx = 1\n# +AAo-import os\n"
    assert [code for code, _ in found(added("a.py", source))] == ["SOURCE_ENCODING"]


def test_a_links_target_is_not_read_as_text() -> None:
    assert found(ChangedFile("a.py", 0, SYMLINK, None, "\u202e\r".encode())) == []
