"""What a protocol of models has to do, and what it needs to read answers that may be anything."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from autopack.chat.conversation import ChatError, Question, Reply
from autopack.chat.line import HttpAnswer, Line


class ModelProtocol(Protocol):
    """A way of asking a model, by an SDK."""

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """The request as this protocol writes it."""
        ...

    async def send(self, line: Line, body: dict[str, Any]) -> HttpAnswer:
        """The answer, whatever its status. Raises ChatError as the line does."""
        ...

    def read(self, text: str) -> Reply:
        """What a successful answer says. Raises ChatError: invalid, declined."""
        ...


def parsed(text: str) -> dict[str, Any]:
    """An answer's document. Raises ChatError invalid."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise not_an_answer(text) from error
    if not isinstance(document, dict):
        raise not_an_answer(text)
    return document


def not_an_answer(text: str) -> ChatError:
    """The server sent something else."""
    return ChatError(
        "invalid", f"not a model's answer: {error_message(text)}", answered_bytes=len(text.encode())
    )


def count(counts: object, *names: str) -> int | None:
    """The sum of these counts of tokens; None where the first is not a plausible number.

    Every prompt has tokens: a server that says zero did not count.
    """
    if not isinstance(counts, Mapping):
        return None
    numbers = [counts.get(name) for name in names]
    plausible = [number for number in numbers if type(number) is int and 0 <= number < 2**53]
    return sum(plausible) or None if numbers[0] in plausible and type(numbers[0]) is int else None


def error_message(text: str) -> str:
    """What an error's body says; untrusted text."""
    try:
        error = json.loads(text)["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError, RecursionError):
        text = text or "no body"
    return text[:500]
