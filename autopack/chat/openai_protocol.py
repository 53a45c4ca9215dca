"""Chat completions by OpenAI's SDK: also what Gemini, GLM, vLLM, Ollama and llama.cpp speak."""

from collections.abc import Iterator
from typing import Any

import openai

from autopack.chat.conversation import Answered, ChatError, Question, Reply, Results, Said, ToolCall, Turn
from autopack.chat.line import HttpAnswer, Line
from autopack.chat.protocol import count, not_an_answer, parsed
from autopack.chat.transport import http_client

COMPLETIONS = "/chat/completions"


class OpenAIProtocol:
    """Asks an endpoint such as `https://api.openai.com/v1`."""

    def __init__(self, endpoint: str, key: str) -> None:
        """An empty key: no authentication."""
        self._url = endpoint.rstrip("/").removesuffix(COMPLETIONS)
        self._key = key

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """See `ModelProtocol.body`."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "system", "content": question.system}],
            "max_tokens": question.maximum_tokens,
            "temperature": 0,
        }
        for turn in question.turns:
            body["messages"] += _messages(turn)
        if question.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.parameters,
                    },
                }
                for tool in question.tools
            ]
        elif question.schema is not None:
            schema = {"name": "answer", "strict": True, "schema": question.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    async def send(self, line: Line, body: dict[str, Any]) -> HttpAnswer:
        """See `ModelProtocol.send`."""
        async with openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._url,
            max_retries=0,
            timeout=None,
            http_client=http_client(line, authenticated=bool(self._key)),
        ) as client:
            try:
                raw = await client.chat.completions.with_raw_response.create(**body)
            except openai.APIStatusError as error:
                wait = error.response.headers.get("retry-after", "")
                return HttpAnswer(error.status_code, error.response.text, wait)
            except openai.APIConnectionError as error:
                raise error.__cause__ or error from None  # what the line has raised
            return HttpAnswer(200, raw.http_response.text)

    def read(self, text: str) -> Reply:
        """See `ModelProtocol.read`."""
        document = parsed(text)
        try:
            choice = document["choices"][0]
            message = choice["message"]
            content = message.get("content")
            if isinstance(content, list):  # some servers answer in parts
                content = "".join(part.get("text", "") for part in content)
            finish, refusal = choice.get("finish_reason"), message.get("refusal")
            calls = tuple(_calls(message.get("tool_calls")))
        except (LookupError, TypeError, AttributeError) as error:
            raise not_an_answer(text) from error
        said = content if isinstance(content, str) else ""
        if finish == "content_filter" or (refusal and not said):
            raise ChatError("declined", str(refusal or finish)[:500], answered_bytes=len(text.encode()))
        usage = document.get("usage")
        return Reply(
            said, calls, finish == "length", count(usage, "prompt_tokens"), count(usage, "completion_tokens")
        )


def _messages(turn: Turn) -> list[dict[str, Any]]:
    match turn:
        case Said(text):
            return [{"role": "user", "content": text}]
        case Answered(text, ()):
            return [{"role": "assistant", "content": text}]
        case Answered(text, calls):
            made = [
                {
                    **call.extra,
                    "id": call.call_id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in calls
            ]
            return [{"role": "assistant", "content": text or None, "tool_calls": made}]
        case Results(results):
            return [
                {"role": "tool", "tool_call_id": result.call_id, "content": result.text} for result in results
            ]


def _calls(calls: object) -> Iterator[ToolCall]:
    """The calls, whatever a server made of them: what is wrong with one is told to the model."""
    for number, call in enumerate(calls if isinstance(calls, list) else []):
        given = call if isinstance(call, dict) else {}
        function = given.get("function")
        function = function if isinstance(function, dict) else {}
        extra = {"extra_content": given["extra_content"]} if "extra_content" in given else {}
        yield ToolCall(
            str(given.get("id") or f"call_{number}")[:100],
            str(function.get("name")),
            str(function.get("arguments")),
            extra,
        )
