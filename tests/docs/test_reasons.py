"""docs/REASONS.md lists exactly the stable codes that the code can give as reasons."""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("autopack", "orchestrator_svc", "builder_svc", "auditor_svc", "gate_svc", "memory_svc")
NOT_OURS = ("autopack/api/", "autopack/testing/")
Makers = dict[str, set[tuple[int, str]]]
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
ERRORS = {
    "InvalidInput",
    "NotFound",
    "AlreadyExists",
    "FailedPrecondition",
    "PermissionDenied",
    "ResourceExhausted",
    "Unavailable",
    "Internal",
}
TOO_LARGE = {"PLAN_TOO_LARGE", "POLICY_TOO_LARGE", "PATCH_TOO_LARGE", "APPROVALS_TOO_LARGE"}
"""Put together by `autopack.policy.document.decode` from the kind of document."""


def _trees() -> tuple[ast.Module, ...]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    ours = (path for path in paths if not path.relative_to(ROOT).as_posix().startswith(NOT_OURS))
    return tuple(ast.parse(path.read_text()) for path in ours)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [arg.arg for arg in function.args.args if arg.arg not in ("self", "cls")]


def _argument(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    named = (entry.value for entry in call.keywords if entry.arg == keyword)
    return call.args[position] if len(call.args) > position else next(named, None)


def _passed_on(call: ast.Call, makers: Makers) -> Iterator[ast.expr]:
    for position, keyword in makers.get(_name(call.func), ()):
        if (argument := _argument(call, position, keyword)) is not None:
            yield argument


def _makers(trees: Sequence[ast.Module]) -> Makers:
    """Whatever takes a code and makes a reason of it, by name: where in its arguments the code is."""
    makers: Makers = {"Reason": {(0, "code")}, "PydanticCustomError": {(0, "error_type")}}
    functions: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]] = []
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                fields = [
                    item.target.id
                    for item in node.body
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
                ]
                if "code" in fields:
                    makers.setdefault(node.name, set()).add((fields.index("code"), "code"))
                functions += [
                    (node.name, item)
                    for item in node.body
                    if isinstance(item, ast.FunctionDef) and item.name == "__init__"
                ]
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
                functions.append((node.name, node))
    grown = True
    while grown:
        grown = False
        for name, function in functions:
            parameters = _parameters(function)
            calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
            for passed in [argument for call in calls for argument in _passed_on(call, makers)]:
                if isinstance(passed, ast.Name) and passed.id in parameters:
                    place = (parameters.index(passed.id), passed.id)
                    grown = grown or place not in makers.get(name, ())
                    makers.setdefault(name, set()).add(place)
    return makers


@cache
def _codes() -> frozenset[str]:
    trees = _trees()
    makers = _makers(trees)
    constants: dict[str, str] = {}
    for statement in (statement for tree in trees for statement in tree.body):
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            constants |= {_name(target): str(statement.value.value) for target in statement.targets}
    found = set(TOO_LARGE)
    for tree in trees:
        for node in ast.walk(tree):
            given: list[ast.expr] = []
            if isinstance(node, ast.Call):
                given = list(_passed_on(node, makers))
            elif isinstance(node, ast.Tuple):
                after = zip(node.elts, node.elts[1:], strict=False)
                given = [item for error, item in after if _name(error) in ERRORS]
            for code in given:
                if isinstance(code, ast.Name):
                    found.add(constants.get(code.id, ""))
                elif isinstance(code, ast.Constant | ast.IfExp):
                    found |= {str(part.value) for part in ast.walk(code) if isinstance(part, ast.Constant)}
    return frozenset(code for code in found if len(code) > 3 and CODE.fullmatch(code))


def _documented() -> list[str]:
    return re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs/REASONS.md").read_text(), re.MULTILINE)


def test_every_code_is_documented() -> None:
    assert sorted(_codes() - set(_documented())) == []


def test_every_documented_code_exists() -> None:
    assert sorted(set(_documented()) - _codes()) == []


def test_no_code_is_documented_twice() -> None:
    documented = _documented()
    assert sorted(code for code in set(documented) if documented.count(code) > 1) == []


def test_the_scan_finds_codes_however_they_are_passed_on() -> None:
    direct, through_function, in_table, constant = (
        "NO_CHECKS",
        "PATH_TWICE",
        "DATABASE_BUSY",
        "REQUEST_INVALID",
    )
    assert {direct, through_function, in_table, constant} <= _codes()
