"""A local HTTP server that answers as a test says, for what no real model would say on demand."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    hang: bool = False
    """Take the request, and never answer."""
    hold: bool = False
    """Answer only when the model's `go` is set."""
    disconnect: bool = False
    """Close in the middle of the body."""
    endless: bool = False
    """A body that does not end."""


def completion(text: object, *, finish: str = "stop", usage: object = (11, 7), **message: object) -> Answer:
    """A chat completion that says this; usage as tokens in and out, or whatever a server might send."""
    counted = (
        {"prompt_tokens": usage[0], "completion_tokens": usage[1]} if isinstance(usage, tuple) else usage
    )
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    return Answer(
        body=json.dumps({"object": "chat.completion", "choices": [choice], "usage": counted}).encode()
    )


def asking(*calls: tuple[str, object], text: str = "", finish: str = "tool_calls") -> Answer:
    """A chat completion that calls tools; arguments that are text are sent as they are."""
    made = [
        {
            "id": f"id-{number}",
            "type": "function",
            "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)},
        }
        for number, (name, given) in enumerate(calls)
    ]
    return completion(text, finish=finish, tool_calls=made)


def message(*blocks: Mapping[str, object], stop: str = "end_turn", usage: object = (11, 7)) -> Answer:
    """A message as Anthropic's servers send it."""
    counted = {"input_tokens": usage[0], "output_tokens": usage[1]} if isinstance(usage, tuple) else usage
    answer = {
        "type": "message",
        "role": "assistant",
        "content": blocks,
        "stop_reason": stop,
        "usage": counted,
    }
    return Answer(body=json.dumps(answer).encode())


def using(*calls: tuple[str, object]) -> Answer:
    """The same as `asking`, of Anthropic's kind."""
    blocks = [
        {"type": "tool_use", "id": f"id-{number}", "name": name, "input": given}
        for number, (name, given) in enumerate(calls)
    ]
    return message(*blocks, stop="tool_use")


def edits(*items: Mapping[str, object]) -> Answer:
    """A well-behaved answer."""
    return completion(json.dumps({"edits": items}))


def refusal(status: int, message: str, code: str = "") -> Answer:
    """An error as OpenAI's servers send it."""
    return Answer(status, json.dumps({"error": {"message": message, "code": code}}).encode())


@dataclass(slots=True)
class ScriptedModel:
    """Gives its answers in turn, the last one for ever."""

    endpoint: str
    answers: Sequence[Answer] = ()
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """A client has gone away from a request that hangs."""

    def prompt(self, number: int = -1) -> str:
        """The user's message of a request."""
        messages = self.requests[number]["messages"]
        content: str = next(turn["content"] for turn in messages if turn["role"] == "user")
        return content

    def results(self, number: int = -1) -> list[str]:
        """What the tools answered to the calls before a request, of either kind."""
        found = []
        for turn in reversed(self.requests[number]["messages"]):
            if turn["role"] == "assistant":
                break
            parts = turn["content"] if isinstance(turn["content"], list) else [turn]
            found += [part["content"] for part in reversed(parts)]
        return found[::-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.strip().split("\r\n")
        assert request in ("POST /v1/chat/completions HTTP/1.1", "POST /v1/messages HTTP/1.1"), request
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.requests.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        self.headers.append(headers)
        self.asked.set()
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if answer.hang:
            assert not await reader.read()
            self.left.set()
            return False
        if answer.hold:
            await self.go.wait()
        size = len(answer.body) + (1 if answer.disconnect else 0)
        fields = [("content-length", str(size)), *answer.headers]
        if answer.endless:
            fields = [("connection", "close")]
        status = "".join(f"{name}: {value}\r\n" for name, value in fields)
        writer.write(f"HTTP/1.1 {answer.status} X\r\n{status}\r\n".encode() + answer.body)
        while answer.endless:
            writer.write(b" " * 100_000)
            await writer.drain()
        await writer.drain()
        return not answer.disconnect


@asynccontextmanager
async def scripted_model(*answers: Answer) -> AsyncIterator[ScriptedModel]:
    model = ScriptedModel("", answers)
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    async with server:
        model.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield model
