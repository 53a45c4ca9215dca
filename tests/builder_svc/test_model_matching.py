"""Finding quoted text in a file although the model's quotation drifted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from builder_svc.builders.model.matching import keep_newlines, replace_once

FILE = """\
def a():
    return 1


class B:
    def c(self):
        if self:
            return 2
        return 3
"""


def refusal(text: str, find: str) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as refused:
        replace_once("src/a.py", text, find, "x")
    (reason,) = refused.value.reasons
    assert reason.path == "src/a.py"
    return reason.code, reason.message


def test_an_exact_quotation_is_replaced() -> None:
    assert replace_once("a", FILE, "return 1", "return 10") == FILE.replace("return 1", "return 10")


def test_a_quotation_without_the_files_trailing_blanks_is_found() -> None:
    assert replace_once("a", "x = 1  \ny = 2\t\nz\n", "x = 1\ny = 2", "w = 3") == "w = 3\nz\n"


def test_a_quotation_with_another_indentation_is_found_and_the_replacement_takes_the_files() -> None:
    changed = replace_once(
        "a", FILE, "if self:\n    return 2\nreturn 3", "if not self:\n    return 4\nreturn 5"
    )
    assert changed == FILE.replace("if self:", "if not self:").replace("2", "4").replace("3", "5")


def test_a_quotation_with_too_much_indentation_is_found_too() -> None:
    assert replace_once("a", "a\nb\n", "    a\n    b\n", "    c\n      d\n") == "c\n  d\n"


def test_line_ends_of_the_file_are_kept() -> None:
    assert replace_once("a", "a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\n") == "x\r\ny\r\nc\r\n"
    assert replace_once("a", "  a\r\n  b\r\nc\r\n", "a\nb", "x\ny") == "  x\r\n  y\r\nc\r\n"
    assert replace_once("a", "a\nb\n", "a\r\nb\r\n", "x\r\ny\r\n") == "x\ny\n"


def test_a_last_line_without_end_stays_without() -> None:
    assert replace_once("a", "a\n  b", "b ", "c") == "a\n  c"
    assert replace_once("a", "a\r\n  b", "b ", "c\nd") == "a\r\n  c\r\n  d"


def test_lines_can_be_taken_out() -> None:
    assert replace_once("a", "a\n  b\nc\n", "b \n", "") == "a\nc\n"


@pytest.mark.parametrize("find", ["return", "    return 1\n\n\nclass"])
def test_a_quotation_that_is_there_more_than_once_is_ambiguous(find: str) -> None:
    code, message = refusal(FILE + FILE, find)
    assert code == "EDIT_AMBIGUOUS"
    assert "times" in message


def test_a_quotation_that_is_there_more_than_once_but_for_blanks_is_ambiguous() -> None:
    assert refusal("a \nx\na\t\nx\n", "a\nx")[0] == "EDIT_AMBIGUOUS"


def test_a_quotation_that_is_not_there_is_refused_with_the_nearest_text() -> None:
    code, message = refusal(FILE, "    def c(self):\n        if self.x:\n            return 2")
    assert code == "EDIT_DOES_NOT_APPLY"
    assert "        if self:\n" in message


@pytest.mark.parametrize("find", ["", "  \n "])
def test_an_empty_quotation_is_refused(find: str) -> None:
    assert refusal(FILE, find)[0] == "EDIT_DOES_NOT_APPLY"


def test_a_long_file_without_the_text_is_refused_quickly() -> None:
    assert refusal("same\n" * 200_000, "same\nother\n" * 2_000)[0] == "EDIT_DOES_NOT_APPLY"


lines = st.lists(st.sampled_from(["a", "  b", "\tc", "", "d  "]), min_size=1, max_size=8)


@given(lines, st.integers(0, 7), st.text(alphabet="xyz \n", max_size=10))
def test_a_unique_exact_line_is_always_replaced_and_nothing_else(
    before: list[str], at: int, new: str
) -> None:
    position = at % len(before)
    text = "\n".join([*before[:position], "UNIQUE", *before[position:]])
    assert replace_once("a", text, "UNIQUE", new) == text.replace("UNIQUE", new)


def test_a_rewritten_file_keeps_its_line_ends() -> None:
    assert keep_newlines("a\r\nb\r\n", "x\ny\n") == "x\r\ny\r\n"
    assert keep_newlines("a\r\nb\n", "x\n") == "x\n"
    assert keep_newlines("", "x\r\n") == "x\r\n"
