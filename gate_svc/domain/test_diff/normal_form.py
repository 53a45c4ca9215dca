"""Writes expressions so that equal ones look equal: names resolved, sides sorted."""

import ast
import copy
from collections.abc import Iterator, Mapping

from gate_svc.domain.blinding.assertions import Part
from gate_svc.domain.blinding.closed import NotClosed, evaluate

Names = Mapping[str, ast.expr]
"""What names stand for."""

SIZE_LIMIT = 20_000
"""Characters of one normal form; what is longer is taken as it is written."""


def normal(node: ast.expr, names: Names) -> ast.expr:
    """The expression with its names resolved."""
    resolved = _Resolver(names).visit(copy.deepcopy(node))
    if not isinstance(resolved, ast.expr):
        raise TypeError("an expression stays one")
    return resolved if len(ast.unparse(resolved)) <= SIZE_LIMIT else node


def text(node: ast.AST, names: Names) -> str:
    """Any node with its names resolved, as text."""
    return ast.unparse(_Resolver(names).visit(copy.deepcopy(node)))


def said(part: Part, names: Names) -> Iterator[str]:
    """What one part of an assertion says, and what weaker things it thereby says too; itself first."""
    left = normal(part.left, names)
    if part.right is None:
        yield f"{part.operation}({ast.unparse(left)})"
        return
    right = normal(part.right, names)
    operation, first, second = part.operation, ast.unparse(left), ast.unparse(right)
    if operation in ("eq", "ne", "is", "is_not", "almost", "count"):
        first, second = sorted((first, second))
    elif operation in ("lt", "le"):
        operation, first, second = {"lt": "gt", "le": "ge"}[operation], second, first
    yield f"{operation}({first}, {second})"
    if operation not in ("eq", "is"):
        return
    for side, other in ((left, right), (right, left)):
        try:
            value = evaluate(other)
        except NotClosed:
            continue
        yield f"{'true' if value else 'false'}({ast.unparse(side)})"
        yield f"eq({', '.join(sorted((ast.unparse(side), ast.unparse(other))))})"
        if value is not None:
            yield f"is_not({', '.join(sorted((ast.unparse(side), 'None')))})"
            yield f"is_not_none({ast.unparse(side)})"


class _Resolver(ast.NodeTransformer):
    def __init__(self, names: Names) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = self._names.get(node.id)
        return copy.deepcopy(found) if found is not None and isinstance(node.ctx, ast.Load) else node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node
