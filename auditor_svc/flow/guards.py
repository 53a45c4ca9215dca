"""What a condition proves: which values are known to be harmless where it holds, or where it does not."""

import ast
import re
from collections.abc import Callable

from auditor_svc.flow.values import Label, Value

_CHECKS = re.compile(
    r"(?:^|[._])(?:is_?(?:safe|valid|allowed|trusted|relative)\w*|valid\w*|allowed\w*|check_\w+|"
    r"url_has_allowed_host_and_scheme|is_relative_to|isdigit|isdecimal|isnumeric|isalnum|isalpha|isidentifier|"
    r"fullmatch|match|same_?site\w*|verify_\w+)\Z",
    re.IGNORECASE,
)
_NORMALISED = re.compile(r"(?:realpath|abspath|normpath|resolve|commonpath|commonprefix|safe_join)\(\)")
Proof = tuple[set[object], set[object]]
"""Origins of labels that are harmless where the condition holds, and where it does not."""


def proven(test: ast.expr, evaluate: Callable[[ast.expr], Value]) -> Proof:
    """What the condition says about the values in it."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        holds, fails = proven(test.operand, evaluate)
        return fails, holds
    if isinstance(test, ast.BoolOp):
        proofs = [proven(value, evaluate) for value in test.values]
        every = {origin for proof in proofs for origin in proof[0]}
        none = {origin for proof in proofs for origin in proof[1]}
        return (every, set()) if isinstance(test.op, ast.And) else (set(), none)
    if isinstance(test, ast.Call):
        return (_checked(test, evaluate), set())
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        return _compared(test.left, test.ops[0], test.comparators[0], evaluate)
    if isinstance(test, ast.NamedExpr):
        return proven(test.value, evaluate)
    return set(), set()


def _checked(call: ast.Call, evaluate: Callable[[ast.expr], Value]) -> set[object]:
    name = evaluate(call.func).name
    if isinstance(call.func, ast.Name) and call.func.id == "isinstance" and len(call.args) == 2:
        wanted = ast.unparse(call.args[1])
        return _origins(evaluate(call.args[0])) if wanted in {"int", "float", "bool"} else set()
    if name.endswith(".startswith") and isinstance(call.func, ast.Attribute):
        subject, prefix = evaluate(call.func.value), evaluate(call.args[0]) if call.args else None
        whole_host = (prefix is not None and re.match(r"https?://[^/]+/", prefix.text or "")) is not None
        return _origins(subject) if _NORMALISED.search(subject.name) or whole_host else set()
    if not _CHECKS.search(name or ast.unparse(call.func)):
        return set()
    found = {origin for argument in call.args for origin in _origins(evaluate(argument))}
    if isinstance(call.func, ast.Attribute):
        found |= _origins(evaluate(call.func.value))
    return found


def _compared(
    left: ast.expr, operator: ast.cmpop, right: ast.expr, evaluate: Callable[[ast.expr], Value]
) -> Proof:
    subject, other = evaluate(left), evaluate(right)
    if isinstance(operator, (ast.In, ast.NotIn)):
        # A substring proves nothing; membership in a collection does.
        known = other.text is None and not other.labels and bool(subject.labels)
        found = _origins(subject) if known else set()
        return (found, set()) if isinstance(operator, ast.In) else (set(), found)
    if isinstance(operator, (ast.Eq, ast.NotEq)):
        found = set()
        if not other.labels and not isinstance(other.literal, (bool, type(None))):
            found = _origins(subject)
        elif not subject.labels and not isinstance(subject.literal, (bool, type(None))):
            found = _origins(other)
        return (found, set()) if isinstance(operator, ast.Eq) else (set(), found)
    return set(), set()


def _origins(value: Value) -> set[object]:
    return {label.origin for label in value.labels if isinstance(label, Label)}
