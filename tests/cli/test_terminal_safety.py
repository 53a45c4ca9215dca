"""Text that nobody trusts cannot steer a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    ],
)
def test_what_steers_a_terminal_or_hides_is_shown(text: str, shown: str) -> None:
    assert neutralise(text) == shown


def test_one_line_stays_one_line() -> None:
    assert neutralise("a\nb\tc", one_line=True) == "a\\nb\\tc"


@given(st.text())
def test_nothing_but_line_feeds_and_tabs_is_left_unprintable(text: str) -> None:
    safe = neutralise(text)
    rest = safe.replace("\n", "").replace("\t", "")
    assert not {unicodedata.category(character) for character in rest} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert safe.encode("utf-8").decode() == safe
    assert neutralise(safe) == safe
