"""Takes the expectations out of a test file: what is left evaluates, and sends out what is to be judged."""

import ast
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gate_svc.domain.blinding.assertions import Part, parts, raises
from gate_svc.domain.blinding.closed import evaluate, is_closed
from gate_svc.domain.blinding.compare import Approximate, Raises, is_tame
from gate_svc.domain.blinding.hidden import Function, hidden_names, loop_table, parameter_tables
from gate_svc.domain.blinding.sites import Blinded, Site

SIZE_LIMIT = 500_000
"""Bytes of a test file; a larger one is left as it is."""
NAME = "_autopack"
"""What stands for the sender in a blinded file."""
_ASSERTS = re.compile(r"(?i)assert|check|expect|verify|ensure|should|equal")
"""Names of functions that are likely to fail a test."""


@dataclass(frozen=True, slots=True)
class _Assertion:
    statement: ast.Assert | ast.Expr
    parts: tuple[Part, ...]
    function: str
    required: bool
    """Whether the function cannot be left without it, but by an exception."""


@dataclass(slots=True)
class _Scope:
    """An outermost function of a test module, and what it asserts."""

    node: Function
    assertions: list[_Assertion] = field(default_factory=list)
    raising: list[tuple[ast.With, str, bool]] = field(default_factory=list)
    twins: list[tuple[ast.Call, ast.expr]] = field(default_factory=list)
    """Calls that seem to assert in a way of their own, and what they may expect."""
    left: set[str] = field(default_factory=set)
    """Functions with assertions that stay as they are."""


def blind(source: bytes, path: str, key: bytes) -> Blinded | None:
    """The file without its expectations, None where nothing of it can be judged blind.

    `key` hides which numbers belong to which assertions.
    """
    if len(source) > SIZE_LIMIT or source.startswith(b"\xef\xbb\xbf") or NAME.encode() in source:
        return None
    if b"\r" in source.replace(b"\r\n", b"\n"):
        return None
    try:
        source.decode()
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    writer = _Writer(source, path, key, _imported(tree))
    scopes = list(_scopes(tree))
    shared = _hidden_in_module(tree, scopes)
    left: set[str] = set()
    for scope in scopes:
        writer.write(scope, shared)
        left |= scope.left
    if not writer.sites:
        return None
    functions = {each.function for scope in scopes for each in scope.assertions}
    functions |= {function for scope in scopes for _, function, _ in scope.raising}
    return Blinded(
        writer.source(), writer.sites, writer.tokens, {name: name not in left for name in functions}
    )


class _Writer:
    """Collects what is put in place of what."""

    def __init__(self, source: bytes, path: str, key: bytes, imported: Mapping[str, str]) -> None:
        self._source = source
        self._lines = [0]
        for line in source.split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._path = path
        self._key = key
        self._imported = imported
        self._edits: dict[int, tuple[int, bytes]] = {}
        self.sites: dict[int, Site] = {}
        self.tokens: dict[int, Any] = {}

    def write(self, scope: _Scope, shared: Mapping[str, tuple[ast.expr, ...]]) -> None:
        """Takes out of a scope what it expects."""
        assertions, hidden = list(scope.assertions), dict(shared)
        while True:
            hidden = {**_hidden(scope.node, assertions), **shared}
            kept = [each for each in assertions if all(_is_blind(part, hidden) for part in each.parts)]
            if len(kept) == len(assertions):
                break
            assertions = kept
        whole = {id(each) for each in assertions}
        for values in hidden.values():
            for value in values:
                self._hide(value)
        for assertion in scope.assertions:
            if id(assertion) in whole:
                sent = [self._site(assertion, part, hidden) for part in assertion.parts]
                self._replace(assertion.statement, b", ".join(sent))
            else:
                self._both_sides(assertion)
                scope.left.add(assertion.function)
        for call, expected in scope.twins:
            self._twin(call, expected)
        for statement, function, required in scope.raising:
            if not self._raises(statement, function, required):
                scope.left.add(function)

    def source(self) -> bytes:
        """The file with everything put in place."""
        out, position = bytearray(), 0
        for start, (end, text) in sorted(self._edits.items()):
            out += self._source[position:start] + text
            position = end
        return bytes(out + self._source[position:])

    def _site(self, assertion: _Assertion, part: Part, hidden: Mapping[str, object]) -> bytes:
        looked_at, operation, expected = part.left, part.operation, part.right
        if expected is not None and _expects(part.left, hidden):
            looked_at, operation, expected = expected, part.mirrored, part.left
        text = self._text(looked_at)
        token = isinstance(expected, ast.Name)
        value = _expectation(expected) if expected is not None and not token else None
        number = self._number(assertion, text, operation, value, token)
        return b"%s(%d, (%s)%s)" % (
            NAME.encode(),
            number,
            text,
            b", " + self._text(expected) if expected is not None and token else b"",
        )

    def _both_sides(self, assertion: _Assertion) -> None:
        """Sends both sides of an equality that also stays, where that tells anything."""
        if len(assertion.parts) != 1 or assertion.parts[0].operation != "eq":
            return
        left, right = assertion.parts[0].left, assertion.parts[0].right
        if right is None or any(_approximately(side) or is_closed(side) for side in (left, right)):
            return
        other = self._number(assertion, self._text(right), "other", None)
        number = self._number(assertion, self._text(left), "same", other)
        for each, side, how in ((number, left, ""), (other, right, ".other")):
            self._replace(side, f"{NAME}{how}({each}, (".encode() + self._text(side) + b"))")

    def _twin(self, call: ast.Call, expected: ast.expr) -> None:
        """Lets an expectation that stays be another one."""
        wrong = _wrong(evaluate(expected))
        where = _Assertion(ast.Expr(call), (), "", False)
        number = self._number(where, self._text(expected), "twin", None, line=call.lineno)
        self._replace(
            expected, f"{NAME}.twin({number}, (".encode() + self._text(expected) + f"), {wrong!r})".encode()
        )

    def _raises(self, statement: ast.With, function: str, required: bool) -> bool:
        found = raises(statement.items[0])
        if found is None:
            return False
        kinds, pattern = found
        text = evaluate(pattern) if pattern is not None and is_closed(pattern) else None
        if pattern is not None and not is_tame(text):
            return False
        names = tuple(
            self._imported.get(name := ast.unparse(kind).rpartition(".")[2], name) for kind in kinds
        )
        where = _Assertion(ast.Expr(statement.items[0].context_expr), (), function, required)
        shown = self._text(statement.items[0].context_expr)
        number = self._number(where, shown, "raises", Raises(names, text), line=statement.lineno)
        self._replace(statement.items[0].context_expr, b"%s.raises(%d)" % (NAME.encode(), number))
        return True

    def _hide(self, value: ast.expr) -> None:
        start, _ = self._range(value)
        if start in self._edits:
            return
        number = len(self.tokens)
        self.tokens[number] = expected = evaluate(value)
        scalar = isinstance(expected, str | bytes | int | float | complex | None)
        self._replace(value, b"%s.hide(%d, %r)" % (NAME.encode(), number, scalar))

    def _number(
        self,
        where: _Assertion,
        text: bytes,
        operation: str,
        expected: Any,
        hidden: bool = False,
        line: int | None = None,
    ) -> int:
        name = f"{self._path}:{len(self.sites)}".encode()
        number = int.from_bytes(hmac.digest(self._key, name, hashlib.sha256)[:6], "big")
        self.sites[number] = Site(
            id=number,
            line=line or where.statement.lineno,
            text=" ".join(text.decode().split())[:200],
            operation=operation,
            expected=expected,
            hidden=hidden,
            required=where.function if where.required else "",
        )
        return number

    def _range(self, node: ast.stmt | ast.expr) -> tuple[int, int]:
        if node.end_lineno is None or node.end_col_offset is None:
            raise ValueError("a node without a place")
        return (
            self._lines[node.lineno - 1] + node.col_offset,
            self._lines[node.end_lineno - 1] + node.end_col_offset,
        )

    def _text(self, node: ast.expr) -> bytes:
        start, end = self._range(node)
        return self._source[start:end]

    def _replace(self, node: ast.stmt | ast.expr, text: bytes) -> None:
        """Puts text where a node is, with as many lines as it had."""
        start, end = self._range(node)
        missing = self._source.count(b"\n", start, end) - text.count(b"\n")
        if missing > 0:
            text = (
                text[:-1] + b"\n" * missing + text[-1:]
                if text.endswith(b")")
                else b"(" + text + b"\n" * missing + b")"
            )
        self._edits[start] = (end, text)


def _scopes(tree: ast.Module) -> Iterator[_Scope]:
    def visit(body: Sequence[ast.stmt], prefix: str) -> Iterator[_Scope]:
        for statement in body:
            if isinstance(statement, ast.ClassDef):
                yield from visit(statement.body, f"{prefix}{statement.name}.")
            elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and not any(
                map(_generates, statement.decorator_list)
            ):
                scope = _Scope(statement)
                _collect(statement.body, f"{prefix}{statement.name}", True, scope)
                yield scope

    yield from visit(tree.body, "")


def _collect(body: Sequence[ast.stmt], function: str, surely: bool, scope: _Scope) -> None:
    """Finds the assertions of a block; `surely` says whether all of it runs if the function ends."""
    for statement in body:
        if isinstance(statement, ast.Assert | ast.Expr) and (found := parts(statement)):
            if all(each.right is None and is_closed(each.left) for each in found):
                scope.left.add(function)
            else:
                scope.assertions.append(_Assertion(statement, found, function, surely))
        match statement:
            case ast.Expr(value=ast.Call(func=called) as call) if not parts(statement):
                if _ASSERTS.search(ast.unparse(called)):
                    scope.twins += [(call, each) for each in call.args if is_closed(each)]
            case ast.With(items=[item]) if raises(item):
                scope.raising.append((statement, function, surely))
            case ast.With() | ast.AsyncWith():
                swallows = not all(_is_transparent(item.context_expr) for item in statement.items)
                if swallows and _asserts(statement):
                    scope.left.add(function)
                if not swallows:
                    _collect(statement.body, function, surely, scope)
            case ast.If():
                _collect(statement.body, function, False, scope)
                _collect(statement.orelse, function, False, scope)
            case ast.For() | ast.AsyncFor() | ast.While():
                _collect(statement.body, function, False, scope)
                _collect(statement.orelse, function, False, scope)
            case ast.Try() if not statement.handlers:
                _collect(statement.body, function, surely, scope)
                _collect(statement.finalbody, function, surely, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                _collect(statement.body, function, False, scope)
            case ast.Assert() | ast.Try() | ast.Match() | ast.ClassDef() if _asserts(statement):
                if not (isinstance(statement, ast.Assert) and parts(statement)):
                    scope.left.add(function)
        surely = surely and not _may_leave(statement)


def _hidden_in_module(tree: ast.Module, scopes: Sequence[_Scope]) -> Mapping[str, tuple[ast.expr, ...]]:
    """Constants of the module that hold expectations, and are bound nowhere else."""
    top = {
        id(each.targets[0]) for each in tree.body if isinstance(each, ast.Assign) and len(each.targets) == 1
    }
    elsewhere = {
        each.id if isinstance(each, ast.Name) else each.arg
        for each in ast.walk(tree)
        if isinstance(each, ast.arg) or (isinstance(each, ast.Name) and _stores(each) and id(each) not in top)
    }
    assertions = [each for scope in scopes for each in scope.assertions]
    # What asserts only in part must see what it compares with.
    sound = [each for each in assertions if len(each.parts) == 1]
    return hidden_names(tree, [part for each in sound for part in each.parts], (), frozenset(elsewhere))


def _hidden(node: Function, assertions: Sequence[_Assertion]) -> Mapping[str, tuple[ast.expr, ...]]:
    tables = [*parameter_tables(node)]
    tables += [
        table
        for loop in ast.walk(node)
        if isinstance(loop, ast.For | ast.AsyncFor) and (table := loop_table(loop))
    ]
    columns = {name for table in parameter_tables(node) for name in table.names}
    given = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)} - columns
    return hidden_names(node, [part for each in assertions for part in each.parts], tables, frozenset(given))


def _is_blind(part: Part, hidden: Mapping[str, object]) -> bool:
    if part.right is None:
        return not is_closed(part.left)
    sides = [side for side in (part.left, part.right) if _expects(side, hidden)]
    if len(sides) != 1:
        return False
    if part.operation in ("is", "is_not"):
        return isinstance(sides[0], ast.Constant) and sides[0].value in (None, True, False)
    return not _approximately(sides[0]) or part.operation in ("eq", "ne")


def _expects(side: ast.expr, hidden: Mapping[str, object]) -> bool:
    if isinstance(side, ast.Name):
        return side.id in hidden
    return is_closed(side) or _approximate(side) is not None


def _expectation(side: ast.expr) -> Any:
    return _approximate(side) or evaluate(side)


def _approximately(side: ast.expr) -> bool:
    match side:
        case ast.Call(func=ast.Attribute(attr="approx") | ast.Name(id="approx")):
            return True
    return False


def _approximate(side: ast.expr) -> Approximate | None:
    if not isinstance(side, ast.Call) or not _approximately(side) or len(side.args) != 1:
        return None
    given = {each.arg or "": each.value for each in side.keywords}
    if given.keys() - {"rel", "abs"} or not all(map(is_closed, (*side.args, *given.values()))):
        return None
    absolute = evaluate(given["abs"]) if "abs" in given else 1e-12
    relative = evaluate(given["rel"]) if "rel" in given else (0.0 if "abs" in given else 1e-6)
    return Approximate(evaluate(side.args[0]), relative, absolute)


def _wrong(value: Any) -> Any:
    """Something else of the same type, where that is easily had."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"\0{value}"
        case bytes():
            return b"\0" + value
        case list() | tuple():
            return type(value)(["\0", *value])
    return ["\0"]


def _generates(decorator: ast.expr) -> bool:
    """Whether a test is run many times over, as hypothesis does."""
    return "given" in ast.unparse(decorator)


def _is_transparent(context: ast.expr) -> bool:
    """Whether an assertion that fails in a block fails the test: true of all that swallow nothing."""
    said = ast.unparse(context)
    return not any(word in said for word in ("raises", "Raises", "suppress", "warns", "Warns", "Logs"))


def _asserts(statement: ast.stmt) -> bool:
    return any(
        isinstance(each, ast.stmt) and (isinstance(each, ast.Assert) or parts(each))
        for each in ast.walk(statement)
    )


def _may_leave(statement: ast.stmt) -> bool:
    return any(
        isinstance(each, ast.Return | ast.Raise | ast.Continue | ast.Break | ast.Yield | ast.YieldFrom)
        or (
            isinstance(each, ast.Attribute)
            and each.attr in ("skip", "skipTest", "xfail", "fail", "importorskip")
        )
        for each in ast.walk(statement)
    )


def _stores(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)


def _imported(tree: ast.Module) -> Mapping[str, str]:
    """Real names of what is imported under another one."""
    return {
        alias.asname: alias.name.rpartition(".")[2]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
