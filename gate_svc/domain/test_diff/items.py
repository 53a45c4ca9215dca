"""Takes a test file apart into what it asserts, what it does, and what its tests lean on."""

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from gate_svc.domain.blinding.assertions import parts, raises
from gate_svc.domain.blinding.hidden import Function, loop_table, parameter_table
from gate_svc.domain.test_diff.at_import import acts_at_import
from gate_svc.domain.test_diff.normal_form import Names, normal, said, text
from gate_svc.domain.test_diff.test_files import is_test_file

ROWS_LIMIT = 2000
"""Rows that a test is written out for; more are taken as they are written."""

_AUTOMATIC = (
    "setup",
    "teardown",
    "setUp",
    "tearDown",
    "asyncSetUp",
    "asyncTearDown",
    "pytest_",
    "load_tests",
)
_LEAVING = ("skip", "skipTest", "xfail", "fail", "importorskip", "exit", "_exit")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a test asserts or does."""

    key: str
    """Equal for what is the same, wherever it stands."""
    line: int
    shown: str
    function: str
    asserts: bool
    implied: tuple[str, ...] = ()
    """Keys of weaker things that it asserts too."""


@dataclass(slots=True)
class TestModule:
    """One file of the judge."""

    __test__ = False  # not a test, whatever pytest makes of the name

    items: list[Item] = field(default_factory=list)
    support: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Helpers, fixtures and constants by name: their text, and their line."""
    automatic: dict[str, int] = field(default_factory=dict)
    """What acts on every test of the file unasked: its text, and its line."""
    used: set[str] = field(default_factory=set)
    """Names that tests take as parameters."""


@dataclass(frozen=True, slots=True)
class _Where:
    names: Names
    guards: tuple[str, ...]
    function: str


def take_apart(path: str, source: bytes) -> TestModule | None:
    """The file's parts, or None where it is no Python that can be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    module = TestModule()
    names = _module_names(tree)
    collected = is_test_file(path)
    tests = _last_of_each(tree.body)
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if collected and statement.name.startswith("test") and not _is_fixture(statement):
                if tests.get(statement.name) is statement:
                    _test(statement, _Where(names, _marks(tree.body), statement.name), module)
            else:
                _support(statement, module)
        elif isinstance(statement, ast.ClassDef):
            if collected and _is_collected(statement):
                _class(statement, _Where(names, _marks(tree.body), statement.name), module)
            else:
                _support(statement, module)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            name = ast.unparse(statement.targets[0])
            if name.startswith(("pytest", "collect_ignore", "__")) or not isinstance(
                statement.targets[0], ast.Name
            ):
                module.automatic[ast.unparse(statement)] = statement.lineno
            elif not collected:
                module.support.setdefault(name, []).append((ast.unparse(statement), statement.lineno))
        elif not isinstance(statement, ast.Import | ast.ImportFrom | ast.AnnAssign) and not _is_idle(
            statement
        ):
            module.automatic[ast.unparse(statement)] = statement.lineno
        for what in acts_at_import(statement):
            module.automatic.setdefault(what, statement.lineno)
    return module


def _class(node: ast.ClassDef, where: _Where, module: TestModule) -> None:
    members = _last_of_each(node.body)
    bases = [ast.unparse(base) for base in node.bases if not ast.unparse(base).endswith("TestCase")]
    guards = [
        *where.guards,
        *(ast.unparse(each) for each in node.decorator_list if not parameter_table(each)),
    ]
    guards += [f"class({base})" for base in bases if base != "object"]
    tables = [each for each in node.decorator_list if parameter_table(each)]
    for member in node.body:
        if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            if member.name.startswith(_AUTOMATIC) or (_is_fixture(member) and _is_autouse(member)):
                guards.append(_plain(member))
        elif isinstance(member, ast.Assign | ast.AnnAssign):
            guards.append(ast.unparse(member))
    inner = _Where(where.names, tuple(guards), where.function)
    for member in node.body:
        if not isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if member.name.startswith("test") and members.get(member.name) is member:
            name = f"{node.name}.{member.name}"
            _test(member, _Where(inner.names, inner.guards, name), module, tables)
        elif not member.name.startswith(_AUTOMATIC):
            _support(member, module)


def _test(node: Function, where: _Where, module: TestModule, tables: Sequence[ast.expr] = ()) -> None:
    decorators = [*tables, *node.decorator_list]
    guards = [*where.guards, *(ast.unparse(each) for each in decorators if not _parametrizes(each))]
    module.used |= {each.arg for each in node.args.args} - {"self", "cls"}
    rows: list[list[tuple[Names, tuple[str, ...]]]] = []
    for decorator in decorators:
        if _parametrizes(decorator):
            rows.append(list(_rows(decorator, where.names)))
    combined = itertools.islice(itertools.product(*rows), ROWS_LIMIT)
    for combination in combined:
        names, marks = dict(where.names), list(guards)
        for each, more in combination:
            names |= each
            marks += more
        _walk(node.body, _Where(names, tuple(marks), where.function), module.items)


def _rows(decorator: ast.expr, names: Names) -> Iterator[tuple[Names, tuple[str, ...]]]:
    table = parameter_table(decorator)
    if table is None or len(table.rows) > ROWS_LIMIT:
        yield {}, (text(decorator, names),)
        return
    marks = _row_marks(decorator)
    for number, row in enumerate(table.rows):
        cells = {name: normal(cell, names) for name, cell in zip(table.names, row, strict=True)}
        yield cells, marks[number]


def _row_marks(decorator: ast.expr) -> list[tuple[str, ...]]:
    rows = decorator.args[1] if isinstance(decorator, ast.Call) else None
    elements = rows.elts if isinstance(rows, ast.List | ast.Tuple) else []
    return [
        tuple(ast.unparse(each.value) for each in row.keywords if each.arg == "marks")
        if isinstance(row, ast.Call)
        else ()
        for row in elements
    ]


def _walk(body: Sequence[ast.stmt], where: _Where, items: list[Item]) -> _Where:
    """Goes through a block to where it is surely left; what is left undone is no item."""
    for statement in body:
        if _is_idle(statement):
            continue
        if found := parts(statement):
            for part in found:
                key, *implied = said(part, where.names)
                items.append(_item(statement, where, key, asserts=True, implied=implied))
            continue
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                where = _Where(
                    {**where.names, name: normal(value, where.names)}, where.guards, where.function
                )
            case ast.Import() | ast.ImportFrom():
                where = _Where({**where.names, **_imports([statement])}, where.guards, where.function)
            case ast.With() if len(statement.items) == 1 and _is_sub_test(statement.items[0]):
                where = _walk(statement.body, where, items)
            case ast.With() | ast.AsyncWith():
                where = _with(statement, where, items)
            case ast.For() if (table := loop_table(_resolved_loop(statement, where.names))) and len(
                table.rows
            ) <= ROWS_LIMIT:
                for row in table.rows:
                    cells = {n: normal(c, where.names) for n, c in zip(table.names, row, strict=True)}
                    _walk(
                        statement.body, _Where({**where.names, **cells}, where.guards, where.function), items
                    )
            case ast.For() | ast.AsyncFor():
                _walk(
                    statement.body,
                    _guarded(
                        where, f"for {text(statement.target, {})} in {text(statement.iter, where.names)}"
                    ),
                    items,
                )
            case ast.If() | ast.While():
                condition = text(statement.test, where.names)
                _walk(statement.body, _guarded(where, f"if {condition}"), items)
                _walk(statement.orelse, _guarded(where, f"unless {condition}"), items)
                if _leaves(statement):
                    where = _guarded(where, f"unless {condition}")
            case ast.Try():
                caught = ", ".join(
                    ast.unparse(each.type) if each.type else "*" for each in statement.handlers
                )
                inner = _guarded(where, f"try except {caught}") if statement.handlers else where
                _walk(statement.body, inner, items)
                _walk(statement.finalbody, where, items)
            case _:
                items.append(_item(statement, where, text(statement, where.names), asserts=False))
                if _leaves(statement):
                    return where
    return where


def _with(statement: ast.With | ast.AsyncWith, where: _Where, items: list[Item]) -> _Where:
    header = ", ".join(text(item.context_expr, where.names) for item in statement.items)
    names = dict(where.names)
    for item in statement.items:
        if isinstance(item.optional_vars, ast.Name):
            names[item.optional_vars.id] = ast.Name(f"<{header}>", ast.Load())
    inner = _Where(names, where.guards, where.function)
    if any(raises(item) for item in statement.items):
        body = "; ".join(text(each, names) for each in statement.body)
        items.append(_item(statement, where, f"{_raises_name(header)}: {body}", asserts=True))
        return inner
    _walk(statement.body, _guarded(inner, f"with {header}"), items)
    return inner


def _item(
    statement: ast.stmt, where: _Where, said: str, *, asserts: bool, implied: Sequence[str] = ()
) -> Item:
    guard = " | ".join(sorted(where.guards))
    shown = ast.unparse(statement).split("\n")[0][:150]
    keys = tuple(f"{each} | {guard}" for each in implied)
    return Item(f"{said} | {guard}", statement.lineno, shown, where.function, asserts, keys)


def _support(node: Function | ast.ClassDef, module: TestModule) -> None:
    autouse = not isinstance(node, ast.ClassDef) and _is_autouse(node)
    if autouse or node.name.startswith(_AUTOMATIC):
        module.automatic[_plain(node)] = node.lineno
    module.support.setdefault(node.name, []).append((_plain(node), node.lineno))
    if not isinstance(node, ast.ClassDef) and _is_fixture(node):
        module.used |= {each.arg for each in node.args.args}


def _plain(node: Function | ast.ClassDef) -> str:
    """The definition without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return ast.unparse(_without_docstring(node, body))


def _without_docstring(node: Function | ast.ClassDef, body: list[ast.stmt]) -> ast.stmt:
    fields = {name: getattr(node, name) for name in node._fields}
    made = type(node)(**{**fields, "body": body or [ast.Pass()]})
    return ast.fix_missing_locations(ast.copy_location(made, node))


def _module_names(tree: ast.Module) -> Names:
    """What the names of a module stand for; one bound in several ways stands for nothing that is known."""
    names = dict(_imports(tree.body))
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                again = name in names
                names[name] = ast.Name(f"<rebound {name}>", ast.Load()) if again else normal(value, names)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name) if (
                name in names
            ):
                names[name] = ast.Name(f"<rebound {name}>", ast.Load())
    return names


def _imports(body: Sequence[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for statement in body:
        if isinstance(statement, ast.ImportFrom):
            module = "." * statement.level + (statement.module or "")
            for alias in statement.names:
                found[alias.asname or alias.name] = ast.Name(f"{module}.{alias.name}", ast.Load())
        elif isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.asname:
                    found[alias.asname] = ast.Name(alias.name, ast.Load())
    return found


def _marks(body: Sequence[ast.stmt]) -> tuple[str, ...]:
    return tuple(
        ast.unparse(each.value)
        for each in body
        if isinstance(each, ast.Assign)
        and any(ast.unparse(target) == "pytestmark" for target in each.targets)
    )


def _last_of_each(body: Sequence[ast.stmt]) -> dict[str, ast.stmt]:
    """What each name of a block is bound to in the end."""
    found: dict[str, ast.stmt] = {}
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.Delete):
            found |= {ast.unparse(target): statement for target in statement.targets}
    return found


def _is_collected(node: ast.ClassDef) -> bool:
    if any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in node.body):
        return False
    if any(isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__test__" for each in node.body):
        return False
    return node.name.startswith("Test") or any("Test" in ast.unparse(base) for base in node.bases)


def _is_fixture(node: Function) -> bool:
    return any("fixture" in ast.unparse(each) for each in node.decorator_list)


def _is_autouse(node: Function) -> bool:
    return any("autouse" in ast.unparse(each) for each in node.decorator_list)


def _parametrizes(decorator: ast.expr) -> bool:
    return "parametrize" in ast.unparse(decorator)


def _is_sub_test(item: ast.withitem) -> bool:
    return ast.unparse(item.context_expr).startswith(("self.subTest(", "subtests.test("))


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If):
        return ast.unparse(statement.test) == "__name__ == '__main__'"
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _leaves(statement: ast.stmt) -> bool:
    """Whether what comes after a statement may not be come to."""
    for each in ast.walk(statement):
        if isinstance(each, ast.Return | ast.Raise | ast.Continue | ast.Break):
            return True
        if isinstance(each, ast.Call) and ast.unparse(each.func).rpartition(".")[2] in _LEAVING:
            return True
    return False


def _guarded(where: _Where, guard: str) -> _Where:
    return _Where(where.names, (*where.guards, guard), where.function)


def _resolved_loop(loop: ast.For, names: Names) -> ast.For:
    return ast.For(loop.target, normal(loop.iter, names), loop.body, loop.orelse)


def _raises_name(header: str) -> str:
    return (
        header.replace("self.assertRaisesRegex", "raises")
        .replace("self.assertRaises", "raises")
        .replace("pytest.raises", "raises")
    )
