"""Evaluates expectations that need nothing but themselves: literals, arithmetic, built-in containers."""

import ast
import operator
from collections.abc import Callable
from typing import Any

SIZE_LIMIT = 1_000_000
"""Bits of a number, items of a container."""


class NotClosed(Exception):
    """The expression needs names, or is too large to be evaluated here."""


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_CALLS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (set, frozenset, list, tuple, dict, float, int, str, bytes, bool, complex)
}


def evaluate(node: ast.expr) -> Any:
    """The value, of built-in types only. Raises NotClosed."""
    try:
        return _evaluate(node)
    except (ArithmeticError, TypeError, ValueError, LookupError, RecursionError, MemoryError) as error:
        raise NotClosed(str(error)) from None


def is_closed(node: ast.expr) -> bool:
    """Whether `evaluate` can."""
    try:
        evaluate(node)
    except NotClosed:
        return False
    return True


def _evaluate(node: ast.expr) -> Any:
    match node:
        case ast.Constant():
            return node.value
        case ast.Tuple():
            return tuple(map(_evaluate, node.elts))
        case ast.List():
            return list(map(_evaluate, node.elts))
        case ast.Set():
            return set(map(_evaluate, node.elts))
        case ast.Dict():
            keys = [_evaluate(key) if key else _open() for key in node.keys]
            return dict(zip(keys, map(_evaluate, node.values), strict=True))
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_evaluate(node.operand))
        case ast.BinOp() if type(node.op) in _BINARY:
            return _binary(node.op, _evaluate(node.left), _evaluate(node.right))
        case ast.Call(func=ast.Name(id=name)) if name in _CALLS:
            given = {each.arg: _evaluate(each.value) for each in node.keywords if each.arg}
            arguments = [_evaluate(each) for each in node.args]
            if len(given) != len(node.keywords) or (name == "bytes" and isinstance(arguments[0], int)):
                return _open()
            return _CALLS[name](*arguments, **given)
        case _:
            return _open()


def _binary(operation: ast.operator, left: Any, right: Any) -> Any:
    grows = isinstance(operation, ast.Mult | ast.Pow | ast.LShift)
    if grows and _size(left) * max(_size(right), right if isinstance(right, int) else 1) > SIZE_LIMIT:
        return _open()
    return _BINARY[type(operation)](left, right)


def _size(value: Any) -> int:
    if isinstance(value, int):
        return value.bit_length() + 1
    return 1 if isinstance(value, float | complex) else len(value)


def _open() -> Any:
    raise NotClosed
