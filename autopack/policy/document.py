"""YAML text as plain values that remember their lines.

Composed from libyaml's events without recursion, since its own composer overflows the stack on deep nesting.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from autopack.errors import InvalidInput, Reason

MAXIMUM_BYTES = 4 * 1024 * 1024
"""Of one document, as UTF-8."""
MAXIMUM_NODES = 1_000_000
"""With aliases expanded."""
MAXIMUM_DEPTH = 30

# YAML 1.2's core schema: `on`, `no` and `12:30` are the words that they look like.
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?([0-9]{1,300}\.[0-9]{0,300}|\.[0-9]{1,300}|[0-9]{1,300}(?=[eE]))([eE][-+]?[0-9]{1,3})?"
)
_PLAIN_TAGS = (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


_SPLIT = {
    "PLAN": "keep large changes in files beside the plan (`diff: change.patch`) or split it",
    "PATCH": "split the change into phases, or use a command that makes it",
}


@dataclass(slots=True)
class Node:
    """A value with the line that it starts on; a mapping's values may start below their keys' lines."""

    line: int
    value: Any
    children: "dict[str, Node] | list[Node] | None" = None
    key_lines: dict[str, int] = field(default_factory=dict)
    size: int = 1
    depth: int = 1

    def line_of(self, location: tuple[Hashable, ...]) -> int:
        """The line of the deepest element of `location` that exists; others in it are skipped."""
        node, line = self, self.line
        for part in location:
            if isinstance(node.children, dict) and isinstance(part, str) and part in node.children:
                line = node.key_lines[part]
                node = node.children[part]
            elif isinstance(node.children, list) and isinstance(part, int) and part < len(node.children):
                node = node.children[part]
                line = node.line
        return line


def decode(data: bytes, source: str, kind: str, size: int = 0) -> str:
    """The text of a document's bytes; `kind` is PLAN, POLICY, PATCH or APPROVALS. Raises InvalidInput.

    `size` is the whole document's, where more than MAXIMUM_BYTES were not read.
    """
    if len(data) > MAXIMUM_BYTES:
        raise InvalidInput(
            Reason(
                f"{kind}_TOO_LARGE",
                f"{source} weighs {size or f'more than {MAXIMUM_BYTES}'} bytes, the limit is {MAXIMUM_BYTES}",
                _SPLIT.get(kind, "write less, or split it"),
                path=source,
            )
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            Reason("NOT_UTF8", f"{source} is not UTF-8 text", "save it as UTF-8", path=source, line=line)
        ) from None


def compose(text: str, source: str) -> Node:
    """The document's one root. Raises InvalidInput YAML_INVALID, DUPLICATE_KEY and DOCUMENT_TOO_COMPLEX."""
    try:
        return _Composer(source).compose(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        # A key without its colon is only missed further down: it is the context that says where it began.
        mark = error.context_mark if "simple key" in (error.context or "") else error.problem_mark
        line = mark.line if mark else 0
        fix = "mend the YAML at that line"
        if "\t" in "".join(text.splitlines()[line : line + 1]):
            fix = "indent with spaces, never with tabs"
        problem = ", ".join(filter(None, (error.context, error.problem)))
        raise _refusal("YAML_INVALID", problem, fix, source, line + 1) from None
    except yaml.YAMLError as error:
        raise _refusal("YAML_INVALID", str(error).splitlines()[0], "mend the YAML", source, 0) from None
    except UnicodeEncodeError:
        raise _refusal(
            "YAML_INVALID", "the text has lone surrogates", "save it as UTF-8", source, 0
        ) from None


class _Composer:
    def __init__(self, source: str) -> None:
        self._source = source
        self._anchors: dict[str, Node | None] = {}

    def compose(self, events: Iterator[yaml.Event]) -> Node:
        root: Node | None = None
        stack: list[tuple[Node, str | None]] = []  # open collections, outermost first, with their anchors
        keys: list[tuple[str, int] | None] = []  # the pending key of each open mapping
        for event in events:
            line = event.start_mark.line + 1 if event.start_mark else 0
            match event:
                case yaml.DocumentStartEvent() if root is not None:
                    raise self._refuse("a second document begins", "keep one document in a file", line)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._refuse_tag(event.tag, line)
                    mapping = isinstance(event, yaml.MappingStartEvent)
                    node = Node(line, {}, {}) if mapping else Node(line, [], [])
                    if event.anchor:
                        self._anchors[event.anchor] = None
                    stack.append((node, event.anchor))
                    keys.append(None)
                    self._limit(1, len(stack), line)
                    continue
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    node, anchor = stack.pop()
                    keys.pop()
                    if isinstance(node.value, list):
                        node.value = tuple(node.value)
                    if anchor:
                        self._anchors[anchor] = node
                case yaml.ScalarEvent():
                    self._refuse_tag(event.tag, line)
                    if stack and isinstance(stack[-1][0].children, dict) and keys[-1] is None:
                        keys[-1] = (event.value, line)
                        continue
                    plain = not event.style and event.tag is None
                    node = Node(line, _resolve(event.value) if plain else event.value)
                    if event.anchor:
                        self._anchors[event.anchor] = node
                case yaml.AliasEvent():
                    found = self._anchors.get(event.anchor or "")
                    if found is None:
                        raise self._refuse(
                            f"the alias *{event.anchor} has no finished anchor", "write it out", line
                        )
                    node = found
                case _:
                    continue
            if not stack:
                root = node
                continue
            self._add(stack[-1][0], keys, node, line)
            self._limit(stack[-1][0].size, len(stack) + node.depth, line)
        return root or Node(1, None)

    def _add(self, parent: Node, keys: list[tuple[str, int] | None], node: Node, line: int) -> None:
        parent.size += node.size
        parent.depth = max(parent.depth, node.depth + 1)
        if isinstance(parent.children, list):
            parent.children.append(node)
            parent.value.append(node.value)
            return
        assert parent.children is not None  # a collection is being added to
        if (pending := keys[-1]) is None:
            raise self._refuse("a key must be a plain word", "write `key: value`", line)
        key, key_line = pending
        if key in parent.children:
            raise _refusal(
                "DUPLICATE_KEY",
                f"the key `{key}` was written on line {parent.key_lines[key]} already",
                "keep one of them",
                self._source,
                key_line,
            )
        parent.children[key] = node
        parent.key_lines[key] = key_line
        parent.value[key] = node.value
        keys[-1] = None

    def _limit(self, size: int, depth: int, line: int) -> None:
        if size > MAXIMUM_NODES or depth > MAXIMUM_DEPTH:
            raise _refusal(
                "DOCUMENT_TOO_COMPLEX",
                f"more than {MAXIMUM_NODES} values (aliases expanded) or {MAXIMUM_DEPTH} levels",
                "write less, or split it",
                self._source,
                line,
            )

    def _refuse_tag(self, tag: str | None, line: int) -> None:
        if tag not in _PLAIN_TAGS:
            raise self._refuse(f"the tag {tag} is not accepted", "leave tags out", line)

    def _refuse(self, message: str, fix: str, line: int) -> InvalidInput:
        return _refusal("YAML_INVALID", message, fix, self._source, line)


def _resolve(text: str) -> object:
    if text in _NULL:
        return None
    if (boolean := _BOOLEANS.get(text)) is not None:
        return boolean
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _refusal(code: str, message: str, fix: str, source: str, line: int) -> InvalidInput:
    return InvalidInput(Reason(code, message, fix, path=source, line=line))
