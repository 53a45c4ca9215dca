"""Answers of models: read through drift, refused with a code where they are not whole edits."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from builder_svc.builders.model.answer import ANSWER_SCHEMA, Delete, Replace, Write, parse_answer

EDITS: dict[str, list[dict[str, Any]]] = {
    "edits": [
        {"path": "a.py", "find": "one\n", "replace": "two {[\n"},
        {"path": "b.py", "contents": "x = '```' é\n"},
        {"path": "c.py", "delete": True},
    ]
}
PARSED = (Replace("a.py", "one\n", "two {[\n"), Write("b.py", "x = '```' é\n"), Delete("c.py"))
PLAIN = json.dumps(EDITS)


def code_of(text: str, *, cut_off: bool = False) -> str:
    with pytest.raises(InvalidInput) as refused:
        parse_answer(text, cut_off=cut_off)
    assert refused.value.reasons[0].message
    assert refused.value.reasons[0].fix
    return refused.value.reasons[0].code


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"```json\n{json.dumps(EDITS, indent=2)}\n```",
        f"```\n{PLAIN}\n```\nThis fixes {{the}} bug [1].",
        f"Sure! Here are the edits for f(x) = {{x}}:\n\n{PLAIN}",
        f'<think>maybe {{"edits": [1]}} or not</think>\n{PLAIN}',
        json.dumps(EDITS["edits"]),
        f"{PLAIN}\n{PLAIN}",
        PLAIN.replace("\\n", "\n"),
        json.dumps({**EDITS, "explanation": "because"}),
        json.dumps({"edits": [edit | {"delete": edit.get("delete", False)} for edit in EDITS["edits"]]}),
        json.dumps({"edits": [edit | {"note": None} for edit in EDITS["edits"]]}),
    ],
    ids=[
        "plain",
        "fenced",
        "fenced and explained",
        "with words before",
        "after thinking",
        "bare list",
        "said twice",
        "raw line breaks in strings",
        "with an extra key",
        "delete spelled out as false",
        "nulls for what is absent",
    ],
)
def test_edits_are_read_through_what_models_put_around_them(text: str) -> None:
    assert parse_answer(text, cut_off=False) == PARSED


def test_a_complete_answer_counts_even_if_the_server_cut_off_what_followed() -> None:
    assert parse_answer(PLAIN + "\nNow let me exp", cut_off=True) == PARSED


@given(st.integers(min_value=len('{"edits"'), max_value=len(PLAIN) - len("]}")))
def test_an_answer_that_breaks_off_before_its_list_ends_is_refused_whole_as_truncated(length: int) -> None:
    assert code_of(PLAIN[:length]) == "MODEL_ANSWER_TRUNCATED"


@pytest.mark.parametrize("text", ["", "Sure, I will", "```json\n{"])
def test_any_answer_without_edits_is_truncated_if_the_server_says_so(text: str) -> None:
    assert code_of(text, cut_off=True) == "MODEL_ANSWER_TRUNCATED"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot do that.",
        "null",
        '{"changes": []}',
        '{"edits": {"path": "a"}}',
        '{"edits": ["a.py"]}',
        '{"edits": [{"contents": "x"}]}',
        '{"edits": [{"path": "", "contents": "x"}]}',
        '{"edits": [{"path": 7, "contents": "x"}]}',
        '{"edits": [{"path": "a"}]}',
        '{"edits": [{"path": "a", "contents": 7}]}',
        '{"edits": [{"path": "a", "find": "x"}]}',
        '{"edits": [{"path": "a", "find": "x", "replace": "y", "contents": "z"}]}',
        '{"edits": [{"path": "a", "contents": "z", "delete": true}]}',
        '{"edits": [{"path": "a", "delete": "yes"}]}',
        '{"edits": [{"path": "a", "delete": false}]}',
        '{"edits": [{"path": "a", "contents": "1"}]} {"edits": [{"path": "a", "contents": "2"}]}',
        '{"edits": [{"path": "a" "contents": "1"}]}',
        json.dumps({"edits": [{"path": "a", "contents": "x"}] * 1001}),
        "[" * 100_000,
        '{"a":' * 100_000,
        "{" * 1_000_000,
    ],
)
def test_anything_else_is_refused_as_invalid(text: str) -> None:
    assert code_of(text) == "MODEL_ANSWER_INVALID"


def test_no_edits_are_no_change() -> None:
    assert code_of('{"edits": []}') == "NO_CHANGE"


@given(st.text(max_size=300), st.booleans())
def test_no_text_does_more_than_be_refused(text: str, cut_off: bool) -> None:
    refused = None
    try:
        parse_answer(text, cut_off=cut_off)
    except InvalidInput as error:
        refused = error.reasons[0].code
    assert refused in {None, "MODEL_ANSWER_TRUNCATED", "MODEL_ANSWER_INVALID", "NO_CHANGE"}


def test_the_schema_is_within_what_strict_servers_take() -> None:
    def closed(schema: object) -> None:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                assert schema["additionalProperties"] is False
                assert schema["required"] == list(schema["properties"])
            for part in schema.values():
                closed(part)
        elif isinstance(schema, list):
            for part in schema:
                closed(part)

    closed(ANSWER_SCHEMA)
