"""What a statement of a test file does to other modules at its import, hidden in what looks idle."""

import ast
from collections.abc import Iterator

_FUNCTIONS = frozenset(("setattr", "delattr", "exec", "eval", "compile", "__import__"))
_METHODS = frozenset(
    (
        *("__setattr__", "__delattr__", "__setitem__", "update", "setdefault", "pop", "start", "register"),
        *(
            "import_module",
            "reload",
            "settrace",
            "setprofile",
            "addaudithook",
            "_exit",
            "exit",
            "kill",
            "fork",
        ),
        *("system", "Popen", "write_text", "write_bytes", "unlink", "remove", "rmtree", "rename"),
    )
)
"""Functions and methods by which one expression can change what is not its own."""


def acts_at_import(statement: ast.stmt) -> Iterator[str]:
    """What of a statement of a module acts on others as it is executed; bodies of functions do not."""
    if isinstance(statement, ast.ImportFrom) and any(each.name == "*" for each in statement.names):
        yield ast.unparse(statement)
    for node, later in _executed(statement):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS:
                yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="subprocess"))) if not later:
                yield ast.unparse(node)
            case ast.Call(func=ast.Attribute(attr=name)) if name in _METHODS and not later:
                yield ast.unparse(node)
            case ast.Call(func=ast.Lambda()) | ast.keyword(arg="metaclass") | ast.NamedExpr() if not later:
                yield ast.unparse(node)
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript() as target]):
                yield ast.unparse(target)


def _executed(statement: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Nodes that are executed at once, and those of lambdas: later, by whoever calls them."""
    waiting: list[tuple[ast.AST, bool]] = [(statement, False)]
    while waiting:
        node, later = waiting.pop()
        yield node, later
        below: list[ast.AST] = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            below = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        waiting += [(each, later or isinstance(node, ast.Lambda)) for each in below]
