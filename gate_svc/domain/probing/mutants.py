"""Finds single changes of changed lines that tests should notice, and writes them all into one source.

Each is an alternative behind a switch, so that one process holds all of them and pays for one import.
"""

import ast
import copy
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

SWITCH = "_autopack_probe"
"""What stands in an instrumented source for the probe: says which tests come by, and which mutant is on."""
SIZE_LIMIT = 300_000
"""Bytes of a file; a larger one is left alone."""
CALLED_LIMIT = 20
"""Functions of a file whose calls are kept."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small change, by the number of its switch."""

    number: int
    path: str
    line: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Instrumented:
    """A product file with its mutants behind switches."""

    source: bytes
    mutants: tuple[Mutant, ...]
    lines: Mapping[int, int]
    """Changed lines on which a statement begins, by the number that says that it was come to."""
    called: tuple[str, ...]
    """Changed functions and methods whose calls are kept."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A node that can be another one."""

    node: ast.expr | ast.stmt
    other: ast.expr | ast.stmt
    line: int


def changed_lines(old: bytes | None, new: bytes) -> frozenset[int]:
    """Lines of the new contents that the old ones do not have, from 1."""
    if old is None:
        return frozenset(range(1, new.count(b"\n") + 2))
    blocks = SequenceMatcher(None, old.splitlines(), new.splitlines(), autojunk=False).get_opcodes()
    return frozenset(
        line + 1
        for kind, _, _, start, end in blocks
        if kind != "equal"
        for line in range(start, max(end, start + 1))
    )


def mutants(source: bytes, path: str, lines: Iterable[int]) -> list[tuple[Mutant, bytes]]:
    """Every mutant of these lines with its source, each by itself."""
    tree = _parsed(source)
    if tree is None:
        return []
    found = []
    for number, place in enumerate(_places(tree, frozenset(lines))):
        replaced = _Replacing({id(place.node): place.other}).visit(copy.deepcopy(tree, _keeping(place.node)))
        found.append((_mutant(number, path, place), ast.unparse(replaced).encode()))
    return found


def instrument(
    files: Mapping[str, tuple[bytes | None, bytes]], seed: bytes, limit: int
) -> tuple[Mapping[str, Instrumented], int]:
    """Changed product files (old and new contents by path) with at most `limit` mutants in all, and how many
    there could be. Which ones, and in which order they are tried, the seed says."""
    trees = {
        path: (tree, changed_lines(old, new))
        for path, (old, new) in sorted(files.items())
        if len(new) <= SIZE_LIMIT and (tree := _parsed(new)) is not None
    }
    places = [(path, place) for path, (tree, lines) in trees.items() for place in _places(tree, lines)]
    drawn = sorted(range(len(places)), key=lambda index: _draw(seed, places[index][0], index))[:limit]
    chosen: dict[str, dict[int, list[tuple[int, _Place]]]] = {path: {} for path in trees}
    made: dict[str, list[Mutant]] = {path: [] for path in trees}
    for number, index in enumerate(drawn):
        path, place = places[index]
        chosen[path].setdefault(id(place.node), []).append((number, place))
        made[path].append(_mutant(number, path, place))
    found, first = {}, limit
    for path, (tree, lines) in trees.items():
        writer = _Switching(chosen[path], lines, first)
        source = ast.unparse(ast.fix_missing_locations(writer.visit(tree))).encode()
        first += len(writer.lines)
        if writer.lines or writer.called:
            found[path] = Instrumented(source, tuple(made[path]), writer.lines, tuple(writer.called))
    return found, len(places)


def _mutant(number: int, path: str, place: _Place) -> Mutant:
    return Mutant(number, path, place.line, _short(place.node), _short(place.other))


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:80]


def _draw(seed: bytes, path: str, index: int) -> bytes:
    return hmac.digest(seed, f"{path}:{index}".encode(), hashlib.sha256)


def _parsed(source: bytes) -> ast.Module | None:
    if SWITCH.encode() in source:
        return None
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _places(tree: ast.Module, lines: frozenset[int]) -> Iterator[_Place]:
    """Nodes within functions, on the lines, that can be otherwise; what only a person reads is left out."""
    for function in _outermost(tree):
        for statement in _body(function):
            for node in _within(statement):
                line = getattr(node, "lineno", 0)
                if line in lines and isinstance(node, ast.expr | ast.stmt):
                    yield from (_Place(node, other, line) for other in _others(node))


def _others(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """What could stand in a node's place."""
    match node:
        case ast.Compare(left=left, ops=[operation], comparators=values) if type(operation) in _COMPARISONS:
            yield ast.Compare(left, [_COMPARISONS[type(operation)]()], values)
            if isinstance(operation, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
                turned = ast.GtE() if isinstance(operation, ast.Lt | ast.LtE) else ast.LtE()
                yield ast.Compare(left, [turned], values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            if not (isinstance(op, ast.Mod) and isinstance(left, ast.Constant)):
                yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if value:
            yield ast.Constant(value + "?")
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield ast.Return(ast.Constant(None))
        case ast.If(test=test, body=body, orelse=orelse) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.AugAssign(target=target, op=op, value=value) if type(op) in _ARITHMETIC:
            yield ast.AugAssign(target, _ARITHMETIC[type(op)](), value)
        case ast.Expr(value=ast.Call()) | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _within(statement: ast.stmt) -> Iterator[ast.AST]:
    """A statement and all in it, but for annotations, patterns, and the pieces of f-strings."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop(0)
        yield node
        match node:
            case ast.JoinedStr() | ast.match_case() | ast.Global() | ast.Nonlocal():
                continue
            case ast.AnnAssign(value=value):
                waiting += [value] if value else []
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                waiting += _body(node)
            case ast.ClassDef(body=body):
                waiting += body
            case _:
                waiting += ast.iter_child_nodes(node)


def _outermost(tree: ast.Module | ast.ClassDef) -> Iterator[_Function]:
    for statement in tree.body:
        if isinstance(statement, _Function):
            yield statement
        elif isinstance(statement, ast.ClassDef):
            yield from _outermost(statement)


def _body(function: _Function) -> Sequence[ast.stmt]:
    """Without the docstring."""
    return function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body


def _keeping(node: ast.AST) -> dict[int, object]:
    """For deepcopy: this one node stays itself, so that it can be found in the copy."""
    return {id(node): node}


class _Replacing(ast.NodeTransformer):
    """Puts other nodes in the place of some."""

    def __init__(self, others: Mapping[int, ast.AST]) -> None:
        self._others = others

    def visit(self, node: ast.AST) -> ast.AST:
        other = self._others.get(id(node))
        if other is not None:
            return ast.fix_missing_locations(ast.copy_location(other, node))
        return self.generic_visit(node)


class _Switching(ast.NodeTransformer):
    """Puts mutants behind switches, and marks where changed statements begin and what is called."""

    def __init__(
        self, chosen: Mapping[int, Sequence[tuple[int, _Place]]], lines: frozenset[int], first: int
    ) -> None:
        self._chosen = chosen
        self._changed = lines
        self._first = first
        self._depth = 0
        self.lines: dict[int, int] = {}
        self.called: list[str] = []

    def visit(self, node: ast.AST) -> ast.AST:
        here = self._chosen.get(id(node), ())
        # Where a mutant is on, no other one is: its own branch needs no switches.
        others = [(number, copy.deepcopy(place.other)) for number, place in here]
        match node:
            case ast.Module() | ast.ClassDef():
                node.body = (
                    self._block(node.body)
                    if self._depth
                    else [_statement(self.visit(each)) for each in node.body]
                )
                return node
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self._function(node)
            case ast.JoinedStr() | ast.match_case():
                if isinstance(node, ast.match_case):
                    node.body = self._block(node.body)
                return node
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                blocks = bool(value) and isinstance(value[0], ast.stmt)
                setattr(node, name, self._block(value) if blocks else [self._one(each) for each in value])
            elif isinstance(value, ast.AST) and not (
                isinstance(node, ast.AnnAssign) and name == "annotation"
            ):
                setattr(node, name, self.visit(value))
        for number, other in others:
            node = self._switched(number, other, node)
        return node

    def _one(self, value: object) -> object:
        return self.visit(value) if isinstance(value, ast.AST) else value

    def _switched(self, number: int, other: ast.AST, node: ast.AST) -> ast.AST:
        on = _call(SWITCH, number)
        if isinstance(node, ast.stmt):
            return ast.copy_location(ast.If(on, [_statement(other)], [node]), node)
        if not isinstance(node, ast.expr) or not isinstance(other, ast.expr):
            raise TypeError("neither statement nor expression")
        return ast.copy_location(ast.IfExp(on, other, node), node)

    def _block(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in body:
            if self._depth and statement.lineno in self._changed and not _is_docstring(statement):
                number = self._first + len(self.lines)
                self.lines[number] = statement.lineno
                out.append(ast.copy_location(ast.Expr(_call(SWITCH, number)), statement))
            out.append(_statement(self.visit(statement)))
        return out

    def _function(self, node: _Function) -> ast.AST:
        self._depth += 1
        before = len(self.lines)
        body = list(node.body)
        documented = body[:1] if ast.get_docstring(node, clean=False) is not None else []
        node.body = documented + self._block(body[len(documented) :])
        self._depth -= 1
        changed = len(self.lines) > before or any(
            line in self._changed for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        )
        alone = self._depth == 0 and isinstance(node, ast.FunctionDef) and not _generates(node)
        named = not node.name.startswith("__") or node.name in ("__init__", "__call__")
        if alone and changed and named and len(self.called) < CALLED_LIMIT:
            self.called.append(node.name)
            node.decorator_list.append(ast.Attribute(ast.Name(SWITCH, ast.Load()), "call", ast.Load()))
        return node


def _statement(node: ast.AST) -> ast.stmt:
    if not isinstance(node, ast.stmt):
        raise TypeError("no statement")
    return node


def _call(name: str, number: int) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [ast.Constant(number)], [])


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _generates(function: ast.FunctionDef) -> bool:
    return any(isinstance(each, ast.Yield | ast.YieldFrom) for each in ast.walk(function))
