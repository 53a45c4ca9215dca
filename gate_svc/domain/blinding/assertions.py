"""Understands assertions of pytest and unittest: what is looked at, what is expected, and how they relate."""

import ast
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("eq", "eq"),
    ast.NotEq: ("ne", "ne"),
    ast.Lt: ("lt", "gt"),
    ast.LtE: ("le", "ge"),
    ast.Gt: ("gt", "lt"),
    ast.GtE: ("ge", "le"),
    ast.In: ("in", "contains"),
    ast.NotIn: ("not_in", "not_contains"),
    ast.Is: ("is", "is"),
    ast.IsNot: ("is_not", "is_not"),
}
"""The operation with the expectation on the right, and on the left."""

_METHODS: dict[str, tuple[str, str]] = {
    "assertEqual": ("eq", "eq"),
    "assertEquals": ("eq", "eq"),
    "assertListEqual": ("eq", "eq"),
    "assertDictEqual": ("eq", "eq"),
    "assertTupleEqual": ("eq", "eq"),
    "assertSetEqual": ("eq", "eq"),
    "assertSequenceEqual": ("eq", "eq"),
    "assertMultiLineEqual": ("eq", "eq"),
    "assertNotEqual": ("ne", "ne"),
    "assertIs": ("is", "is"),
    "assertIsNot": ("is_not", "is_not"),
    "assertIn": ("in", "contains"),
    "assertNotIn": ("not_in", "not_contains"),
    "assertGreater": ("gt", "lt"),
    "assertGreaterEqual": ("ge", "le"),
    "assertLess": ("lt", "gt"),
    "assertLessEqual": ("le", "ge"),
    "assertCountEqual": ("count", "count"),
}
_ONE_SIDED = {
    "assertFalse": "false",
    "assertIsNone": "is_none",
    "assertIsNotNone": "is_not_none",
}


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that an assertion says: of one side alone, or of two."""

    operation: str
    """With the expectation on the right."""
    mirrored: str
    """With the expectation on the left."""
    left: ast.expr
    right: ast.expr | None = None


def parts(statement: ast.stmt) -> tuple[Part, ...]:
    """What a statement asserts, all of which must hold; empty where it is no assertion that is understood."""
    if isinstance(statement, ast.Assert):
        return _all(statement.test)
    call = method_call(statement)
    if call is None:
        return ()
    name, arguments = call
    if name == "assertTrue" and len(arguments) in (1, 2):
        return _all(arguments[0])
    if name in _ONE_SIDED and len(arguments) in (1, 2):
        return (_one_sided(_ONE_SIDED[name], arguments[0]),)
    if name in _METHODS and len(arguments) in (2, 3):
        return (Part(*_METHODS[name], arguments[0], arguments[1]),)
    if name == "assertAlmostEqual" and len(arguments) == 2:
        return (Part("almost", "almost", arguments[0], arguments[1]),)
    return ()


def method_call(statement: ast.stmt) -> tuple[str, list[ast.expr]] | None:
    """Name and arguments of `self.assert...(...)`; `msg` apart, none by keyword."""
    match statement:
        case ast.Expr(
            value=ast.Call(
                func=ast.Attribute(value=ast.Name(id="self"), attr=name), args=arguments, keywords=more
            )
        ) if all(each.arg == "msg" for each in more) and not any(
            isinstance(a, ast.Starred) for a in arguments
        ):
            return name, arguments
    return None


def raises(item: ast.withitem) -> tuple[list[ast.expr], ast.expr | None] | None:
    """The exceptions that `with pytest.raises(...)` or `self.assertRaises...` expects, and the pattern."""
    call = item.context_expr
    if not isinstance(call, ast.Call) or not call.args:
        return None
    match call.func:
        case ast.Attribute(value=ast.Name(id="pytest"), attr="raises") | ast.Name(id="raises"):
            patterns = [each.value for each in call.keywords if each.arg == "match"]
            known = len(call.args) == 1 and len(patterns) == len(call.keywords)
        case ast.Attribute(value=ast.Name(id="self"), attr="assertRaises"):
            patterns, known = [], len(call.args) == 1 and not call.keywords
        case ast.Attribute(value=ast.Name(id="self"), attr="assertRaisesRegex"):
            patterns, known = call.args[1:], len(call.args) == 2 and not call.keywords
        case _:
            return None
    kinds = call.args[0].elts if isinstance(call.args[0], ast.Tuple) else [call.args[0]]
    if not known or not all(isinstance(kind, ast.Name | ast.Attribute) for kind in kinds):
        return None
    return list(kinds), patterns[0] if patterns else None


def _all(test: ast.expr) -> tuple[Part, ...]:
    match test:
        case ast.BoolOp(op=ast.And(), values=values):
            return tuple(part for value in values for part in _all(value))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return (_one_sided("false", operand),)
        case ast.Compare(left=left, ops=[operation], comparators=[right]):
            return (Part(*_COMPARED[type(operation)], left, right),)
    return (_one_sided("true", test),)


def _one_sided(operation: str, expression: ast.expr) -> Part:
    return Part(operation, operation, expression)
