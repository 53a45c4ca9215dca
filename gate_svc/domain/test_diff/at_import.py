"""What a statement of a test file does to other modules at its import, hidden in what looks idle."""

import ast
from collections.abc import Iterator

_ACTING = frozenset(
    (
        *("setattr", "delattr", "exec", "eval", "compile", "__import__", "globals", "vars", "locals"),
        *("__setattr__", "__delattr__", "__setitem__", "import_module", "reload", "start", "_exit", "exit"),
        *("settrace", "setprofile", "addaudithook", "register", "system", "Popen", "run", "write_text"),
        *("unlink", "remove", "rmtree", "rename", "kill", "fork", "patch", "update", "setdefault", "pop"),
    )
)
"""Functions and methods by which one expression can change what is not its own."""


def acts_at_import(statement: ast.stmt) -> Iterator[str]:
    """What of a statement of a module acts on others as it is executed; bodies of functions do not."""
    if isinstance(statement, ast.ImportFrom) and any(each.name == "*" for each in statement.names):
        yield ast.unparse(statement)
    for node in _executed(statement):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in _ACTING:
                yield ast.unparse(node)
            case ast.Call(func=ast.Lambda()) | ast.keyword(arg="metaclass") | ast.NamedExpr():
                yield ast.unparse(node)
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript() as target]):
                yield ast.unparse(target)


def _executed(statement: ast.AST) -> Iterator[ast.AST]:
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            case _:
                waiting += ast.iter_child_nodes(node)
