"""Tells a flaky test from a broken one: by how often it fails in repeated runs of head and base alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autopack.errors import Reason
from autopack.policy.plan import Check
from gate_svc.domain.doubts import FORGED
from gate_svc.domain.evidence import CheckRun, Outcome
from gate_svc.domain.ruling import Ruling, ask, note

RUNS = 10
"""Repeated runs of the head, and as many of the base, that it takes to call a test flaky."""
FIRST_RUNS = 3
"""Those of the head that come first: what fails in all of them is broken, and nothing more is run."""
TESTS_LIMIT = 10
"""More tests than these that fail at once are no flakes."""
SECONDS_LIMIT = 10
"""What each run may take; a test that takes longer is not called flaky."""


@dataclass(frozen=True, slots=True)
class Tally:
    """In how many of its repeated runs a test failed, or sent something else than it reported."""

    head_failed: int
    head_runs: int
    base_failed: int
    base_runs: int

    @property
    def flaky(self) -> bool:
        """Whether it both fails and passes, on the base as on the head, which failed once before."""
        return (
            min(self.head_runs, self.base_runs) >= RUNS
            and self.head_failed < self.head_runs
            and 0 < self.base_failed < self.base_runs
        )

    @property
    def more_often(self) -> bool:
        """Whether it fails more often on the head: by chance, or since the change is at fault as well."""
        return self.head_failed * self.base_runs > self.base_failed * self.head_runs


def tally(names: Iterable[str], heads: Sequence[CheckRun], bases: Sequence[CheckRun]) -> Mapping[str, Tally]:
    """How often each test failed; one that not every run tells of is left out."""
    tallies = {}
    for name in sorted(names):
        head, base = ([_failed(run, name) for run in runs] for runs in (heads, bases))
        if None not in head and None not in base:
            tallies[name] = Tally(head.count(True), len(head), base.count(True), len(base))
    return tallies


def broken(names: Iterable[str], heads: Sequence[CheckRun]) -> bool:
    """Whether one of the tests has not passed once on the head."""
    return any(all(_failed(run, name) is not False for run in heads) for name in names)


def flakes(check: Check, tallies: Mapping[str, Tally]) -> Iterator[Ruling]:
    """What the flaky tests among these say on the change."""
    flaky = {name: each for name, each in tallies.items() if each.flaky}
    if alike := {name: each for name, each in flaky.items() if not each.more_often}:
        yield note(
            Reason(
                "FLAKY_TEST",
                f"check {check.name}: fail at times, on the base no less than on the head: {_told(alike)}",
                "not this change's fault; make the tests certain",
            )
        )
    if more := {name: each for name, each in flaky.items() if each.more_often}:
        yield ask(
            Reason(
                "FLAKY_MORE_OFTEN",
                f"check {check.name}: fail at times on the base, and more often on the head: {_told(more)}",
                "make the tests certain, or see that the change is not at fault and approve it",
            )
        )


def _failed(run: CheckRun, name: str) -> bool | None:
    """None where the run does not tell."""
    if not run.usable or run.evidence is None:
        return None
    outcome, doubt = run.evidence.tests.get(name), run.evidence.doubts.get(name)
    if outcome is None or outcome is Outcome.SKIPPED:
        return None
    return outcome is not Outcome.PASSED or (doubt is not None and doubt.kind in FORGED)


def _told(tallies: Mapping[str, Tally]) -> str:
    return "; ".join(
        f"{name} (in {each.head_failed} of {each.head_runs} runs of the head, "
        f"{each.base_failed} of {each.base_runs} of the base)"
        for name, each in tallies.items()
    )
