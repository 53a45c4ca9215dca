"""Reads the Test Anything Protocol, versions 12 to 14, as printed on standard output."""

import re

from gate_svc.domain.evidence import Evidence, EvidenceError, Outcome, collect

TEST_LIMIT = 200_000
"""Tests of one stream."""

_PLAN = re.compile(r"1\.\.(\d{1,9})(?:\s*#.*)?")
_TEST = re.compile(r"(not )?ok\b[ \t]*(\d{1,9})?[ \t]*(?:-[ \t]*)?([^#]*)(?:#[ \t]*(\w+))?.*")


def read_tap(report: bytes) -> Evidence:
    """Outcomes by description, or by number where there is none; subtests count through their parents.

    Raises EvidenceError where the plan is missing or does not match, or the run bailed out.
    """
    planned: int | None = None
    names: dict[str, int] = {}
    outcomes: list[tuple[str, Outcome]] = []
    for line in report.decode(errors="replace").splitlines():
        if line.startswith("Bail out!"):
            raise _unreadable("the run bailed out")
        if plan := _PLAN.fullmatch(line.rstrip()):
            if planned is not None:
                raise _unreadable("it has two plans")
            planned = int(plan[1])
        elif test := _TEST.fullmatch(line):
            if len(outcomes) >= TEST_LIMIT:
                raise _unreadable(f"it has more than {TEST_LIMIT} tests")
            failed, _, description, directive = test.groups()
            name = description.strip() or f"test {len(outcomes) + 1}"
            names[name] = names.get(name, 0) + 1
            unique = name if names[name] == 1 else f"{name} ({names[name]})"
            outcomes.append((unique, _outcome(bool(failed), (directive or "").upper())))
    if planned is None:
        raise _unreadable("it has no plan (1..N)")
    if planned != len(outcomes):
        raise _unreadable(f"its plan names {planned} tests, and {len(outcomes)} reported")
    return Evidence(tests=collect(outcomes))


def _outcome(failed: bool, directive: str) -> Outcome:
    if directive == "SKIP" or (directive == "TODO" and failed):
        return Outcome.SKIPPED
    return Outcome.FAILED if failed else Outcome.PASSED


def _unreadable(what: str) -> EvidenceError:
    return EvidenceError(
        "EVIDENCE_UNREADABLE", f"the TAP stream cannot be used: {what}", "mend what the check prints"
    )
