"""Asks one model, coping with what its server does not take; every failure is classified."""

import re
from typing import Any, Literal

from autopack.chat.conversation import ChatError, Question, Reply, Results
from autopack.chat.line import HttpAnswer, Line
from autopack.chat.protocol import ModelProtocol, error_message

Api = Literal["openai", "anthropic"]
LEAST_ANSWER_TOKENS = 256
"""A limit on answers that a server tells is believed from here up."""
MAXIMUM_TRIES = 6
"""Requests for one answer, each with less than the one before."""
_CONTEXT_EXCEEDED = (
    "exceed_context_size",
    "context_length_exceeded",
    "maximum context length",
    "context size",
    "prompt is too long",
)
_OUTAGE = frozenset({408, 425, 429})


def protocol(api: Api, endpoint: str, key: str) -> ModelProtocol:
    """The protocol of an endpoint; call it late: its SDK is imported here, half a second and 25 to 40 MB."""
    if api == "anthropic":
        from autopack.chat.anthropic_protocol import AnthropicProtocol

        return AnthropicProtocol(endpoint, key)
    from autopack.chat.openai_protocol import OpenAIProtocol

    return OpenAIProtocol(endpoint, key)


class Chat:
    """One conversation; what the server turned out not to take is left out from then on."""

    def __init__(self, spoken: ModelProtocol, model: str, line: Line) -> None:
        self._protocol = spoken
        self._model = model
        self._line = line
        self._left_out: set[str] = set()
        self._ceiling: int | None = None

    async def ask(self, question: Question) -> Reply:
        """What the model says to all of this. Raises ChatError."""
        whole = self._protocol.body(self._model, question)
        for _ in range(MAXIMUM_TRIES):
            body = self._adjusted(whole)
            answer = await self._protocol.send(self._line, body)
            if answer.status == 200:
                return self._protocol.read(answer.text)
            if answer.status not in (400, 422) or not self._learn(body, answer.text):
                break
        begun = any(isinstance(turn, Results) for turn in question.turns)
        raise _failure(answer, tools=bool(question.tools) and not begun)

    def _adjusted(self, body: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in body.items() if name not in self._left_out}
        limit = min(body["max_tokens"], self._ceiling or body["max_tokens"])
        name = "max_completion_tokens" if "max_tokens" in self._left_out else "max_tokens"
        return {**kept, name: limit}

    def _learn(self, body: dict[str, Any], refusal: str) -> bool:
        """Whether the request can be sent otherwise, each time with less."""
        if _about_context(refusal):
            return False
        if "max_completion_tokens" in refusal and "max_tokens" in body:
            self._left_out.add("max_tokens")
            return True
        if "max_tokens" in refusal or "max_completion_tokens" in refusal:
            limit = body.get("max_completion_tokens") or body["max_tokens"]
            told = [int(number) for number in re.findall(r"\b\d{3,7}\b", refusal)]
            if below := [number for number in told if LEAST_ANSWER_TOKENS <= number < limit]:
                self._ceiling = max(below)
                return True
        for name, is_meant in (("temperature", "temperature" in refusal), ("response_format", True)):
            if is_meant and name in body:
                self._left_out.add(name)
                return True
        return False


def _about_context(text: str) -> bool:
    return any(sign in text for sign in _CONTEXT_EXCEEDED)


def _failure(answer: HttpAnswer, *, tools: bool) -> ChatError:
    status, text = answer.status, answer.text
    found = f"HTTP {status}: {error_message(text)}"
    if status in (400, 413, 422) and _about_context(text):
        return ChatError("context", found)
    if tools and (status in (400, 422) or (status in (500, 501) and "tool" in text.lower())):
        return ChatError("tools", found)
    if status in _OUTAGE or status >= 500:
        wait = float(answer.retry_after) if re.fullmatch(r"\d{1,6}(\.\d+)?", answer.retry_after) else None
        after = f"; it asks to wait {answer.retry_after[:40]}" if answer.retry_after else ""
        return ChatError("outage", f"HTTP {status}{after}: {error_message(text)}", wait=wait)
    if status in (401, 403):
        return ChatError("access", found)
    return ChatError("missing" if status == 404 else "refused", found)
