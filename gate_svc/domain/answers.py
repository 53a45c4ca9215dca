"""Product code that holds what tests ask and the answer that they expect, instead of finding it."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from autopack.errors import Reason
from gate_svc.domain.blinding.closed import NotClosed, evaluate
from gate_svc.domain.change import ChangedFile
from gate_svc.domain.test_diff.items import take_apart

LISTED_LIMIT = 10

_PLAIN = frozenset(map(repr, (None, True, False, 0, 1, -1, "", (), [], {}, 0.0, b"")))
"""Answers that say little: two of them are a pattern, one is a special case."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """If a value is one of these, the answer is that one."""

    inputs: frozenset[str]
    output: str
    line: int


def answers(
    files: Iterable[ChangedFile], is_product: Callable[[str], bool], tests: Callable[[], Mapping[str, bytes]]
) -> tuple[Reason, ...]:
    """Where a change adds answers to what the tests of the base ask; `tests` reads those, if need be."""
    added = [
        (file.path, entry)
        for file in files
        if file.path.endswith(".py") and is_product(file.path) and file.new is not None
        for entry in _added(file)
    ]
    if not added:
        return ()
    asked = [pair for path, source in tests().items() for pair in _asked(path, source)]
    found = [
        (path, entry)
        for path, entry in added
        if any(entry.output == output and entry.inputs <= inputs for inputs, output in asked)
    ]
    if all(entry.output in _PLAIN for _, entry in found) and len(found) < 2:
        return ()
    return tuple(
        Reason(
            "ANSWER_COPIED",
            f"for {', '.join(sorted(entry.inputs))[:100]} the product now holds {entry.output[:60]}, "
            "as a test of the base has it",
            "compute the answer, or look at the change and approve it",
            path=path,
            line=entry.line,
        )
        for path, entry in found[:LISTED_LIMIT]
    )


def _added(file: ChangedFile) -> Iterator[_Entry]:
    before = {(entry.inputs, entry.output) for entry in _entries(file.old)} if file.old is not None else set()
    for entry in _entries(file.new or b""):
        if (entry.inputs, entry.output) not in before:
            yield entry


def _entries(source: bytes) -> Iterator[_Entry]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if key is not None:
                        yield from _entry([key], value)
            case ast.If(test=test, body=[ast.Return(value=ast.expr() as value), *_]):
                yield from _entry(_compared(test), value)
            case ast.If(test=test, body=[ast.Assign(value=value), *_]):
                yield from _entry(_compared(test), value)
            case ast.IfExp(test=test, body=value):
                yield from _entry(_compared(test), value)
            case ast.match_case(pattern=pattern, body=[ast.Return(value=ast.expr() as value), *_]):
                inputs = [each.value for each in ast.walk(pattern) if isinstance(each, ast.MatchValue)]
                yield from _entry(inputs, value)


def _entry(inputs: list[ast.expr], output: ast.expr) -> Iterator[_Entry]:
    try:
        known = frozenset(repr(each) for node in inputs for each in _spread(node))
        answer = repr(evaluate(output))
    except NotClosed:
        return
    if known:
        yield _Entry(known, answer, output.lineno)


def _spread(node: ast.expr) -> Iterator[object]:
    """A tuple stands for arguments side by side."""
    value = evaluate(node)
    yield from value if isinstance(value, tuple) and value else (value,)


def _compared(test: ast.expr) -> list[ast.expr]:
    """The literals that a condition compares with."""
    found: list[ast.expr] = []
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.In | ast.Is):
            for side in (node.left, *node.comparators):
                try:
                    evaluate(side)
                except NotClosed:
                    continue
                found.append(side)
    return found


def _asked(path: str, source: bytes) -> Iterator[tuple[frozenset[str], str]]:
    """What tests call with which literals, and expect to equal which."""
    module = take_apart(path, source)
    for item in module.items if module else ():
        said = item.key.partition(" | ")[0]
        if not item.asserts or not said.startswith("eq("):
            continue
        try:
            sides = ast.parse(said, mode="eval").body
        except SyntaxError:
            continue
        if not isinstance(sides, ast.Call) or len(sides.args) != 2:
            continue
        for looked_at, expected in (sides.args, reversed(sides.args)):
            inputs = frozenset(map(repr, _given(looked_at)))
            try:
                output = repr(evaluate(expected))
            except NotClosed:
                continue
            if inputs:
                yield inputs, output


def _given(node: ast.expr) -> Iterator[object]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            for argument in (*call.args, *(each.value for each in call.keywords)):
                try:
                    yield evaluate(argument)
                except NotClosed:
                    continue
