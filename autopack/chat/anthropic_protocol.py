"""Messages by Anthropic's SDK."""

import json
from typing import Any

import anthropic

from autopack.chat.conversation import Answered, ChatError, Question, Reply, Results, Said, ToolCall, Turn
from autopack.chat.line import HttpAnswer, Line
from autopack.chat.protocol import count, not_an_answer, parsed
from autopack.chat.transport import http_client


class AnthropicProtocol:
    """Asks an endpoint such as `https://api.anthropic.com`."""

    def __init__(self, endpoint: str, key: str) -> None:
        """An empty key: no authentication."""
        self._url = endpoint.rstrip("/").removesuffix("/messages").removesuffix("/v1")
        self._key = key

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """See `ModelProtocol.body`."""
        body: dict[str, Any] = {
            "model": model,
            "system": question.system,
            "messages": [_message(turn) for turn in question.turns],
            "max_tokens": question.maximum_tokens,
        }
        if question.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
                for tool in question.tools
            ]
        return body

    async def send(self, line: Line, body: dict[str, Any]) -> HttpAnswer:
        """See `ModelProtocol.send`."""
        async with anthropic.AsyncAnthropic(
            api_key=self._key or "none",
            base_url=self._url,
            max_retries=0,
            timeout=None,
            http_client=http_client(line, authenticated=bool(self._key)),
        ) as client:
            try:
                raw = await client.messages.with_raw_response.create(**body)
            except anthropic.APIStatusError as error:
                wait = error.response.headers.get("retry-after", "")
                return HttpAnswer(error.status_code, error.response.text, wait)
            except anthropic.APIConnectionError as error:
                raise error.__cause__ or error from None  # what the line has raised
            return HttpAnswer(200, raw.http_response.text)

    def read(self, text: str) -> Reply:
        """See `ModelProtocol.read`."""
        document = parsed(text)
        said, calls = "", []
        blocks = document.get("content")
        if not isinstance(blocks, list):
            raise not_an_answer(text)
        for block in blocks:
            match block:
                case {"type": "text", "text": str(part)}:
                    said += part
                case {"type": "tool_use"}:
                    given = json.dumps(block.get("input"))
                    calls.append(ToolCall(str(block.get("id"))[:100], str(block.get("name")), given))
                case {"type": str()}:
                    pass  # thoughts and whatever else is no answer
                case _:
                    raise not_an_answer(text)
        stop, usage = document.get("stop_reason"), document.get("usage")
        if stop == "refusal":
            raise ChatError("declined", said[:500] or "refusal", answered_bytes=len(text.encode()))
        cached = ("cache_creation_input_tokens", "cache_read_input_tokens")
        return Reply(
            said,
            tuple(calls),
            stop in ("max_tokens", "model_context_window_exceeded"),
            count(usage, "input_tokens", *cached),
            count(usage, "output_tokens"),
        )


def _message(turn: Turn) -> dict[str, Any]:
    match turn:
        case Said(text):
            return {"role": "user", "content": text}
        case Answered(text, calls):
            said = [{"type": "text", "text": text.strip() or "-"}] if text.strip() or not calls else []
            return {"role": "assistant", "content": [*said, *map(_use, calls)]}
        case Results(results):
            answers = [
                {
                    "type": "tool_result",
                    "tool_use_id": result.call_id,
                    "content": result.text,
                    "is_error": result.is_error,
                }
                for result in results
            ]
            return {"role": "user", "content": answers}


def _use(call: ToolCall) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.call_id, "name": call.name, "input": json.loads(call.arguments)}
