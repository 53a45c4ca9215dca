"""The choice among changes that pass: likely, and doing with generated inputs what most others do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .differences import NEVER_SAID, agreement, fidelity, generated_calls, is_crash
from .judging import Candidate, Judged
from .source import Source
from .targets import Target

CONSIDERED = 12
"""Plausible changes that are told of."""
AGREEMENT_WEIGHT, CRASH_WEIGHT = 1.5, 2.0
FIDELITY_WEIGHT, FIDELITY_AFTER_CRASHES = 0.7, 8.0


@dataclass(frozen=True, slots=True)
class Choice:
    """Plausible changes, best first, one for each behaviour."""

    best: Sequence[Judged]
    behaviours: int
    considered: Sequence[str] = ()
    """What spoke for and against each."""


def choose(
    plausible: Sequence[Judged], target: Target | None, sources: Mapping[str, Source], seed: int
) -> Choice:
    """Tells them apart by calls like those that the tests of a target made; without one only by cost."""
    changed = {each.proposal.edits[0].path for each in plausible}
    calls = _recorded_calls(target, changed) if target else []
    if len(plausible) < 2 or target is None or not calls:
        return Choice(sorted(plausible, key=lambda each: each.proposal.cost), len(plausible))
    results: list[list[str]] = [[] for _ in plausible]
    original: list[str] = []
    failing: list[str] = []
    for file, function, recorded in calls:
        generated = generated_calls(list(recorded), seed)
        before = _call(target, Candidate({}, False), file, function, generated)
        failing += [said for said, call in zip(before, generated, strict=True) if recorded.get(call)]
        original += before
        for number, each in enumerate(plausible):
            results[number] += _call(target, each.candidate, file, function, generated)
    scores = agreement(results, [each.proposal.cost for each in plausible])
    # Where all that failed was a crash or a hang, what the code did give was right.
    trust = FIDELITY_AFTER_CRASHES if failing and all(map(is_crash, failing)) else FIDELITY_WEIGHT
    kept = [fidelity(original, own) for own in results]
    keys = [
        each.proposal.cost - AGREEMENT_WEIGHT * agreed + CRASH_WEIGHT * crashed - trust * same
        for each, (agreed, crashed), same in zip(plausible, scores, kept, strict=True)
    ]
    order = sorted(range(len(plausible)), key=lambda number: (keys[number], number))
    considered = [
        f"{plausible[number].proposal.template}: cost {plausible[number].proposal.cost:.2f}, "
        f"agreement {scores[number][0]:.2f}, crashes {scores[number][1]:.2f}, "
        f"fidelity {kept[number]:.2f}: "
        + "; ".join(
            f"line {sources[e.path].line_of(e.start)}: {e.text.strip()}"
            for e in plausible[number].proposal.edits
        )
        for number in order[:CONSIDERED]
    ]
    behaviours: dict[tuple[str, ...], Judged] = {}
    for number in order:
        behaviours.setdefault(tuple(results[number]), plausible[number])
    return Choice(list(behaviours.values()), len(behaviours), considered)


def _call(target: Target, candidate: Candidate, file: str, function: str, calls: Sequence[str]) -> list[str]:
    said = target.judges[0].call(candidate, file, function, calls)
    return said + [NEVER_SAID] * (len(calls) - len(said))


def _recorded_calls(target: Target, paths: set[str]) -> list[tuple[str, str, dict[str, bool]]]:
    """Plain arguments that tests gave to functions of the changed files, and whether those tests fail."""
    found: dict[tuple[str, str], dict[str, bool]] = {}
    for test, observation in target.observations.items():
        for place, calls in observation.calls.items():
            file, _, function = place.partition("::")
            if file in paths:
                known = found.setdefault((file, function), {})
                for call in calls:
                    known[call] = known.get(call, False) or test in target.failing
    return [(file, function, calls) for (file, function), calls in sorted(found.items()) if calls]
