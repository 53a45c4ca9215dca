"""What is to be mended: the failing checks, each warm, and what their tests do as the code is."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .judging import Candidate, Left, Observation, WarmJudge
from .specification import Check, Specification

SAMPLE = 4
"""Failing tests that every candidate meets; the others only meet who passes these."""
CPU_FACTOR = 3.0
"""Times what a test took as the code is."""
QUICK_CPU, SLOW_CPU = 0.3, 2.0
"""Seconds of CPU for a test of the code as it is: most that need more than the first never end."""
OBSERVED_FAILING, OBSERVED_PASSING = 12, 40
"""Tests that are run with a tracer."""


@dataclass(slots=True)
class Target:
    """A check whose failures are to be mended, warm."""

    check: Check
    judges: list[WarmJudge]
    failing: list[str] = field(default_factory=list)
    passing: list[str] = field(default_factory=list)
    observations: dict[str, Observation] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds that each test took as the code is, where it ended."""

    @property
    def sample(self) -> list[str]:
        """Failing tests, the quickest first."""
        return self.failing[:SAMPLE]

    def limits(self, tests: Sequence[str], least: float) -> dict[str, float]:
        """Seconds of CPU for each."""
        return {test: max(least, CPU_FACTOR * self.cpu.get(test, 0.0)) for test in tests}

    def close(self) -> None:
        """Ends its judges."""
        for judge in self.judges:
            judge.close()

    def see(self, root: Path, pool: ThreadPoolExecutor) -> None:
        """Finds out which tests fail, and watches some of them."""
        tests = list(self.judges[0].tests)
        outcomes = self._outcomes(0, tests, QUICK_CPU)
        slow = [test for test in tests if test not in outcomes]
        # Most that are not quick never end: two of them are asked with patience, all only if one does.
        tried = list(
            pool.map(
                lambda pair: self._outcomes(pair[0], [pair[1]], SLOW_CPU),
                enumerate(slow[: len(self.judges)]),
            )
        )
        if any(tried):
            outcomes |= self._outcomes(0, slow, SLOW_CPU)
        outcomes |= dict.fromkeys((test for test in slow if test not in outcomes), "hangs")
        self.failing = [test for test, outcome in outcomes.items() if outcome in ("failed", "hangs")]
        self.failing.sort(key=lambda test: self.cpu.get(test, 2 * SLOW_CPU))
        self.passing = [test for test, outcome in outcomes.items() if outcome == "passed"]
        seen = _spread(self.failing, OBSERVED_FAILING) + _spread(self.passing, OBSERVED_PASSING)
        found = pool.map(
            lambda item: self.judges[item[0] % len(self.judges)].observe(item[1], QUICK_CPU),
            enumerate(seen),
        )
        relative = (_relative(observation, root) for observation in found)
        self.observations = dict(zip(seen, relative, strict=True))
        for test, observation in self.observations.items():
            observation.outcome = outcomes[test]  # with a tracer it may not have come to its end
        # What fails without running a line in scope is not for us to mend.
        reached = [
            test for test in self.failing if test not in self.observations or self.observations[test].lines
        ]
        self.failing = reached or self.failing  # where nothing was seen, nothing is known

    def _outcomes(self, worker: int, tests: Sequence[str], cpu: float) -> dict[str, str]:
        """Of the code as it is; what does not end in that many seconds of CPU is not in it."""
        found: dict[str, str] = {}
        left = list(tests)
        while left:
            judgement = self.judges[worker].judge(Candidate({}, False), dict.fromkeys(left, cpu), len(left))
            found |= judgement.outcomes
            self.cpu |= judgement.cpu
            left = [test for test in left if test not in judgement.outcomes][1:]
        return found


@contextmanager
def warmed(
    specification: Specification, root: Path, left: Left
) -> Iterator[tuple[list[Target], list[Check]]]:
    """The targets that can be judged warm, those that fail where any does, and the checks that cannot."""
    checks = [check for check in specification.checks if check.target]
    cold = [check for check in checks if check.reports != "pytest"]
    targets: list[Target] = []
    try:
        with ThreadPoolExecutor(specification.workers) as pool:
            for check in checks:
                if check in cold:
                    continue
                target = Target(
                    check,
                    list(
                        pool.map(
                            lambda _, check=check: WarmJudge(check, root, specification.files, left),
                            range(specification.workers),
                        )
                    ),
                )
                targets.append(target)
                if any(not judge.tests or judge.tests != target.judges[0].tests for judge in target.judges):
                    targets.remove(target)
                    target.close()
                    cold.append(check)
            for target in targets:
                target.see(root, pool)
        yield [target for target in targets if target.failing] or targets, cold
    finally:
        for target in targets:
            target.close()


def _relative(observation: Observation, root: Path) -> Observation:
    """Paths as the plan has them."""
    prefix = f"{root}/"
    observation.lines = {path.removeprefix(prefix): lines for path, lines in observation.lines.items()}
    observation.types = {place.removeprefix(prefix): kinds for place, kinds in observation.types.items()}
    observation.calls = {place.removeprefix(prefix): calls for place, calls in observation.calls.items()}
    return observation


def _spread(tests: Sequence[str], number: int) -> list[str]:
    """Some of the tests, from all over the list."""
    if len(tests) <= number:
        return list(tests)
    return [tests[index * len(tests) // number] for index in range(number)]
