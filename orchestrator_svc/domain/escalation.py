"""What the next attempt does otherwise: a table decides, from the refusals of the phase so far and its plan.

Nothing of it is stored: the same refusals give the same steps, in whatever process and in a replay.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from enum import StrEnum

import yaml

from autopack.errors import Reason
from autopack.policy.paths import matches
from autopack.policy.plan import NamedBuilder, Phase
from orchestrator_svc.domain.failures import Failure, classify


class Step(StrEnum):
    """What follows a refusal; all but the first pass the reasons on."""

    WAIT = "wait for the provider"
    RETRY = "retry with the reasons"
    MORE_CONTEXT = "more context"
    STRONGER_MODEL = "stronger model"
    SMALLER_SCOPE = "smaller scope"
    PROPOSE = "propose another plan to a person"
    STOP = "stop"


_S = Step
LAST = frozenset({_S.WAIT, _S.PROPOSE, _S.STOP})
"""With these no further attempt is made."""
TABLE: Mapping[Failure, tuple[Step, ...]] = {
    Failure.PROVIDER_DOWN: (_S.WAIT,),
    Failure.BUDGET_GONE: (_S.STOP,),
    Failure.PLAN_OR_POLICY: (_S.STOP,),
    Failure.SAME_CHANGE: (_S.MORE_CONTEXT, _S.STRONGER_MODEL, _S.RETRY, _S.PROPOSE),
    Failure.CONFLICT: (_S.RETRY, _S.RETRY, _S.RETRY, _S.RETRY, _S.PROPOSE),
    Failure.DOES_NOT_APPLY: (
        _S.RETRY,
        _S.MORE_CONTEXT,
        _S.STRONGER_MODEL,
        _S.SMALLER_SCOPE,
        _S.RETRY,
        _S.PROPOSE,
    ),
    Failure.OUT_OF_SCOPE: (_S.RETRY, _S.STRONGER_MODEL, _S.RETRY, _S.PROPOSE),
    Failure.TRUNCATED: (_S.SMALLER_SCOPE, _S.STRONGER_MODEL, _S.RETRY, _S.PROPOSE),
    Failure.NO_CHANGE: (_S.RETRY, _S.MORE_CONTEXT, _S.STRONGER_MODEL, _S.RETRY, _S.PROPOSE),
    Failure.ENVIRONMENT_BROKEN: (_S.RETRY, _S.PROPOSE),
    Failure.AUDIT_FINDINGS: (_S.RETRY, _S.STRONGER_MODEL, _S.RETRY, _S.PROPOSE),
    Failure.CHECKS_FAIL: (
        _S.RETRY,
        _S.MORE_CONTEXT,
        _S.STRONGER_MODEL,
        _S.SMALLER_SCOPE,
        _S.RETRY,
        _S.PROPOSE,
    ),
}
"""By how many refusals of that class there have been; a step that is not possible gives way to the next."""

_WEIGHT: Mapping[str, int] = {
    "docs": 0,
    "tests": 0,
    "dependency": 2,
    "infrastructure": 2,
    "schema_change": 2,
    "security_auth_change": 2,
}
"""Of categories; all others have 1."""
_STRONGER_FROM = (3, 3, 2, 1, 1)
"""By weight and complexity added up: from which refusal of a class on, and not before, a stronger model is
asked where the row of that class has it at all."""
MANY_PATTERNS = 5


@dataclass(frozen=True, slots=True)
class Escalated:
    """Where a phase stands after its refusals."""

    phase: Phase
    """As the next attempt is to be built: other builder, context or scope."""
    failure: Failure | None = None
    """Of the last refusal."""
    step: Step | None = None
    """That follows it."""


def escalate(phase: Phase, refusals: Sequence[Sequence[Reason]], stronger: Mapping[str, str]) -> Escalated:
    """What follows from these refusals, oldest first.

    Args:
        phase: as planned.
        refusals: the reasons of each refused attempt.
        stronger: the builder that the policy names as stronger, by builder.
    """
    counts: Counter[Failure] = Counter()
    used: set[str] = set()
    now = Escalated(phase)
    for reasons in refusals:
        failure = classify(reasons)
        counts[failure] += 1
        possible = _possible(now.phase, reasons, stronger, used)
        weight = complexity(phase) + _WEIGHT.get(phase.category, 1)
        step = next_step(failure, counts[failure], weight, possible.keys())
        if isinstance(now.phase.builder, NamedBuilder):
            used.add(now.phase.builder.use)
        now = Escalated(possible.get(step, now.phase), failure, step)
    return now


def next_step(failure: Failure, count: int, weight: int, possible: Set[Step]) -> Step:
    """The table's word: `count` refusals of this class so far, of a phase of this weight (0 to 4).

    `possible` are the steps, beyond retrying, that would change anything.
    """
    row = TABLE[failure]
    if count < _STRONGER_FROM[weight]:
        possible = possible - {Step.STRONGER_MODEL}
    elif Step.STRONGER_MODEL in row and Step.STRONGER_MODEL in possible:
        return Step.STRONGER_MODEL
    left = row[min(count, len(row)) - 1 :]
    return next(step for step in left if step in possible or step in LAST or step is Step.RETRY)


def complexity(phase: Phase) -> int:
    """0 to 2, from how much the phase may touch."""
    paths = phase.scope.paths
    if len(paths) > MANY_PATTERNS or "**" in paths:
        return 2
    return 1 if any(_is_pattern(path) for path in paths) else 0


def proposal(phase: Phase, failure: Failure, reasons: Sequence[Reason]) -> Reason:
    """Another plan for a person to look at: nothing comes of it by itself."""
    found = sorted({reason.path for reason in reasons if reason.path})
    parts = [phase]
    if failure is Failure.OUT_OF_SCOPE and found:
        paths = tuple(dict.fromkeys((*phase.scope.paths, *found)))
        parts = [replace(phase, scope=replace(phase.scope, paths=paths))]
    elif failure is Failure.TRUNCATED and len(phase.scope.paths) > 1:
        parts = [
            replace(phase, id=f"{phase.id}-{number}", scope=replace(phase.scope, paths=(path,)))
            for number, path in enumerate(phase.scope.paths, 1)
        ]
    learnt = [f"{reason.code}: {reason.message}"[:500] for reason in reasons[:5]]
    shown = [
        {
            "id": part.id,
            "goal": part.goal[:2000],
            "scope": {"paths": list(part.scope.paths)[:100]},
            "hints": [*part.hints[:20], *learnt],
        }
        for part in parts[:10]
    ]
    return Reason(
        "PLAN_PROPOSED",
        f"As it is planned the phase comes to nothing ({failure}); the next step is a person's.",
        "Look at it, and if you agree put it into the plan:\n"
        + yaml.safe_dump(shown, sort_keys=False)[:6000],
    )


def _possible(
    phase: Phase, reasons: Sequence[Reason], stronger: Mapping[str, str], used: Set[str]
) -> dict[Step, Phase]:
    """Steps that would change anything, and the phase that each makes."""
    builder, scope = phase.builder, phase.scope
    if not isinstance(builder, NamedBuilder):
        return {}  # it takes neither context nor a model
    steps: dict[Step, Phase] = {}
    found = sorted({reason.path for reason in reasons if reason.path and not _is_pattern(reason.path)})
    inside = tuple(path for path in found if matches(scope.paths, path))
    outside = tuple(path for path in found if path not in inside and not matches(scope.context, path))
    if outside:
        context = (*scope.context, *map(_pattern, outside))
        steps[Step.MORE_CONTEXT] = replace(phase, scope=replace(scope, context=context))
    narrowed = tuple(map(_pattern, inside))
    if inside and set(narrowed) != set(scope.paths) and set(inside) != set(scope.paths):
        steps[Step.SMALLER_SCOPE] = replace(phase, scope=replace(scope, paths=narrowed))
    better = stronger.get(builder.use, "")
    if better and better not in used | {builder.use}:
        steps[Step.STRONGER_MODEL] = replace(phase, builder=NamedBuilder(better))
    return steps


def _is_pattern(path: str) -> bool:
    return any(character in path for character in "*?[!#\\") or path.endswith(("/", " "))


def _pattern(path: str) -> str:
    """Of that file alone: without the slash it would match in every directory."""
    return f"/{path}"
