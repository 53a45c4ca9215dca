"""What product code has no use for unless it wants to know, or to change, how it is tested."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from autopack.errors import Reason
from gate_svc.domain.change import ChangedFile

LISTED_LIMIT = 20

_RUNNERS = (
    "pytest",
    "_pytest",
    "unittest",
    "pluggy",
    "nose",
    "doctest",
    "autopack_blind",
    "autopack_pytest",
    "ctypes",
)
_REACHES = frozenset(
    (
        *(
            "_getframe",
            "_current_frames",
            "settrace",
            "setprofile",
            "addaudithook",
            "meta_path",
            "path_hooks",
        ),
        *("get_objects", "get_referrers", "get_referents", "currentframe", "getouterframes", "extract_stack"),
        *("findCaller", "register_at_fork"),
        *("walk_stack", "format_stack", "print_stack", "_exit", "f_back", "f_locals", "f_globals", "f_code"),
        *("__code__", "__globals__", "__builtins__", "co_consts", "tb_frame", "__subclasses__", "gi_frame"),
    )
)
_REACHES_OF = {"inspect": ("stack", "trace"), "sys": ("modules", "monitoring"), "mock": ("ANY",)}
_TELLING = re.compile(
    r"(?i)_?pytest|unittest|autopack|conftest|(^|[/\\])tests?[/\\]|\btest_\w*\.py\b|^test_$|sitecustomize"
)
_TEST = re.compile(r"(?i)^\W*tests?\W*$|^\W*test[_.]")


@dataclass(frozen=True, slots=True)
class _Signal:
    what: str
    line: int


def awareness(files: Iterable[ChangedFile], is_product: Callable[[str], bool]) -> tuple[Reason, ...]:
    """Why a person should look at what a change adds to the product."""
    found = [
        Reason(
            "TEST_AWARE",
            f"the product now {signal.what}, which serves to know or to change how it is tested",
            "do without it, or look at the change and approve it",
            path=file.path,
            line=signal.line,
        )
        for file in files
        if file.path.endswith((".py", ".pyi")) and is_product(file.path) and file.new is not None
        for signal in _added(file)
    ]
    return tuple(found[:LISTED_LIMIT])


def _added(file: ChangedFile) -> list[_Signal]:
    before = {signal.what for signal in _signals(file.old)} if file.old is not None else set()
    found: dict[str, _Signal] = {}
    for signal in _signals(file.new or b""):
        if signal.what not in before:
            found.setdefault(signal.what, signal)
    return list(found.values())


def _signals(source: bytes) -> Iterator[_Signal]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    imported = _imported(tree)
    docstrings = {id(each) for each in _docstrings(tree)}
    for node in ast.walk(tree):
        for what in _of_node(node, imported, docstrings):
            yield _Signal(what, getattr(node, "lineno", 0))
    for scope in _scopes(tree):
        yield from _told_by_surroundings(scope)


def _of_node(node: ast.AST, imported: frozenset[str], docstrings: set[int]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (f"imports {each.name}" for each in names if each.name.split(".")[0] in _RUNNERS)
        case ast.ImportFrom(module=str(module), names=names):
            if module.split(".")[0] in _RUNNERS:
                yield f"imports {module}"
            owner = module.split(".")[-1]
            names_of = (*_REACHES, *_REACHES_OF.get(owner, ()))
            yield from (f"imports {owner}.{each.name}" for each in names if each.name in names_of)
        case ast.Attribute(attr=attribute) if attribute in _REACHES:
            yield f"uses {attribute}"
        case ast.Attribute(value=ast.Name(id=owner), attr=attribute) if attribute in _REACHES_OF.get(
            owner, ()
        ):
            yield f"uses {owner}.{attribute}"
        case ast.Constant(value=str(text)) if id(node) not in docstrings and _TELLING.search(text):
            yield f"has the text {text[:60]!r}"
        case ast.Call(func=ast.Name(id="eval" | "exec" | "compile" | "__import__" as name), args=[first, *_]):
            if not isinstance(first, ast.Constant):
                yield f"calls {name} on what it has made up"
        case ast.Call(func=ast.Name(id="getattr" | "setattr" | "delattr" as name), args=[owner, given, *_]):
            if _root(owner) in imported and (name != "getattr" or not isinstance(given, ast.Constant)):
                yield f"reaches into {ast.unparse(owner)} by {name}"
        case ast.Assign(targets=targets):
            yield from _patches(targets, imported)
        case ast.AugAssign(target=target):
            yield from _patches([target], imported)
        case ast.FunctionDef(name="__eq__" | "__ne__" | "__bool__" as name, body=body):
            if all(isinstance(each, ast.Return | ast.Expr | ast.Assign) for each in body) and _always(
                body[-1]
            ):
                yield f"has a {name} that looks at nothing"


def _patches(targets: list[ast.expr], imported: frozenset[str]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Attribute) and _root(target) in imported:
            yield f"replaces {ast.unparse(target)}"
        elif isinstance(target, ast.Name) and target.id in ("__eq__", "__ne__", "__class__"):
            yield f"assigns {target.id}"
        elif isinstance(target, ast.Attribute) and target.attr == "__class__":
            yield "assigns __class__"


def _told_by_surroundings(scope: ast.AST) -> Iterator[_Signal]:
    """Looks for tests in what surrounds it: arguments, variables, names of callers."""
    looks = any(
        isinstance(each, ast.Attribute) and each.attr in ("argv", "environ", "getenv", "orig_argv", "modules")
        for each in ast.walk(scope)
    )
    if not looks:
        return
    for node in ast.walk(scope):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _TEST.search(node.value):
            yield _Signal(f"looks for {node.value!r} in what surrounds it", node.lineno)


def _always(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Return)
        and isinstance(statement.value, ast.Constant)
        and statement.value.value
        in (
            True,
            False,
        )
    )


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> frozenset[str]:
    return frozenset(
        (alias.asname or alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )


def _scopes(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    yield ast.Module(
        [
            each
            for each in tree.body
            if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ],
        [],
    )


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value
