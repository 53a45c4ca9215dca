"""Templates for operators: comparisons, arithmetic, boolean operations and conditions."""

from collections.abc import Iterator

import libcst as cst

from .site import Site, Variant

_ORDER = ("<", "<=", ">", ">=")
_BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE = {"==": "!=", "!=": "==", "is": "is not", "is not": "is", "in": "not in", "not in": "in"}
_ALIKE = {"==": "is", "!=": "is not", "is": "==", "is not": "!="}
_ARITHMETIC = {
    "+": (("-", 1.5), ("*", 2.5), ("|", 3.5), ("**", 3.5)),
    "-": (("+", 1.5), ("*", 3.0), ("//", 3.5), ("%", 3.5)),
    "*": (("**", 2.4), ("/", 2.0), ("//", 2.2), ("+", 2.4), ("-", 3.0)),
    "/": (("//", 1.3), ("*", 1.8), ("%", 2.5), ("-", 3.5)),
    "//": (("/", 1.5), ("%", 1.9), ("*", 2.2), ("-", 3.5)),
    "%": (("//", 1.8), ("/", 2.4), ("*", 3.0), ("-", 3.5)),
    "**": (("*", 1.8), ("^", 3.5)),
    "&": (("|", 1.5), ("^", 1.5), ("-", 2.5), ("&~", 3.0)),
    "|": (("&", 1.5), ("^", 1.5), ("+", 2.5), ("-", 3.0)),
    "^": (("&", 1.5), ("|", 1.5), ("**", 1.8)),
    "<<": ((">>", 1.5), ("*", 3.5)),
    ">>": (("<<", 1.5), ("//", 3.0)),
    "@": (("*", 2.0),),
}
_COMMUTATIVE = frozenset({"&", "|", "^"})


def operators(site: Site) -> Iterator[Variant]:
    """Whatever an expression with an operator at its top may have been meant to be."""
    match site.node:
        case cst.Comparison(comparisons=[_]):
            yield from _comparison(site, site.node)
        case cst.Comparison():
            yield from _chain(site, site.node)
        case cst.BinaryOperation():
            yield from _binary(site, site.node)
        case cst.BooleanOperation():
            yield from _boolean(site, site.node)
        case cst.UnaryOperation():
            yield "drop-operator", site.code(site.node.expression), 1.7
        case cst.IfExp():
            body, orelse, test = map(site.code, (site.node.body, site.node.orelse, site.node.test))
            yield "swap-branches", f"{orelse} if {test} else {body}", 2.0
            yield "drop-branch", body, 2.8
            yield "drop-branch", orelse, 2.8


def conditions(site: Site) -> Iterator[Variant]:
    """A condition negated, or with another one beside it or in its place."""
    if not site.is_condition or site.is_target:
        return
    text = site.text
    own = f"({text})" if isinstance(site.node, (cst.BooleanOperation, cst.IfExp, cst.Lambda)) else text
    yield "negate", f"not {own}", 2.2
    for other, cost in site.ingredients.conditions:
        if other == text:
            continue
        yield "replace-condition", other, 2.9 + cost
        if not isinstance(site.parent, cst.BooleanOperation):
            # What guards an access stands before it, what adds to it after.
            yield "add-condition", f"{other} or {own}", 2.6 + cost
            yield "add-condition", f"{other} and {own}", 2.7 + cost
            yield "add-condition", f"{own} and {other}", 2.9 + cost
            yield "add-condition", f"{own} or {other}", 3.0 + cost


def _comparison(site: Site, node: cst.Comparison) -> Iterator[Variant]:
    target = node.comparisons[0]
    left, right, operator = site.code(node.left), site.code(target.comparator), site.code(target.operator)
    for other, cost in _other_comparisons(operator):
        yield "comparison", f"{left} {other} {right}", cost
    if isinstance(target.comparator, cst.Integer):
        number = target.comparator.evaluated_value
        for other, cost in [(operator, 0.0), *_other_comparisons(operator)]:
            for step in (-1, 1):
                if other != operator:
                    yield "comparison-and-constant", f"{left} {other} {number + step}", 0.4 + cost
    yield "swap-operands", f"{right} {operator} {left}", 2.2


def _chain(site: Site, node: cst.Comparison) -> Iterator[Variant]:
    for number, target in enumerate(node.comparisons):
        for other, cost in _other_comparisons(site.code(target.operator)):
            parts = [site.code(node.left)]
            for position, each in enumerate(node.comparisons):
                parts += [
                    other if position == number else site.code(each.operator),
                    site.code(each.comparator),
                ]
            yield "comparison", " ".join(parts), cost


def _other_comparisons(operator: str) -> list[tuple[str, float]]:
    operator = " ".join(operator.split())
    found: dict[str, float] = {}
    if operator in _ORDER:
        found = {_BOUNDARY[operator]: 1.0, _MIRROR[operator]: 1.5}
        found |= {other: 2.0 for other in _ORDER if other not in found}
        found |= {"==": 2.6, "!=": 2.4}
    else:
        found[_OPPOSITE[operator]] = 1.4
        if operator in ("==", "!="):
            found |= dict.fromkeys(_ORDER, 2.4) | {"in": 2.8, "not in": 3.0}
        if operator in ("in", "not in"):
            found |= {"==": 2.8, "!=": 3.0}
        if operator in _ALIKE:
            found[_ALIKE[operator]] = 2.2
    found.pop(operator, None)
    return list(found.items())


def _binary(site: Site, node: cst.BinaryOperation) -> Iterator[Variant]:
    left, right, operator = site.code(node.left), site.code(node.right), site.code(node.operator)
    for other, cost in _ARITHMETIC.get(operator, ()):
        yield "operator", f"{left} {other} {right}", cost
    if operator not in _COMMUTATIVE:
        yield "swap-operands", f"{right} {operator} {left}", 2.0
    yield "drop-operand", left, 2.0
    yield "drop-operand", right, 2.0
    if isinstance(node.left, cst.BinaryOperation):
        inner = node.left
        first, second, between = site.code(inner.left), site.code(inner.right), site.code(inner.operator)
        if inner.lpar:
            yield "regroup", f"{first} {between} {second} {operator} {right}", 2.4
        yield "regroup", f"{first} {between} ({second} {operator} {right})", 2.4
    if isinstance(node.right, cst.BinaryOperation):
        inner = node.right
        first, second, between = site.code(inner.left), site.code(inner.right), site.code(inner.operator)
        if inner.lpar:
            yield "regroup", f"{left} {operator} {first} {between} {second}", 2.4
        yield "regroup", f"({left} {operator} {first}) {between} {second}", 2.4


def _boolean(site: Site, node: cst.BooleanOperation) -> Iterator[Variant]:
    left, right = site.code(node.left), site.code(node.right)
    operator, other = ("and", "or") if isinstance(node.operator, cst.And) else ("or", "and")
    yield "and-or", f"{left} {other} {right}", 1.5
    yield "drop-operand", left, 2.0
    yield "drop-operand", right, 2.0
    yield "swap-operands", f"{right} {operator} {left}", 2.4
    yield "negate", f"{left} {operator} not ({right})", 2.4
    yield "negate", f"not ({left}) {operator} {right}", 2.4
