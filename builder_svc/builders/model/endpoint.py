"""One call to an OpenAI-compatible chat endpoint: bounded, recorded, every failure classified."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from autopack.errors import AutopackError, FailedPrecondition, InvalidInput, Reason, Unavailable
from builder_svc.builders.model.answer import ANSWER_SCHEMA
from builder_svc.builders.model.http import HttpClients
from builder_svc.builders.model.prompt import Prompt
from builder_svc.domain.builder import Record
from builder_svc.domain.text import head, neutralise

COMPLETIONS = "/chat/completions"
MAXIMUM_RESPONSE_BYTES = 8_000_000
TIMEOUT = httpx.Timeout(None, connect=10.0, write=60.0)
"""Seconds. How long a model may think is the build's own limit."""
_CONTEXT_EXCEEDED = (
    "exceed_context_size",
    "context_length_exceeded",
    "maximum context length",
    "context size",
)
_OUTAGE = frozenset({408, 425, 429})


class ContextExceeded(InvalidInput):
    """The prompt is longer than the model reads."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said."""

    text: str
    cut_off: bool
    """The server stopped it at the token limit."""


class Endpoint:
    """A model behind a URL such as `https://api.openai.com/v1`."""

    def __init__(self, clients: HttpClients, url: str, model: str, keys: Sequence[str]) -> None:
        """The first key, if there is one, is sent as bearer token; all are kept out of records."""
        self._clients = clients
        self._url = url.rstrip("/").removesuffix(COMPLETIONS) + COMPLETIONS
        self.model = model
        self._keys = frozenset(keys)
        self._headers = {"accept-encoding": "identity"}
        if keys:
            self._headers["authorization"] = f"Bearer {keys[0]}"

    async def complete(self, prompt: Prompt, maximum_tokens: int, record: Record) -> Reply:
        """Ask once; what it took is added to the record, also where the answer is useless.

        Raises ContextExceeded; Unavailable BUILDER_UNAVAILABLE for an outage; FailedPrecondition
        MODEL_ACCESS_REFUSED, MODEL_NOT_FOUND; InvalidInput MODEL_REQUEST_REFUSED,
        MODEL_RESPONSE_INVALID, MODEL_RESPONSE_TOO_LARGE, MODEL_DECLINED.
        """
        body = {
            "model": self.model,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": prompt.user},
            ],
            "max_tokens": maximum_tokens,
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "edits", "strict": True, "schema": ANSWER_SCHEMA},
            },
        }
        record.secrets |= self._keys
        try:
            status, text = await self._post(body, record)
            while status in (400, 422) and (adapted := _adapted(body, text)) is not None:
                body = adapted
                status, text = await self._post(body, record)
        except asyncio.CancelledError:
            record.input_tokens += prompt.size  # sent, perhaps read, and never to be known
            raise
        if status != 200:
            raise _failure(status, text)
        return _reply(text, prompt, record)

    async def _post(self, body: dict[str, Any], record: Record) -> tuple[int, str]:
        call: dict[str, Any] = {"url": self._url, "request": body}
        record.exchange.append(call)
        try:
            client = await self._clients.get(self._url)
            async with client.stream(
                "POST", self._url, json=body, headers=self._headers, timeout=TIMEOUT
            ) as response:
                call["status"] = response.status_code
                received = bytearray()
                async for chunk in response.aiter_bytes():
                    received += chunk
                    if len(received) > MAXIMUM_RESPONSE_BYTES:
                        raise _invalid("MODEL_RESPONSE_TOO_LARGE", f"over {MAXIMUM_RESPONSE_BYTES} bytes")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            call["error"] = f"{type(error).__name__}: {error}"
            raise _unavailable(f"{self._url} does not answer: {call['error']}") from error
        call["response"] = received.decode("utf-8", "replace")
        if response.status_code in _OUTAGE or response.status_code >= 500:
            wait = response.headers.get("retry-after", "")
            after = f"; it asks to wait {head(neutralise(wait), 40)}" if wait else ""
            raise _unavailable(f"HTTP {response.status_code}{after}: {_message(call['response'])}")
        return response.status_code, call["response"]


def _adapted(body: dict[str, Any], refusal: str) -> dict[str, Any] | None:
    """The request without what this server does not take, so ever shorter; None where that is not it."""
    if _about_context(refusal):
        return None
    if "max_completion_tokens" in refusal and "max_tokens" in body:
        return _without(body, "max_tokens") | {"max_completion_tokens": body["max_tokens"]}
    if "temperature" in refusal and "temperature" in body:
        return _without(body, "temperature")
    return _without(body, "response_format") if "response_format" in body else None


def _without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def _about_context(text: str) -> bool:
    return any(sign in text for sign in _CONTEXT_EXCEEDED)


def _failure(status: int, text: str) -> AutopackError:
    found = f"HTTP {status}: {_message(text)}"
    if status in (400, 413, 422) and _about_context(text):
        return ContextExceeded(
            Reason("MODEL_CONTEXT_EXCEEDED", found, "narrow the scope or use a model that reads more")
        )
    if status in (401, 403):
        fix = "check the value of the secret that the policy names for this builder"
        return FailedPrecondition(Reason("MODEL_ACCESS_REFUSED", found, fix))
    if status == 404:
        return FailedPrecondition(
            Reason("MODEL_NOT_FOUND", found, "check `model` and `endpoint` (it ends in /v1 for most servers)")
        )
    return _invalid("MODEL_REQUEST_REFUSED", found)


def _reply(text: str, prompt: Prompt, record: Record) -> Reply:
    try:
        document = json.loads(text)
        choice = document["choices"][0]
        message = choice["message"]
        content = message.get("content")
        if isinstance(content, list):  # some servers answer in parts
            content = "".join(part.get("text", "") for part in content)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        _count(record, None, prompt.size, len(text.encode()))
        raise _invalid("MODEL_RESPONSE_INVALID", f"not a chat completion: {_message(text)}") from error
    said = content if isinstance(content, str) else ""
    _count(record, document.get("usage"), prompt.size, len(said.encode()))
    finish = choice.get("finish_reason")
    if finish == "content_filter" or (message.get("refusal") and not said):
        raise _invalid("MODEL_DECLINED", head(neutralise(str(message.get("refusal") or finish)), 500))
    return Reply(said, cut_off=finish == "length")


def _count(record: Record, usage: object, input_bytes: int, output_bytes: int) -> None:
    """Tokens as the server counted them; where it did not, as many as there can be."""
    counts = usage if isinstance(usage, dict) else {}
    record.input_tokens += _number(counts.get("prompt_tokens"), input_bytes)
    record.output_tokens += _number(counts.get("completion_tokens"), output_bytes)


def _number(value: object, otherwise: int) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else otherwise


def _message(text: str) -> str:
    """What an error body says, in a line fit to show."""
    try:
        error = json.loads(text)["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError, RecursionError):
        text = text or "no body"
    return head(neutralise(text), 500)


def _unavailable(message: str) -> Unavailable:
    fix = "try again later; check that the endpoint in the policy's builders is right and up"
    return Unavailable(Reason("BUILDER_UNAVAILABLE", message, fix))


def _invalid(code: str, message: str) -> InvalidInput:
    return InvalidInput(
        Reason(code, message, "try again; if it stays, check model and endpoint in the policy")
    )
