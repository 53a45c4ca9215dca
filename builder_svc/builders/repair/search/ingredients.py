"""What changes are made of: names, conditions and values that a function has at hand, each with its cost."""

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property

import libcst as cst

from .source import Source

CONTAINERS = frozenset({"list", "tuple", "set", "frozenset", "dict", "str", "bytes", "deque", "defaultdict"})
SEQUENCES = frozenset({"list", "tuple", "str", "bytes", "deque"})
NUMBERS = frozenset({"int", "float", "bool", "complex"})
MAXIMUM_NAMES = 14
"""Of a function, nearest first; the pairs of all the names of a long one would be too many."""
Types = Mapping[str, Mapping[str, frozenset[str]]]


class Ingredients:
    """Of one function, or of a module's own level."""

    def __init__(self, source: Source, function: cst.FunctionDef | None, types: Types) -> None:
        self._source = source
        self.function = function
        self.place = source.place(function)
        self.node: cst.CSTNode = function if function is not None else source.module
        self._types = types.get(self.place, {})

    def kinds(self, name: str) -> frozenset[str]:
        """Names of the types that a name was seen to have; empty where it was not seen."""
        return self._types.get(name, frozenset())

    def may_be(self, name: str, kinds: frozenset[str]) -> bool:
        """Whether the name had one of these types, or was never seen."""
        seen = self.kinds(name)
        return not seen or bool(seen & kinds)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        if self.function is None:
            return ()
        found = self.function.params
        return tuple(p.name.value for p in (*found.posonly_params, *found.params, *found.kwonly_params))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Variables: parameters, and what is assigned to, here and in enclosing functions."""
        found = dict.fromkeys(self.parameters)
        for target in self._targets(self.node):
            found[target] = None
        if self.function is not None:
            for above in self._source.ancestors(self.function):
                if isinstance(above, cst.FunctionDef):
                    outer = Ingredients(self._source, above, {})
                    found |= dict.fromkeys(outer.names)
        found.pop("self", None)
        found.pop("cls", None)
        return tuple(found)[:MAXIMUM_NAMES]

    def _targets(self, node: cst.CSTNode) -> Iterator[str]:
        kinds = (cst.AssignTarget, cst.AnnAssign, cst.AugAssign, cst.For, cst.CompFor, cst.NamedExpr)
        for found in self._source.below(node):
            if isinstance(found, kinds):
                for name in self._source.inside(found.target, cst.Name):
                    if not isinstance(self._source.parent(name), (cst.Attribute, cst.Subscript, cst.Index)):
                        yield name.value
            elif isinstance(found, cst.AsName):
                yield from (name.value for name in self._source.inside(found.name, cst.Name))

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """Callables of the module by plain name."""
        found: dict[str, None] = {}
        for node in self._source.nodes:
            if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
                above = self._source.parent(self._source.parent(node) or node)
                if isinstance(above, cst.Module) or isinstance(self._source.parent(node), cst.Module):
                    found[node.name.value] = None
        return tuple(found)

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Every attribute that the file names, calls apart."""
        return tuple(
            dict.fromkeys(
                node.attr.value
                for node in self._source.nodes
                if isinstance(node, cst.Attribute) and not self._is_called(node)
            )
        )

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Every method that the file calls."""
        return tuple(
            dict.fromkeys(
                node.attr.value
                for node in self._source.nodes
                if isinstance(node, cst.Attribute) and self._is_called(node)
            )
        )

    def _is_called(self, node: cst.CSTNode) -> bool:
        above = self._source.parent(node)
        return isinstance(above, cst.Call) and above.func is node

    @cached_property
    def own_attributes(self) -> frozenset[str]:
        """Attributes of `self` that the file knows."""
        return frozenset(
            node.attr.value
            for node in self._source.nodes
            if isinstance(node, cst.Attribute) and self._source.code(node.value) == "self"
        )

    @cached_property
    def strings(self) -> tuple[str, ...]:
        """String literals of the file that are short enough to be values."""
        found = dict.fromkeys(
            self._source.code(node)
            for node in self._source.nodes
            if isinstance(node, cst.SimpleString) and not isinstance(self._source.parent(node), cst.Expr)
        )
        return tuple(text for text in found if len(text) <= 40)[:12]

    @cached_property
    def donors(self) -> tuple[tuple[str, type[cst.CSTNode]], ...]:
        """Other expressions of the function, which may belong elsewhere too."""
        kinds = (
            cst.Subscript,
            cst.Call,
            cst.Attribute,
            cst.BinaryOperation,
            cst.Comparison,
            cst.UnaryOperation,
        )
        found: dict[str, type[cst.CSTNode]] = {}
        for node in self._source.below(self.node):
            text = self._source.code(node)
            if isinstance(node, kinds) and len(text) <= 60 and not self._is_called(node):
                found.setdefault(text, type(node))
        return tuple(found.items())[:60]

    @cached_property
    def conditions(self) -> tuple[tuple[str, float], ...]:
        """Conditions over what is at hand, cheapest first."""
        found: dict[str, float] = {}

        def add(text: str, cost: float) -> None:
            found[text] = min(cost, found.get(text, cost))

        for name in self.names:
            if self.may_be(name, CONTAINERS | {"bool", "int", "NoneType"}):
                add(name, 0.6)
                add(f"not {name}", 0.4)
            if not self.kinds(name) or self.kinds(name) - NUMBERS - CONTAINERS:
                add(f"{name} is None", 0.3)
                add(f"{name} is not None", 0.5)
            if self.may_be(name, NUMBERS):
                for operator, number, cost in (
                    ("==", 0, 0.5),
                    ("<", 0, 0.6),
                    ("<=", 0, 0.8),
                    (">", 0, 0.8),
                    ("!=", 0, 0.9),
                    ("==", 1, 0.9),
                    ("<=", 1, 0.9),
                    (">", 1, 1.2),
                    (">=", 0, 1.0),
                ):
                    add(f"{name} {operator} {number}", cost)
            if self.kinds(name) & CONTAINERS:
                add(f"len({name}) <= 1", 0.8)
                add(f"len({name}) == 1", 1.1)
        for left, right in itertools.permutations(self.names, 2):
            alike = bool(self.kinds(left) & self.kinds(right))
            if alike or not (self.kinds(left) and self.kinds(right)):
                add(f"{left} == {right}", 1.1 if alike else 1.8)
                add(f"{left} != {right}", 1.3 if alike else 2.0)
                if self.may_be(left, NUMBERS | {"str"}):
                    add(f"{left} < {right}", 1.2 if alike else 1.9)
                    add(f"{left} <= {right}", 1.3 if alike else 2.0)
            if self.kinds(right) & CONTAINERS - {"str"}:
                add(f"{left} in {right}", 0.9)
                add(f"{left} not in {right}", 0.9)
            if self.kinds(right) & {"list", "tuple", "str"} and self.kinds(left) & {"int"}:
                add(f"{left} < len({right})", 1.0)
                add(f"{left} >= len({right})", 1.0)
        for node in self._source.below(self.node):
            if isinstance(node, cst.Attribute) and not self._is_called(node):
                text = self._source.code(node)
                add(f"{text} is None", 0.7)
                add(f"{text} is not None", 0.9)
                add(f"not {text}", 0.8)
                add(text, 0.9)
            elif isinstance(node, (cst.If, cst.While, cst.IfExp, cst.CompIf)):
                text = self._source.code(node.test)
                add(text, 0.8)
                add(f"not ({text})", 1.0)
        return tuple(sorted(found.items(), key=lambda item: item[1]))

    @cached_property
    def results(self) -> tuple[tuple[str, float], ...]:
        """What an early return may give."""
        found: dict[str, float] = {}
        for node in self._source.inside(self.node, cst.Return):
            if node.value is not None:
                found.setdefault(self._source.code(node.value), 0.4)
        for name in self.names:
            found.setdefault(name, 0.6 if name in self.parameters else 0.8)
        for text in ("None", "[]", "0", "1", "True", "False", '""', "-1"):
            found.setdefault(text, 0.9)
        for name in self.parameters:
            found.setdefault(f"[{name}]", 1.4)
        return tuple(sorted(found.items(), key=lambda item: item[1]))
