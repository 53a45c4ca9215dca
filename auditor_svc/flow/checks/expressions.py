"""Regular expressions that take for ever, or let through what they are there to keep out."""

import ast
import re
from collections.abc import Iterator
from re import _constants as opcodes  # type: ignore[attr-defined]  # the parser of `re`, which has no stubs
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from auditor_svc.flow.modules import Module

_HOST = re.compile(r"(?:\^|://|@)[^|]*?\w(?<!\\)\.(?:com|org|net|io|edu|gov|co|example|dev|app|info|local)\b")
"""A host in an expression whose last dot stands for any character."""
_URL = re.compile(
    r"(?i)(?:^|_)(?:url|uri|target|host|hostname|domain|origin|referr?er|redirect\w*|next|link|site)(?:$|_)"
)
_DOMAIN = re.compile(
    r"^(?:https?://)?[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|edu|gov|co|dev|app|info|local|example)$"
)
_TAG = re.compile(r"(?i)<\\?[/s(\[]*\\?s?\*?script")


def _patterns(module: Module) -> Iterator[tuple[ast.Call, str]]:
    for call in module.of(ast.Call):
        name = module.name(call.func)
        if name.startswith("re.") and call.args and isinstance(call.args[0], ast.Constant):
            pattern = call.args[0].value
            if isinstance(pattern, str):
                yield call, pattern


def exponential_regex(module: Module) -> Iterator[ast.AST]:
    for call, pattern in _patterns(module):
        try:
            parsed = parser.parse(pattern)
        except (re.error, OverflowError, RecursionError):
            continue
        if _is_ambiguous(parsed):
            yield call


def _is_ambiguous(parsed: Any) -> bool:
    """Whether something is repeated without end whose own end nothing fixed tells: `(a+)+`, `(-?a+)*`."""
    for operation, argument in parsed:
        if operation in (opcodes.MAX_REPEAT, opcodes.MIN_REPEAT):
            _, most, body = argument
            if most is opcodes.MAXREPEAT and any(_is_repetition(way) for way in _ways(body)):
                return True
            if _is_ambiguous(body):
                return True
        elif any(_is_ambiguous(part) for part in _parts(operation, argument)):
            return True
    return False


def _parts(operation: Any, argument: Any) -> list[Any]:
    if operation is opcodes.SUBPATTERN:
        return [argument[-1]]
    if operation is opcodes.BRANCH:
        return list(argument[1])
    return [argument[1]] if operation in (opcodes.ASSERT, opcodes.ASSERT_NOT) else []


def _ways(body: Any) -> list[list[Any]]:
    """What a body can be, groups and alternatives laid open."""
    items = list(body)
    if len(items) == 1 and items[0][0] is opcodes.SUBPATTERN:
        return _ways(items[0][1][-1])
    if len(items) == 1 and items[0][0] is opcodes.BRANCH:
        return [way for branch in items[0][1][1] for way in _ways(branch)]
    return [items]


def _is_repetition(items: list[Any]) -> bool:
    """Whether all but one endless repetition can be empty."""
    for number, (operation, argument) in enumerate(items):
        inner = _ways([(operation, argument)])
        endless = any(len(way) == 1 and _is_endless(*way[0]) for way in inner)
        rest = items[:number] + items[number + 1 :]
        if endless and all(_least(*other) == 0 for other in rest):
            return True
    return False


def _is_endless(operation: Any, argument: Any) -> bool:
    return operation in (opcodes.MAX_REPEAT, opcodes.MIN_REPEAT) and argument[1] is opcodes.MAXREPEAT


def _least(operation: Any, argument: Any) -> int:
    """Fewest characters that it takes."""
    if operation in (opcodes.MAX_REPEAT, opcodes.MIN_REPEAT):
        least: int = argument[0]
        return least * sum(_least(*item) for item in argument[2])
    if operation is opcodes.SUBPATTERN:
        return sum(_least(*item) for item in argument[-1])
    if operation is opcodes.BRANCH:
        return min(sum(_least(*item) for item in branch) for branch in argument[1])
    return 0 if operation in (opcodes.AT, opcodes.ASSERT, opcodes.ASSERT_NOT) else 1


def loose_host(module: Module) -> Iterator[ast.AST]:
    """`.` that was meant as a dot; a host that is looked for anywhere in an address, or at its open end."""
    for call, pattern in _patterns(module):
        if _HOST.search(pattern):
            yield call
    for compare in module.of(ast.Compare):
        is_searched = isinstance(compare.ops[0], (ast.In, ast.NotIn)) and _is_domain(compare.left)
        if is_searched and _URL.search(_name(compare.comparators[0])):
            yield compare
    for call in module.of(ast.Call):
        method = call.func
        if (
            isinstance(method, ast.Attribute)
            and method.attr in {"startswith", "endswith", "find"}
            and _URL.search(_name(method.value))
            and call.args
            and _is_domain(call.args[0])
        ):
            yield call


def _is_domain(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_DOMAIN.search(node.value))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def tag_filter(module: Module) -> Iterator[ast.AST]:
    for call, pattern in _patterns(module):
        if _TAG.search(pattern):
            yield call


CHECKS = (exponential_regex, loose_host, tag_filter)
