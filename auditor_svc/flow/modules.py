"""What a module imports and defines: the ground on which names mean something."""

import ast
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, TypeVar

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS: Final[tuple[type[ast.FunctionDef] | type[ast.AsyncFunctionDef], ...]] = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
)
Node = TypeVar("Node", bound=ast.AST)
_ROUTE = re.compile(
    r"(?:^|\.)(?:route|get|post|put|delete|patch|api_route|websocket|expose|view|api_view|errorhandler)\(\)\Z"
)
_FRAMEWORKS = {
    "flask", "django", "rest_framework", "fastapi", "starlette", "aiohttp", "sanic", "bottle",
    "pyramid", "falcon", "tornado", "webob", "quart", "cherrypy", "litestar", "webapp2", "werkzeug", "http",
    "BaseHTTPServer", "socketserver", "ninja",
}  # fmt: skip
_METHODS = {"get", "post", "put", "delete", "patch", "head", "options", "dispatch", "on_get", "on_post"}
_PLAIN_TYPES = {"int", "float", "bool", "UUID", "Decimal", "date", "datetime"}
_CONVERTED = re.compile(r"<(?:int|float|uuid)(?:\([^)]*\))?:(\w+)>")


@dataclass
class Module:
    """One source file."""

    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    """Local name to qualified name."""
    stars: list[str] = field(default_factory=list)
    """Modules of which everything is imported."""
    functions: dict[str, FunctionNode] = field(default_factory=dict)
    """By name; methods as `Class.name`."""
    nodes: dict[type[ast.AST], list[ast.AST]] = field(default_factory=dict)
    """Every node, by its type, outer ones first."""
    texts: dict[int, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, source: bytes) -> "Module":
        """Raises SyntaxError or ValueError for what does not parse."""
        tree = ast.parse(source)
        module = cls(tree)
        for node in ast.walk(tree):
            module.nodes.setdefault(type(node), []).append(node)
            if isinstance(node, ast.Import):
                for alias in node.names:
                    local = alias.asname or alias.name.partition(".")[0]
                    module.imports[local] = alias.name if alias.asname else local
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    source_module = "." * node.level + (node.module or "")
                    if alias.name == "*":
                        module.stars.append(source_module)
                    else:
                        module.imports[alias.asname or alias.name] = f"{source_module}.{alias.name}"
        for statement in tree.body:
            if isinstance(statement, FunctionNode):
                module.functions[statement.name] = statement
            elif isinstance(statement, ast.ClassDef):
                for member in statement.body:
                    if isinstance(member, FunctionNode):
                        module.functions[f"{statement.name}.{member.name}"] = member
        return module

    def of(self, *types: type[Node]) -> list[Node]:
        """All nodes of these types."""
        return [node for each in types for node in self.nodes.get(each, ())]  # type: ignore[misc]  # by its key

    def name(self, node: ast.AST) -> str:
        """The qualified name of a plain dotted expression; empty for anything else."""
        return dotted(node, self.imports)

    @cached_property
    def serves(self) -> bool:
        """Whether it answers requests from outside: a `request` of a client is not one."""
        roots = {name.partition(".")[0] for name in (*self.imports.values(), *self.stars)}
        return bool(roots & _FRAMEWORKS) or any(self._is_routed(node) for node in self.of(*FUNCTIONS))

    def is_handler(self, function: FunctionNode, owner: str = "") -> bool:
        """Whether requests from outside reach it directly."""
        if self._is_routed(function):
            return True
        arguments = [argument.arg for argument in function.args.args[:2]]
        return "request" in arguments and self.serves and (not owner or function.name in _METHODS)

    def _is_routed(self, function: FunctionNode) -> bool:
        return any(_ROUTE.search(_called(decorator, self.imports)) for decorator in function.decorator_list)

    def text(self, node: ast.AST) -> str:
        """The code of a node, without comments and docstrings: what they promise is not done by them."""
        known = self.texts.get(id(node))
        if known is None:
            said = [item.value for item in ast.walk(node) if isinstance(item, ast.Expr)]
            words = [(item, item.value) for item in said if isinstance(item, ast.Constant)]
            for item, _ in words:  # emptied for a moment: a copy of the tree would take ten times as long
                item.value = ""
            known = self.texts[id(node)] = ast.unparse(node)
            for item, value in words:
                item.value = value
        return known


def dotted(node: ast.AST, imports: dict[str, str]) -> str:
    """The qualified name of a plain dotted expression or call; empty for anything else."""
    if isinstance(node, ast.Name):
        return imports.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, imports)
        return f"{owner}.{node.attr}" if owner else ""
    if isinstance(node, ast.Call):
        callee = dotted(node.func, imports)
        return f"{callee}()" if callee else ""
    return ""


def untrusted_parameters(function: FunctionNode, imports: dict[str, str]) -> set[str]:
    """Parameters of a handler that hold what the client sent."""
    converted = {
        name
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
        for name in _CONVERTED.findall(argument.value)
    }
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(
        zip([item.arg for item in reversed(positional)], reversed(arguments.defaults), strict=False)
    )
    defaults |= {
        item.arg: default
        for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    return {
        item.arg
        for item in (*positional, *arguments.kwonlyargs)
        if item.arg not in {"self", "cls", "request", "req", *converted}
        and not _is_plain(item.annotation, imports)
        and not dotted(defaults.get(item.arg, item), imports).endswith(("Depends()", "Security()"))
    }


def _called(decorator: ast.expr, imports: dict[str, str]) -> str:
    return dotted(decorator, imports) + ("" if isinstance(decorator, ast.Call) else "()")


def _is_plain(annotation: ast.expr | None, imports: dict[str, str]) -> bool:
    return annotation is not None and dotted(annotation, imports).rpartition(".")[2] in _PLAIN_TYPES
