"""YAML documents: plain values with their lines, and nothing that a hostile document can break."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import AutopackError, InvalidInput
from autopack.policy.document import MAXIMUM_BYTES, compose, decode

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(10)
)


def refusal(text: str) -> tuple[str, int, str]:
    with pytest.raises(InvalidInput) as caught:
        compose(text, "doc.yaml")
    reason = caught.value.reasons[0]
    assert reason.path == "doc.yaml"
    assert reason.fix
    return reason.code, reason.line, reason.fix


def test_values_are_those_of_yaml_1_2_so_that_no_word_turns_into_a_boolean() -> None:
    value = compose(
        "on: no\nyes: off\n1: 012\ntime: 12:30\nnothing:\ntruth: true\nhalf: 0.5\nbig: 1e3", "d"
    ).value
    assert value == {
        "on": "no",
        "yes": "off",
        "1": "012",
        "time": "12:30",
        "nothing": None,
        "truth": True,
        "half": 0.5,
        "big": 1000.0,
    }


def test_quoted_words_are_text() -> None:
    assert compose("a: '1'\nb: \"true\"\nc: !!str 3", "d").value == {"a": "1", "b": "true", "c": "3"}


def test_every_value_remembers_its_line() -> None:
    node = compose("a: 1\nb:\n  - c\n  - d:\n      e: f\n", "d")
    assert node.line_of(("a",)) == 1
    assert node.line_of(("b", 1)) == 4
    assert node.line_of(("b", 1, "d", "e")) == 5
    assert node.line_of(("b", 1, "d", "missing")) == 4


def test_an_alias_gives_the_value_of_its_anchor() -> None:
    assert compose("a: &x [1, 2]\nb: *x", "d").value == {"a": (1, 2), "b": (1, 2)}


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("a: 1\na: 2\n", "DUPLICATE_KEY", 2),
        ("a: {b: 1,\n  b: 2}", "DUPLICATE_KEY", 2),
        ("a: [1\nb: 2", "YAML_INVALID", 2),
        ("a: 1\n---\nb: 2\n", "YAML_INVALID", 2),
        ("a: !!python/object:os.system {}", "YAML_INVALID", 1),
        ("a: *nothing", "YAML_INVALID", 1),
        ("a: &a [*a]", "YAML_INVALID", 1),
        ("[a, b]: 1", "YAML_INVALID", 1),
        ("a: \x01", "YAML_INVALID", 0),
        ("a: '\ud800'", "YAML_INVALID", 0),
        ("[" * 100_000, "DOCUMENT_TOO_COMPLEX", 1),
        ("{a: " * 50_000, "DOCUMENT_TOO_COMPLEX", 1),
        (BOMB, "DOCUMENT_TOO_COMPLEX", 6),
    ],
)
def test_what_is_refused_names_its_line(text: str, code: str, line: int) -> None:
    assert refusal(text)[:2] == (code, line)


def test_a_tab_is_named_as_what_it_is() -> None:
    assert refusal("a:\n\tb: 1") == ("YAML_INVALID", 2, "indent with spaces, never with tabs")


def test_a_missing_colon_is_told_where_it_is_missing() -> None:
    assert refusal("a: 1\ngoal\nb: 2")[1] == 2


def test_bytes_that_are_no_utf_8_are_refused_with_their_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(b"a: 1\nb: \xff", "p.yaml", "PLAN")
    assert (caught.value.reasons[0].code, caught.value.reasons[0].line) == ("NOT_UTF8", 2)


def test_a_document_over_the_limit_is_refused() -> None:
    assert decode(b"a" * MAXIMUM_BYTES, "p.yaml", "PLAN")
    with pytest.raises(InvalidInput) as caught:
        decode(b"a" * (MAXIMUM_BYTES + 1), "p.yaml", "PLAN")
    assert caught.value.reasons[0].code == "PLAN_TOO_LARGE"


@given(st.text(alphabet=st.characters() | st.sampled_from("{}[]:,-&*!|>'\"%@\n\t #ab"), max_size=60))
def test_no_text_raises_anything_but_our_own_errors(text: str) -> None:
    with suppress(AutopackError):
        compose(text, "d")
