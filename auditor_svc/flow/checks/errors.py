"""What goes wrong and is not looked at, or is left to chance."""

import ast
import re
from collections.abc import Iterator

from auditor_svc.flow.modules import FUNCTIONS, Module

_INPUT = re.compile(
    r"(?<![\w.])input\(|request\.(?:args|form|json|GET|POST|values|data|get_json)|sys\.argv|\.recv\("
)
_MAY_BE_NONE = {
    "re.match",
    "re.search",
    "re.fullmatch",
    "shutil.which",
    "inspect.getmodule",
    "mimetypes.guess_extension",
}


def assertion_as_check(module: Module) -> Iterator[ast.AST]:
    for function in (*module.of(*FUNCTIONS), module.tree):
        own = [node for node in ast.walk(function) if isinstance(node, ast.Assert)]
        if not own or not _INPUT.search(module.text(function)):
            continue
        tainted = {
            target.id
            for assign in ast.walk(function)
            if isinstance(assign, ast.Assign) and _INPUT.search(ast.unparse(assign.value))
            for target in assign.targets
            if isinstance(target, ast.Name)
        }
        for node in own:
            used = {name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)}
            if used & tainted or _INPUT.search(ast.unparse(node.test)):
                yield node


def error_swallowed(module: Module) -> Iterator[ast.AST]:
    for handler in module.of(ast.ExceptHandler):
        everything = handler.type is None or module.name(handler.type) == "BaseException"
        if everything and all(
            isinstance(item, ast.Pass)
            or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
            for item in handler.body
        ):
            yield handler


def unchecked_result(module: Module) -> Iterator[ast.AST]:
    """A result that says whether it worked, dropped; or used as if it were never None."""
    for statement in module.of(ast.Expr):
        if isinstance(statement.value, ast.Call):
            name = module.name(statement.value.func)
            if name in {"os.write", "os.system"} or re.search(
                r"(?:^|\.)\w*sock(?:et)?\w*\.send\Z|socket\.socket\(\)\.send\Z", name
            ):
                yield statement.value
    for attribute in module.of(ast.Attribute):
        if isinstance(attribute.value, ast.Call) and attribute.attr in {
            "group",
            "groups",
            "span",
            "start",
            "end",
            "groupdict",
        }:
            call = attribute.value
            if (
                module.name(call.func) in _MAY_BE_NONE
                and len(call.args) > 1
                and re.search(r"request|input\(|argv|recv", ast.unparse(call.args[1]))
            ):
                yield attribute
    for function in module.of(*FUNCTIONS):
        for used in ast.walk(function):
            # `request.args.get(x).method()`: what the client left out is None
            if isinstance(used, ast.Attribute) and re.fullmatch(
                r"(?:\w+\.)?request\.(?:args|form|GET|POST|values|cookies|files|headers)\.get\(['\"]\w+['\"]\)",
                ast.unparse(used.value),
            ):
                yield used


def unreleased_resource(module: Module) -> Iterator[ast.AST]:
    for expression in module.of(ast.Attribute):
        if (
            isinstance(expression.value, ast.Call)
            and module.name(expression.value.func) == "open"
            and expression.attr in {"read", "readlines", "write"}
        ):
            yield expression


CHECKS = (assertion_as_check, error_swallowed, unchecked_result, unreleased_resource)
