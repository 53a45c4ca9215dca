"""Compares a check's outcome with the same check on the base: old failures do not block, new ones do."""

from dataclasses import dataclass

from gate_svc.domain.evidence import CheckRun, Evidence, Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the change did to the tests; names are sorted."""

    base_known: bool
    """False where the base's run proves nothing: then every failure counts as new."""
    new_failures: tuple[str, ...] = ()
    """Fail on the head and not on the base; also tests that the base does not have."""
    old_failures: tuple[str, ...] = ()
    """Fail on both."""
    vanished: tuple[str, ...] = ()
    """Ran on the base, whatever came out, and not on the head: a deleted failing test is no mended one."""
    skipped: tuple[str, ...] = ()
    """Ran on the base and are skipped on the head."""
    flaky: tuple[str, ...] = ()
    """Would be new failures or in doubt, and fail at times on both."""


def compare(head: Evidence, base: CheckRun) -> Comparison:
    """What differs between head and base, by test id."""
    failing = head.failing()
    before = known(base)
    if before is None:
        return Comparison(base_known=False, new_failures=tuple(sorted(failing)))
    failing_before = before.failing()
    ran_before = {name for name, outcome in before.tests.items() if outcome is not Outcome.SKIPPED}
    ran_before |= set(before.unfinished)
    vanished = {
        name
        for name in ran_before - head.tests.keys()
        if not any(_belongs(name, unit) for unit in head.unloaded)  # that unit is a failure of its own
    } | {
        unit
        for unit in before.unloaded
        if unit not in head.unloaded and not any(_belongs(name, unit) for name in head.tests)
    }
    return Comparison(
        base_known=True,
        new_failures=tuple(sorted(failing - failing_before)),
        old_failures=tuple(sorted(failing & failing_before)),
        vanished=tuple(sorted(vanished)),
        skipped=tuple(sorted(name for name in ran_before if head.tests.get(name) is Outcome.SKIPPED)),
    )


def known(base: CheckRun) -> Evidence | None:
    """What the base's run says by test, or None where it says nothing. No tests at all is an answer.

    One that was stopped at its time limit says which tests there are: on the head all of them must pass whose
    outcome on the base is not known.
    """
    ended, evidence = base.ended, base.evidence
    cut_off = ended.limit == "time" and evidence is not None and evidence.unfinished
    return evidence if ended.exit_code is not None or cut_off else None


def _belongs(test: str, unit: str) -> bool:
    """Whether a test is one of a file, directory or module."""
    return test.startswith((f"{unit}::", f"{unit}/", f"{unit}."))
