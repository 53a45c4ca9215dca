"""Text that nobody trusts cannot steer a terminal."""

import contextlib
import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.cli.markdown_summary import escaped
from autopack.cli.outcome import print_json
from autopack.cli.terminal import neutralise


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ünïcode 漢字 and 😀", "plain text, ünïcode 漢字 and 😀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("over\rwritten", "over\\rwritten"),
        ("user\u202etxt.exe", "user\\u202etxt.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028separator", "line\\u2028separator"),
        ("\udcff", "\\udcff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("::add-mask::x", "\\::add-mask::x"),
        ("one\n  ::set-output name=a::b", "one\n\\  ::set-output name=a::b"),
        ("tests/test_a.py::test_b", "tests/test_a.py::test_b"),
        ("a ##[add-mask]x", "a \\x23#[add-mask]x"),
        ("###[error]x", "#\\x23#[error]x"),
        ("##vso[task.setvariable variable=a]b", "\\x23#vso[task.setvariable variable=a]b"),
        ("## a heading", "## a heading"),
    ],
)
def test_what_steers_a_terminal_or_hides_is_shown(text: str, shown: str) -> None:
    assert neutralise(text) == shown


def test_one_line_stays_one_line() -> None:
    assert neutralise("a\nb\tc", one_line=True) == "a\\nb\\tc"


COMMAND = re.compile(r"^\s*::|##(\[|vso\[|teamcity\[)", re.MULTILINE)


@given(
    st.lists(st.sampled_from(["::", "##", "#", "[", "vso[", "teamcity[", "\n", " ", "\t", "\x0b", "a"])).map(
        "".join
    )
)
def test_no_ci_system_finds_a_command(text: str) -> None:
    safe = neutralise(text)
    assert not COMMAND.search(safe)
    assert neutralise(safe) == safe
    assert not COMMAND.search(escaped(text))


@given(st.lists(st.sampled_from(["##", "#", "[", "vso[", "\n::", "a"])).map("".join))
def test_nor_in_json_which_stays_what_it_was(text: str) -> None:
    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        print_json("test", {"text": text, "list": [text]})
    assert not COMMAND.search(written.getvalue())
    assert json.loads(written.getvalue()) == {"schema": "test/v1alpha1", "text": text, "list": [text]}


@pytest.mark.parametrize(
    "text",
    ["<img src=x>", "[a](http://x)", "a | b", "`code`", "**bold**", "# title", "@everyone", "a\n\n# b"],
)
def test_markdown_shows_names_as_they_are(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert not re.search(r"(?<!\\)[\[\]|`*#@]|<", shown.replace("\\\\", ""))


@given(st.text())
def test_nothing_but_line_feeds_and_tabs_is_left_unprintable(text: str) -> None:
    safe = neutralise(text)
    rest = safe.replace("\n", "").replace("\t", "")
    assert not {unicodedata.category(character) for character in rest} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert safe.encode("utf-8").decode() == safe
    assert neutralise(safe) == safe
