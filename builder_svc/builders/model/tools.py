"""The closed set of tools that a model has: list, read, search, edit, check; none leaves git and sandbox."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from autopack.chat.conversation import Reply, Tool, ToolCall, ToolResult
from autopack.errors import InvalidInput, Reason
from autopack.policy.narrowing import merge_checks
from autopack.policy.plan import Check
from autopack.text import head, neutralise
from builder_svc.builders.model.answer import proposed_edit
from builder_svc.builders.model.files import Files
from builder_svc.builders.model.outside import Outside
from builder_svc.builders.model.prompt import told
from builder_svc.domain.builder import Work

RESULT_CHARACTERS = 20_000
"""Of one result."""
LISTED_FILES = 500
READ_LINES = 400
FOUND_LINES = 60
LINE_CHARACTERS = 300
"""Of a line that was found."""
SEARCHED_BYTES = 30_000_000
"""Read by one search."""
CALLS_AT_ONCE = 16
CHECKS = 12
"""Runs of checks in one build: the gate runs them all again."""


class Toolbox:
    """Does what a model's calls ask for, and says what is wrong with them."""

    def __init__(self, work: Work, files: Files, outside: Outside) -> None:
        self._files = files
        self._outside = outside
        self._checks = {check.name: check for check in merge_checks(work.policy, work.task.phase.checks)}
        self._checks_left = CHECKS
        self.tools = _tools(tuple(self._checks))
        self._names = {tool.name for tool in self.tools}

    def repeatable(self, calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
        """The calls as they can be sent back: servers refuse names that they do not know, and broken JSON."""
        return tuple(
            ToolCall(
                call.call_id,
                call.name if call.name in self._names else "list",
                call.arguments if _is_object(call.arguments) else "{}",
                call.extra,
            )
            for call in calls
        )

    async def use(self, reply: Reply) -> tuple[tuple[ToolResult, ...], InvalidInput | None]:
        """The results of all calls, in order, and why none of them did anything, where none did.

        A call that is refused has an error as its result.
        """
        results: list[ToolResult] = []
        refusals: list[Reason] = []
        for number, call in enumerate(reply.calls):
            try:
                if reply.cut_off:
                    # What is complete by chance need not be what was meant.
                    message = "your answer was cut off at the token limit"
                    raise InvalidInput(Reason("MODEL_ANSWER_TRUNCATED", message, "make smaller edits"))
                if number >= CALLS_AT_ONCE:
                    raise _malformed(f"more than {CALLS_AT_ONCE} calls at once", "make fewer")
                text = await self._use(call.name, _arguments(call))
            except InvalidInput as error:
                refusals += error.reasons
                results.append(ToolResult(call.call_id, told(error.reasons), is_error=True))
            else:
                results.append(ToolResult(call.call_id, head(neutralise(text), RESULT_CHARACTERS)))
        missed = all(result.is_error for result in results)
        return tuple(results), InvalidInput(*refusals) if missed else None

    async def _use(self, name: str, given: Mapping[str, Any]) -> str:
        match name:
            case "list":
                return await asyncio.to_thread(self._list, _word(given, "directory", ""))
            case "read":
                path, start = _word(given, "path"), _number(given, "start", 1)
                return await asyncio.to_thread(self._read, path, start, _number(given, "lines", READ_LINES))
            case "search":
                text = _word(given, "text")
                return await asyncio.to_thread(self._search, text, _word(given, "directory", ""))
            case "edit":
                paths = await asyncio.to_thread(self._files.edit, (proposed_edit("the edit", given),))
                return f"{paths[0]} is changed"
            case "check":
                return await self._check(_word(given, "name"))
        raise _malformed(f"there is no tool {name[:50]!a}", f"there are {', '.join(sorted(self._names))}")

    def _list(self, directory: str) -> str:
        paths = list(self._files.below(directory))
        lines = [f"{path} ({self._files.size(path)} bytes)" for path in paths[:LISTED_FILES]]
        if len(paths) > LISTED_FILES:
            lines.append(f"and {len(paths) - LISTED_FILES} more: name a directory")
        return "\n".join(lines) or "no files there"

    def _read(self, path: str, start: int, count: int) -> str:
        lines = self._files.text(path).splitlines(keepends=True)
        first = max(1, min(start, len(lines)))
        shown: list[str] = []
        size = 0
        for line in lines[first - 1 : first - 1 + max(1, min(count, READ_LINES))]:
            size += len(line)
            if shown and size > RESULT_CHARACTERS - 200:
                break
            shown.append(line)
        last = first + len(shown) - 1
        return f"{path}, lines {first} to {last} of {len(lines)}:\n{''.join(shown)}"

    def _search(self, text: str, directory: str) -> str:
        if not text.strip():
            raise _malformed("`text` is empty", "give the words to look for, as they are in the file")
        found: list[str] = []
        read = 0
        for path in self._files.below(directory):
            read += self._files.size(path)
            if read > SEARCHED_BYTES:
                return "\n".join([*found, "the rest was not searched: name a directory"])
            try:
                whole = self._files.text(path)
            except InvalidInput:
                continue
            if text not in whole:
                continue
            for number, line in enumerate(whole.splitlines(), 1):
                if text in line:
                    found.append(f"{path}:{number}: {head(line.strip(), LINE_CHARACTERS)}")
                if len(found) == FOUND_LINES:
                    return "\n".join([*found, "and perhaps more"])
        return "\n".join(found) or "nothing found; the text is looked for as it is, within one line"

    async def _check(self, name: str) -> str:
        check: Check | None = self._checks.get(name)
        if check is None:
            raise _malformed(f"there is no check {name[:50]!a}", f"there are {', '.join(self._checks)}")
        if not self._checks_left:
            raise _malformed(f"checks were run {CHECKS} times", "finish with what you know")
        self._checks_left -= 1
        edits = await asyncio.to_thread(self._files.accepted) if self._files.edits else ()
        return await self._outside.check(check, edits)


def _tools(checks: Sequence[str]) -> tuple[Tool, ...]:
    text, number = {"type": "string"}, {"type": "integer"}
    tools = [
        Tool("list", "Names and sizes of the files in a directory.", _object({"directory": text})),
        Tool(
            "read",
            f"Lines of a file, at most {READ_LINES} at once, from line `start`.",
            _object({"path": text, "start": number, "lines": number}, "path"),
        ),
        Tool(
            "search",
            "Lines that have this text, which is taken literally.",
            _object({"text": text, "directory": text}, "text"),
        ),
        Tool(
            "edit",
            "Changes a file: `find` (in the file exactly once, copied exactly) and `replace`; or `contents`, "
            "the whole file; or `delete`.",
            _object(
                {
                    "path": text,
                    "find": text,
                    "replace": text,
                    "contents": text,
                    "delete": {"type": "boolean"},
                },
                "path",
            ),
        ),
    ]
    if checks:
        name = {"type": "string", "enum": list(checks)}
        description = "Runs one of the checks that will decide, on the files as you have changed them."
        tools.append(Tool("check", description, _object({"name": name}, "name")))
    return tuple(tools)


def _object(properties: Mapping[str, Any], *required: str) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _arguments(call: ToolCall) -> Mapping[str, Any]:
    try:
        given = json.loads(call.arguments or "{}", strict=False)
    except (ValueError, RecursionError):
        raise _malformed("the arguments are not JSON", "send them as one JSON object") from None
    if not isinstance(given, dict):
        raise _malformed("the arguments are no JSON object", "send them as one JSON object")
    return {name: value for name, value in given.items() if value is not None}


def _word(given: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = given.get(name, default)
    if not isinstance(value, str):
        raise _malformed(f"`{name}` is missing or no text", f"give `{name}` as text")
    return value


def _number(given: Mapping[str, Any], name: str, default: int) -> int:
    value = given.get(name, default)
    if type(value) is not int:
        raise _malformed(f"`{name}` is no whole number", f"give `{name}` as a whole number")
    return value


def _malformed(message: str, fix: str) -> InvalidInput:
    return InvalidInput(Reason("MODEL_ANSWER_INVALID", message, fix))
