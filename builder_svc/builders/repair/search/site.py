"""One expression in its place: what may stand there instead is written as text."""

from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from .ingredients import Ingredients
from .source import Proposal, Source, TextEdit

Variant = tuple[str, str, float]
"""Template, text, cost."""
_OPEN = (
    cst.Arg,
    cst.Index,
    cst.Slice,
    cst.Return,
    cst.Assign,
    cst.AnnAssign,
    cst.AugAssign,
    cst.Expr,
    cst.If,
    cst.While,
    cst.For,
    cst.Element,
    cst.DictElement,
    cst.Param,
    cst.CompIf,
    cst.ListComp,
    cst.SetComp,
    cst.GeneratorExp,
    cst.Assert,
    cst.Yield,
)
"""Where no operator can bind to the expression."""
NUMERIC_PLACES = (cst.Index, cst.Slice, cst.Arg, cst.Return, cst.BinaryOperation, cst.ComparisonTarget)


@dataclass(frozen=True, slots=True)
class Site:
    """An expression, what surrounds it, and what is at hand."""

    source: Source
    node: cst.BaseExpression
    ingredients: Ingredients

    @property
    def text(self) -> str:
        return self.source.code(self.node)

    @property
    def parent(self) -> cst.CSTNode | None:
        return self.source.parent(self.node)

    def code(self, node: cst.CSTNode) -> str:
        return self.source.code(node)

    @property
    def is_condition(self) -> bool:
        """Whether its truth alone matters."""
        above = self.parent
        if isinstance(above, (cst.If, cst.While, cst.CompIf, cst.Assert, cst.IfExp)):
            return above.test is self.node
        return isinstance(above, cst.BooleanOperation) or (
            isinstance(above, cst.UnaryOperation) and isinstance(above.operator, cst.Not)
        )

    @property
    def is_target(self) -> bool:
        """Whether it is assigned to."""
        below: cst.CSTNode = self.node
        for above in self.source.ancestors(self.node):
            if isinstance(above, (cst.AssignTarget, cst.Del)):
                return True
            if isinstance(above, (cst.For, cst.CompFor, cst.AugAssign, cst.AnnAssign, cst.NamedExpr)):
                return above.target is below
            if not isinstance(above, (cst.Tuple, cst.List, cst.Element, cst.StarredElement)):
                return False
            below = above
        return False

    @property
    def is_called(self) -> bool:
        above = self.parent
        return isinstance(above, cst.Call) and above.func is self.node

    def proposal(self, variant: Variant) -> Proposal:
        """The variant in the place of the expression, in parentheses where it may need them."""
        template, text, cost = variant
        start, end = self.source.span(self.node)
        if not self.node.lpar and not isinstance(self.parent, _OPEN) and not is_closed(text):
            text = f"({text})"
        edit = TextEdit(self.source.path, start, end, text)
        place = self.ingredients.place
        return Proposal((edit,), template, cost, self.source.line(self.node), place)


@lru_cache(maxsize=20_000)
def is_closed(text: str) -> bool:
    """Whether no operator outside can take the text apart."""
    try:
        node = cst.parse_expression(text)
    except cst.ParserSyntaxError:
        return False
    atoms = (
        cst.Name,
        cst.BaseNumber,
        cst.SimpleString,
        cst.Call,
        cst.Subscript,
        cst.Attribute,
        cst.List,
        cst.Dict,
        cst.Set,
        cst.ListComp,
        cst.SetComp,
        cst.DictComp,
    )
    return isinstance(node, atoms) or bool(node.lpar)
