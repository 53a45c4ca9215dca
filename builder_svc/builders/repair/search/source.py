"""A file that may be changed: its syntax tree, where each node stands, and edits by position."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import libcst as cst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider

Node = TypeVar("Node", bound=cst.CSTNode)


@dataclass(frozen=True, slots=True, order=True)
class TextEdit:
    """Text in the place of a part of a file, by character."""

    path: str
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change worth judging."""

    edits: tuple[TextEdit, ...]
    template: str
    cost: float
    """How far it is from likely; cheaper ones are judged first."""
    line: int
    place: str
    """Function that it is in, as `path::qualified name`; empty outside of functions."""


class Source:
    """One file, parsed once."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        self.module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._line_starts = [0]
        for newline in re.finditer(r"\r\n|\n|\r", text):
            self._line_starts.append(newline.end())
        self._codes: dict[cst.CSTNode, str] = {}

    def span(self, node: cst.CSTNode) -> tuple[int, int]:
        """Where a node stands, without its own parentheses."""
        place = self._positions[node]
        return self.offset(place.start.line, place.start.column), self.offset(
            place.end.line, place.end.column
        )

    def offset(self, line: int, column: int) -> int:
        return self._line_starts[line - 1] + column

    def line(self, node: cst.CSTNode) -> int:
        return int(self._positions[node].start.line)

    def last_line(self, node: cst.CSTNode) -> int:
        return int(self._positions[node].end.line)

    def line_of(self, offset: int) -> int:
        return bisect_right(self._line_starts, offset)

    def line_start(self, line: int) -> int:
        return self._line_starts[min(line, len(self._line_starts)) - 1]

    def line_text(self, line: int) -> str:
        return self.text[self.line_start(line) : self.line_start(line + 1)]

    def indent(self, line: int) -> str:
        text = self.line_text(line)
        return text[: len(text) - len(text.lstrip())]

    def code(self, node: cst.CSTNode) -> str:
        """The node as it is written, its own parentheses included."""
        if node not in self._codes:
            self._codes[node] = self.module.code_for_node(node).strip()
        return self._codes[node]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)

    def function_of(self, node: cst.CSTNode) -> cst.FunctionDef | None:
        """The function in whose body the node stands; its defaults and decorators are not in it."""
        below = node
        for above in self.ancestors(node):
            if isinstance(above, cst.FunctionDef) and below is above.body:
                return above
            below = above
        return None

    def place(self, function: cst.FunctionDef | None) -> str:
        """`path::qualified name`, as Python's code objects name it."""
        if function is None:
            return ""
        names = [function.name.value]
        for above in self.ancestors(function):
            if isinstance(above, cst.FunctionDef):
                names += ["<locals>", above.name.value]
            elif isinstance(above, cst.ClassDef):
                names.append(above.name.value)
        return f"{self.path}::{'.'.join(reversed(names))}"

    @cached_property
    def nodes(self) -> tuple[cst.CSTNode, ...]:
        """Every node, each before what is in it."""
        return tuple(self.below(self.module))

    def inside(self, node: cst.CSTNode, kind: type[Node]) -> Iterator[Node]:
        """Every node of a kind in another one, itself included."""
        return (found for found in self.below(node) if isinstance(found, kind))

    def below(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Every node in another one, itself included, each before what is in it."""
        stack: list[cst.CSTNode] = [node]
        while stack:
            found = stack.pop()
            yield found
            stack += reversed(found.children)


def apply_edits(sources: dict[str, Source], edits: Sequence[TextEdit]) -> dict[str, str] | None:
    """The files that edits change, whole; None where two edits overlap."""
    changed: dict[str, str] = {}
    for path in sorted({edit.path for edit in edits}):
        text, before = sources[path].text, len(sources[path].text) + 1
        for edit in sorted((edit for edit in edits if edit.path == path), reverse=True):
            if edit.end > before or (edit.end == before and edit.start == edit.end):
                return None
            text, before = text[: edit.start] + edit.text + text[edit.end :], edit.start
        changed[path] = text
    return changed
