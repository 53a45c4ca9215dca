"""Finds expectations that tables and variables hold: what of them nothing but assertions look at."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gate_svc.domain.blinding.assertions import Part
from gate_svc.domain.blinding.closed import is_closed

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of literals, and the names that their columns are bound to."""

    names: tuple[str, ...]
    rows: tuple[tuple[ast.expr, ...], ...]


def hidden_names(
    scope: ast.AST, parts: Sequence[Part], tables: Sequence[Table], given: frozenset[str]
) -> Mapping[str, tuple[ast.expr, ...]]:
    """Names of a scope that hold expectations and nothing else, with all that they are bound to.

    `given` are names that come from elsewhere, and so can be anything.
    """
    bound, loads = _bindings(scope, tables)
    beside = {id(operand): other for part in parts if part.right for operand, other in _sides(part)}
    names = {
        name: values
        for name, values in bound.items()
        if name not in given and values and all(map(is_closed, values)) and loads[name]
    }
    while True:
        kept = {
            name: values
            for name, values in names.items()
            if all(
                id(load) in beside and not is_closed(other := beside[id(load)]) and not _one_of(other, names)
                for load in loads[name]
            )
        }
        if kept == names:
            return kept
        names = kept


def parameter_tables(function: Function | ast.ClassDef) -> Iterator[Table]:
    """Tables of `pytest.mark.parametrize` on a function."""
    for decorator in function.decorator_list:
        if table := parameter_table(decorator):
            yield table


def parameter_table(decorator: ast.expr) -> Table | None:
    """The table of one `pytest.mark.parametrize("a, b", [...])`, None where it is not written out."""
    match decorator:
        case ast.Call(func=ast.Attribute(attr="parametrize"), args=[names, rows, *_], keywords=more):
            if any(each.arg not in ("ids", "scope") for each in more):
                return None
            columns = _column_names(names)
            return table_of(rows, columns, alone=len(columns) == 1) if columns else None
    return None


def loop_table(loop: ast.For | ast.AsyncFor) -> Table | None:
    """The table of `for a, b in [...]`."""
    match loop.target:
        case ast.Name(id=name):
            return table_of(loop.iter, (name,), alone=True)
        case ast.Tuple(elts=elements) if all(isinstance(each, ast.Name) for each in elements):
            columns = tuple(each.id for each in elements if isinstance(each, ast.Name))
            return table_of(loop.iter, columns, alone=False)
    return None


def table_of(rows: ast.expr, columns: tuple[str, ...], *, alone: bool) -> Table | None:
    """A literal list or tuple of rows with so many cells; `alone`: each row is its only cell."""
    if not isinstance(rows, ast.List | ast.Tuple):
        return None
    found = []
    for row in rows.elts:
        match row:
            case ast.Call(func=ast.Attribute(attr="param"), args=cells):
                pass
            case ast.Tuple(elts=cells) | ast.List(elts=cells) if not alone:
                pass
            case _ if alone:
                cells = [row]
            case _:
                return None
        if len(cells) != len(columns) or any(isinstance(cell, ast.Starred) for cell in cells):
            return None
        found.append(tuple(cells))
    return Table(columns, tuple(found))


def _column_names(node: ast.expr) -> tuple[str, ...]:
    match node:
        case ast.Constant(value=str(text)):
            return tuple(name.strip() for name in text.split(",") if name.strip())
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            values = [each.value for each in elements if isinstance(each, ast.Constant)]
            return tuple(str(value) for value in values) if len(values) == len(elements) else ()
    return ()


def _bindings(
    scope: ast.AST, tables: Sequence[Table]
) -> tuple[dict[str, tuple[ast.expr, ...]], dict[str, list[ast.Name]]]:
    """What each name is bound to, as far as all of it is known, and where it is read."""
    values: dict[str, list[ast.expr]] = defaultdict(list)
    for table in tables:
        for number, name in enumerate(table.names):
            values[name] += [row[number] for row in table.rows]
    told: set[int] = set()
    loads: dict[str, list[ast.Name]] = defaultdict(list)
    unknown: set[str] = set()
    for node in ast.walk(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=name) as target], value=value):
                values[name].append(value)
                told.add(id(target))
            case ast.For() | ast.AsyncFor() if loop_table(node):
                told |= {id(each) for each in ast.walk(node.target)}
            case ast.Name(id=name, ctx=ast.Load()):
                loads[name].append(node)
            case ast.Name(id=name) if id(node) not in told:
                unknown.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                unknown |= set(names)
            case ast.ExceptHandler(name=str(name)):
                unknown.add(name)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node is not scope:
                unknown.add(node.name)
                if not isinstance(node, ast.ClassDef):
                    unknown |= {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
    return {name: tuple(each) for name, each in values.items() if name not in unknown}, loads


def _sides(part: Part) -> Iterator[tuple[ast.expr, ast.expr]]:
    if part.right is not None:
        yield part.left, part.right
        yield part.right, part.left


def _one_of(node: ast.expr, names: Mapping[str, object]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
