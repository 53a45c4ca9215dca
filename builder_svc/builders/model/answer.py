"""What a model answered, read tolerantly and judged strictly: edits, or a code for what is wrong with it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autopack.errors import InvalidInput, Reason

MAXIMUM_EDITS = 1000
MAXIMUM_STARTS = 200
"""Opening braces tried as the start of the answer; bounds the work on hostile text."""

_THINKING = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_CUT_WORDS = ("true", "false", "null")
_DECODER = json.JSONDecoder(strict=False)  # small models put raw line breaks into strings


@dataclass(frozen=True, slots=True)
class Replace:
    """Swap the one occurrence of `find` in a file."""

    path: str
    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Write:
    """Give a file whole."""

    path: str
    contents: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a file."""

    path: str


ProposedEdit = Replace | Write | Delete


def _shape(**fields: object) -> dict[str, object]:
    properties = {"path": {"type": "string"}, **fields}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string"}
ANSWER_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "edits": {
            "type": "array",
            "items": {
                "anyOf": [
                    _shape(find=_TEXT, replace=_TEXT),
                    _shape(contents=_TEXT),
                    _shape(delete={"type": "boolean", "enum": [True]}),
                ]
            },
        }
    },
    "required": ["edits"],
    "additionalProperties": False,
}
"""JSON schema of the answer, in the subset that servers' strict modes take."""


def parse_answer(text: str, *, cut_off: bool) -> tuple[ProposedEdit, ...]:
    """The edits that an answer proposes; `cut_off` says that the server stopped it at the token limit.

    Reads through code fences, words around the JSON and a thinking preamble. An answer that
    breaks off is refused whole: half of a change is not the change that was meant.

    Raises InvalidInput: MODEL_ANSWER_TRUNCATED, MODEL_ANSWER_INVALID, NO_CHANGE.
    """
    text = _THINKING.sub("", text)
    answers: list[list[Any]] = []
    for value in _documents(text):
        edits = value.get("edits") if isinstance(value, dict) else value
        if isinstance(edits, list) and (isinstance(value, dict) or _looks_like_edits(edits)):
            answers.append(edits)
    if not answers:
        if cut_off or _breaks_off(text):
            raise _refused(
                "MODEL_ANSWER_TRUNCATED",
                f"the answer breaks off after {len(text)} characters",
                "answer with less: smaller find/replace edits instead of whole files, or raise budget.tokens",
            )
        raise _invalid(f"there is no JSON object with `edits` in the answer's {len(text)} characters")
    if any(other != answers[0] for other in answers[1:]):
        raise _invalid(f"the answer has {len(answers)} different sets of edits")
    return _checked(answers[0])


def _documents(text: str) -> Iterator[Any]:
    """Every JSON object or array in the text that is not part of another one."""
    position = starts = 0
    while starts < MAXIMUM_STARTS and (found := re.compile(r"[{\[]").search(text, position)):
        starts += 1
        try:
            value, position = _DECODER.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            position = found.end()
        else:
            yield value


def _looks_like_edits(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(item, dict) and "path" in item for item in value)


def _breaks_off(text: str) -> bool:
    """Whether the text stops inside the JSON of an answer."""
    start = re.search(r'\{\s*"edits"', text)
    if start is None:
        return False
    text = text.rstrip().removesuffix("```").rstrip()
    try:
        _DECODER.raw_decode(text, start.start())
    except json.JSONDecodeError as error:
        # A string is reported where it starts, an escape or a word where that does.
        rest = text[error.pos :]
        return (
            error.msg.startswith("Unterminated string")
            or any(word.startswith(rest) for word in _CUT_WORDS)
            or (error.msg.startswith("Invalid \\u") and len(rest) <= len("\\uXXXX"))
        )
    except RecursionError:
        return False
    return False


def _checked(edits: list[Any]) -> tuple[ProposedEdit, ...]:
    if not edits:
        raise _refused("NO_CHANGE", "the model proposed no edits", "say in the goal what is to be changed")
    if len(edits) > MAXIMUM_EDITS:
        raise _invalid(f"the answer has {len(edits)} edits; the limit is {MAXIMUM_EDITS}")
    return tuple(proposed_edit(f"edit {number}", edit) for number, edit in enumerate(edits, 1))


def proposed_edit(where: str, edit: Any) -> ProposedEdit:
    """An edit in one of the three forms; `where` names it. Raises InvalidInput MODEL_ANSWER_INVALID."""
    if not isinstance(edit, dict):
        raise _invalid(f"{where} is not an object")
    given = {key: value for key, value in edit.items() if value is not None}
    path = given.pop("path", None)
    if not isinstance(path, str) or not path:
        raise _invalid(f"{where} has no path")
    deletes = given.pop("delete", False)
    if deletes is True and not given:
        return Delete(path)
    texts = {key: value for key, value in given.items() if isinstance(value, str)}
    if deletes is False and texts.keys() == given.keys():
        if texts.keys() == {"contents"}:
            return Write(path, texts["contents"])
        if texts.keys() == {"find", "replace"}:
            return Replace(path, texts["find"], texts["replace"])
    raise _invalid(f"{where} has {', '.join(sorted(map(str, edit)))}: not one of the three forms", path)


def _invalid(message: str, path: str = "") -> InvalidInput:
    fix = 'answer with {"edits": [...]}: find and replace, or contents, or delete, each with a path'
    return _refused("MODEL_ANSWER_INVALID", message, fix, path)


def _refused(code: str, message: str, fix: str, path: str = "") -> InvalidInput:
    return InvalidInput(Reason(code, message, fix, path))
