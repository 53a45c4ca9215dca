"""`autopack validate` and `autopack schema`: plans and policies as documents."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopack.cli import outcome
from autopack.cli.plan_file import read_document
from autopack.cli.terminal import output
from autopack.errors import InvalidInput, Reason

if TYPE_CHECKING:
    from autopack.policy.plan import Plan


def validate(path: Path, as_json: bool) -> int:
    """Tells a plan from a policy by what is in it, and checks it."""
    text = read_document(path, "PLAN")
    kind, reasons = _check(path, text)
    if as_json:
        document: dict[str, Any] = {"document": kind, "valid": not reasons}
        found = outcome.error_json(reasons) if reasons else {"reasons": []}
        outcome.print_json("validation", document | found)
    elif reasons:
        outcome.print_reasons(reasons)
    else:
        output().print(f"{path} is a valid {kind}")
    return outcome.INVALID if reasons else outcome.DONE


def _check(path: Path, text: str) -> tuple[str, tuple[Reason, ...]]:
    from autopack.policy.convert import plan_to_proto
    from autopack.policy.document import compose
    from autopack.policy.plan import load_plan
    from autopack.policy.policy import POLICY_FILE, load_policy

    kind = "policy" if path.name == POLICY_FILE else "plan"
    source = str(path)
    try:
        data = compose(text, source).value
        keys = data.keys() if isinstance(data, dict) else set()
        if "phases" not in keys and keys & {
            "project",
            "paths",
            "checks",
            "judge",
            "sandbox",
            "builders",
            "risk",
        }:
            kind = "policy"
        if "phases" in keys:
            kind = "plan"
        if kind == "policy":
            load_policy(text, source)
        else:
            plan = load_plan(text, source, None if source == "-" else path.parent)
            plan_to_proto(plan)
            return kind, tuple(_refuse_patches(plan))
    except InvalidInput as error:
        return kind, error.reasons
    return kind, ()


def _refuse_patches(plan: "Plan") -> Iterator[Reason]:
    """What is wrong with the plan's patches wherever they are applied, and whatever the policy."""
    from autopack.policy.paths import PathRules
    from autopack.policy.plan import PatchBuilder

    for phase in plan.phases:
        if isinstance(phase.builder, PatchBuilder):
            # libgit2 is only needed where there is a patch.
            from autopack.gitstore.planned_patch import of_phase, refuse_anywhere

            rules = PathRules(scope=phase.scope.paths)
            yield from (of_phase(phase.id, reason) for reason in refuse_anywhere(phase.builder, rules))


def schema(document: str) -> int:
    """Prints a JSON Schema."""
    from autopack.policy.schema import json_schema

    match document:
        case "plan" | "policy":
            outcome.print_json(f"{document}-schema", json_schema(document))
        case _:
            raise InvalidInput(
                Reason("USAGE", f"there is no schema of {document!r}", "ask for plan or policy")
            )
    return outcome.DONE
