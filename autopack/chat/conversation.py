"""What is said to a model and what it says, whichever protocol carries it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Tool:
    """Something that a model may ask for."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON schema of its arguments, an object."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asks for; the name and the arguments are its own words."""

    call_id: str
    name: str
    arguments: str
    """JSON, if the model kept to it."""
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What the server wants to see again with it (Gemini signs its thoughts)."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call."""

    call_id: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of ours."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A turn of the model."""

    text: str
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Results:
    """The answers to all calls of the turn before."""

    results: tuple[ToolResult, ...]


Turn = Said | Answered | Results


@dataclass(frozen=True, slots=True)
class Question:
    """All that one call sends."""

    system: str
    turns: tuple[Turn, ...]
    maximum_tokens: int
    """That the answer may take."""
    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    """JSON schema that the answer must have, where the server can enforce one; not together with tools."""

    @property
    def size(self) -> int:
        """Bytes of all of it: no byte-level tokenizer makes more tokens than that."""
        tools = [(tool.name, tool.description, dict(tool.parameters)) for tool in self.tools]
        texts = [self.system, json.dumps(tools) if tools else ""]
        for turn in self.turns:
            if isinstance(turn, Results):
                texts += [result.text for result in turn.results]
            else:
                texts.append(turn.text)
            if isinstance(turn, Answered):
                texts += [call.name + call.arguments + json.dumps(dict(call.extra)) for call in turn.calls]
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said."""

    text: str
    calls: tuple[ToolCall, ...]
    cut_off: bool
    """The server stopped it at the token limit."""
    input_tokens: int | None
    """As the server counted; None where it did not."""
    output_tokens: int | None


Fault = Literal[
    "outage",  # the server is away or overloaded
    "access",  # it does not know us
    "missing",  # it has no such model, or is no such server
    "context",  # the question is longer than the model reads
    "tools",  # it takes no tools
    "refused",  # it does not take the request
    "invalid",  # what it sent is no answer of this protocol
    "large",  # what it sent is over the limit
    "declined",  # the model, or a filter, will not answer
]


class ChatError(Exception):
    """Why there is no reply; callers make a reason of it."""

    def __init__(
        self, fault: Fault, message: str, *, wait: float | None = None, answered_bytes: int | None = None
    ) -> None:
        """`wait`: seconds that the server asks for. `answered_bytes`: of an answer that was begun at least;
        None where nothing was answered, so that nothing was spent."""
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.wait = wait
        self.answered_bytes = answered_bytes
