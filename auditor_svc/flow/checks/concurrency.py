"""What another thread or process can do in between: locks, files, rights."""

import ast
import re
from collections.abc import Iterator

from auditor_svc.flow.modules import FUNCTIONS, Module

_RAISES = re.compile(r"(?i)(?:raise|elevate|gain|acquire|escalate|enable)_?(?:\w*_)?priv|become_?root")
_LOWERS = re.compile(r"(?i)(?:lower|drop|release|restore|reduce|disable|revoke)_?(?:\w*_)?priv")


def check_then_use(module: Module) -> Iterator[ast.AST]:
    """`if exists(p): open(p)`: only where the path came from the caller or the client, not a constant."""
    for node in module.of(ast.If):
        if isinstance(node.test, ast.UnaryOp):
            continue  # `if not exists: return` guards nothing that could be exchanged to good effect
        checked = {
            ast.unparse(call.args[0])
            for call in ast.walk(node.test)
            if isinstance(call, ast.Call)
            and call.args
            and module.name(call.func)
            in {
                "os.path.exists",
                "os.path.isfile",
                "os.access",
                "os.path.lexists",
                "os.path.islink",
                "os.stat",
            }
            and not isinstance(call.args[0], ast.Constant)
        }
        for call in (inner for statement in node.body for inner in ast.walk(statement)):
            if (
                isinstance(call, ast.Call)
                and call.args
                and ast.unparse(call.args[0]) in checked
                and (
                    module.name(call.func)
                    in {
                        "open",
                        "io.open",
                        "os.open",
                        "os.remove",
                        "os.unlink",
                        "os.rename",
                        "os.chmod",
                        "os.chown",
                        "shutil.move",
                        "shutil.copy",
                        "shutil.rmtree",
                    }
                )
            ):
                yield call


def local_lock(module: Module) -> Iterator[ast.AST]:
    """A lock made in the function that takes it, and handed to nobody."""
    for function in module.of(ast.FunctionDef, ast.AsyncFunctionDef):
        for assign in ast.walk(function):
            if (
                isinstance(assign, ast.Assign)
                and isinstance(assign.value, ast.Call)
                and module.name(assign.value.func).rpartition(".")[2] in {"Lock", "RLock"}
                and isinstance(assign.targets[0], ast.Name)
            ):
                name = assign.targets[0].id
                uses = [
                    node
                    for node in ast.walk(function)
                    if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
                ]
                taken = [
                    node
                    for node in ast.walk(function)
                    if (
                        isinstance(node, ast.Attribute)
                        and node.attr in {"acquire", "release"}
                        and isinstance(node.value, ast.Name)
                        and node.value.id == name
                    )
                    or (
                        isinstance(node, (ast.With, ast.AsyncWith))
                        and any(
                            isinstance(item.context_expr, ast.Name) and item.context_expr.id == name
                            for item in node.items
                        )
                    )
                ]
                nested = any(
                    isinstance(node, (*FUNCTIONS, ast.Lambda))
                    for node in ast.walk(function)
                    if node is not function
                )
                if taken and len(uses) == len(taken) and not nested:
                    yield assign


def lock_not_released(module: Module) -> Iterator[ast.AST]:
    for function in module.of(*FUNCTIONS):
        kept = {
            id(node)
            for attempt in ast.walk(function)
            if isinstance(attempt, ast.Try)
            for statement in attempt.finalbody
            for node in ast.walk(statement)
        }
        calls = [
            node
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        ]
        for call in calls:
            assert isinstance(call.func, ast.Attribute)
            if call.func.attr != "acquire" or not re.search(
                r"(?i)lock|mutex|sem", ast.unparse(call.func.value)
            ):
                continue
            owner = ast.unparse(call.func.value)
            released = [
                other
                for other in calls
                if isinstance(other.func, ast.Attribute)
                and other.func.attr == "release"
                and ast.unparse(other.func.value) == owner
            ]
            if released and not any(id(other) in kept for other in released):
                between = [
                    other
                    for other in calls
                    if other is not call
                    and call.lineno < other.lineno < released[-1].lineno
                    and other not in released
                ]
                if between or any(
                    isinstance(node, ast.Call) and call.lineno < node.lineno < released[-1].lineno
                    for node in ast.walk(function)
                ):
                    yield call


def privileges_kept(module: Module) -> Iterator[ast.AST]:
    for function in module.of(*FUNCTIONS):
        safe = {
            id(node)
            for attempt in ast.walk(function)
            if isinstance(attempt, ast.Try)
            for statement in attempt.finalbody
            for node in ast.walk(statement)
        }
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        raised = [
            call
            for call in calls
            if _RAISES.search(module.name(call.func))
            or (module.name(call.func) in {"os.seteuid", "os.setuid"} and _is_zero(call))
        ]
        lowered = [
            call
            for call in calls
            if _LOWERS.search(module.name(call.func))
            or (module.name(call.func) in {"os.seteuid", "os.setuid"} and not _is_zero(call))
        ]
        if raised and not any(id(call) in safe for call in lowered):
            yield raised[0]


def _is_zero(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def global_authorisation(module: Module) -> Iterator[ast.AST]:
    for function in module.of(*FUNCTIONS):
        names = {
            name
            for node in ast.walk(function)
            if isinstance(node, ast.Global)
            for name in node.names
            if re.search(r"(?i)admin|auth|access|privileg|role|logged|user|permission", name)
        }
        if names and (module.is_handler(function) or "request" in {item.arg for item in function.args.args}):
            for assign in ast.walk(function):
                if isinstance(assign, ast.Assign) and any(
                    isinstance(target, ast.Name) and target.id in names for target in assign.targets
                ):
                    yield assign


CHECKS = (check_then_use, local_lock, lock_not_released, privileges_kept, global_authorisation)
