"""What the runs of one check on head and base mean: its outcome, and what it says on the change."""

from collections.abc import Iterator
from dataclasses import dataclass

from autopack.errors import Reason
from autopack.policy.plan import Check
from gate_svc.domain.baseline import Comparison, compare
from gate_svc.domain.evidence import CheckRun, Evidence, Outcome
from gate_svc.domain.ruling import Ruling, ask, note, refuse
from gate_svc.domain.verdict import CheckOutcome, CheckResult, TestCounts

NAMES_LIMIT = 200
"""Names in each list of a result."""

# A verdict must fit into one message of 4 MiB, whatever its checks are called and print.
_NAMES_BYTES = 300_000
_TAIL_BYTES = 1_000_000

NAMES_IN_MESSAGE = 10


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """What is known of one check."""

    check: Check
    head: CheckRun | None
    base: CheckRun | None
    """None where no baseline was needed to know."""
    cached: bool = False


def judge_check(facts: CheckFacts) -> tuple[CheckOutcome, Comparison | None, tuple[Ruling, ...]]:
    """The outcome, the comparison with the base where there is one, and what it says on the change."""
    check, head = facts.check, facts.head
    if head is None:
        return CheckOutcome.NO_EVIDENCE, None, (refuse(_missing(check)),)
    if head.ended.limit == "time":
        return CheckOutcome.TIMED_OUT, None, (refuse(_timed_out(check)),)
    if head.ended.exit_code is None:
        return CheckOutcome.KILLED, None, (refuse(_killed(check, head)),)
    if head.fault is not None:
        return CheckOutcome.NO_EVIDENCE, None, (refuse(_about(check, head.fault)),)
    if check.reports == "none":
        return _by_exit_status(check, head.ended.exit_code)
    if head.evidence is None or facts.base is None:
        return CheckOutcome.NO_EVIDENCE, None, (refuse(_missing(check)),)
    comparison = compare(head.evidence, facts.base)
    rulings = tuple(_by_test(check, comparison))
    if comparison.new_failures:
        return CheckOutcome.FAILED, comparison, rulings
    outcome = CheckOutcome.OLD_FAILURES if comparison.old_failures else CheckOutcome.PASSED
    return outcome, comparison, rulings


def proven(facts: CheckFacts) -> bool:
    """Whether what is known is enough to let the change pass: then nothing need be run again."""
    outcome, comparison, _ = judge_check(facts)
    return outcome in (CheckOutcome.PASSED, CheckOutcome.OLD_FAILURES) and (
        comparison is None or comparison.base_known
    )


def result(
    facts: CheckFacts, outcome: CheckOutcome, comparison: Comparison | None, of: int = 1
) -> CheckResult:
    """The check as the verdict lists it, one `of` so many."""
    head, compared = facts.head, comparison or Comparison(base_known=False)
    evidence = (head.evidence if head else None) or Evidence()
    return CheckResult(
        name=facts.check.name,
        run=facts.check.run,
        reports=facts.check.reports,
        timeout=facts.check.timeout,
        outcome=outcome,
        exit_code=head.ended.exit_code if head else None,
        tests=TestCounts(
            passed=evidence.count(Outcome.PASSED),
            failed=evidence.count(Outcome.FAILED),
            errors=evidence.count(Outcome.ERROR) + len(evidence.unloaded),
            skipped=evidence.count(Outcome.SKIPPED),
        ),
        new_failures=_first(compared.new_failures, _NAMES_BYTES // of),
        old_failures=_first(compared.old_failures, _NAMES_BYTES // of),
        vanished=_first(compared.vanished, _NAMES_BYTES // of),
        outcome_digest=head.outcome_digest if head else "",
        base_outcome_digest=facts.base.outcome_digest if comparison and facts.base else "",
        seconds=head.seconds if head else 0.0,
        cached=facts.cached,
        output_tail=head.output_tail[-_TAIL_BYTES // (4 * of) :] if head else "",
    )


def _first(names: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The first names that are together no longer than `limit` bytes."""
    kept = 0
    for name in names[:NAMES_LIMIT]:
        limit -= len(name.encode())
        if limit < 0:
            break
        kept += 1
    return names[:kept]


def _by_exit_status(check: Check, exit_code: int) -> tuple[CheckOutcome, None, tuple[Ruling, ...]]:
    if exit_code != 0:
        failed = Reason(
            "CHECK_FAILED",
            f"check {check.name} ended with exit status {exit_code}",
            "mend what it complains of; one that reports by test (`reports:`) would let old failures pass",
        )
        return CheckOutcome.FAILED, None, (refuse(failed),)
    weak = Reason(
        "EXIT_STATUS_ONLY",
        f"check {check.name} reports nothing by test: its exit status is all that is known",
        "let it report (`reports: pytest`, unittest, junit:PATH or tap)",
    )
    return CheckOutcome.PASSED, None, (note(weak),)


def _by_test(check: Check, found: Comparison) -> Iterator[Ruling]:
    if found.new_failures:
        yield refuse(
            Reason(
                "NEW_FAILURES",
                f"check {check.name}: {_names(found.new_failures)} "
                + ("fail, and did not on the base" if found.base_known else "fail"),
                "make them pass",
            )
        )
    if not found.base_known:
        yield ask(
            Reason(
                "BASELINE_UNKNOWN",
                f"check {check.name}: its run on the base proves nothing, so lost tests would not be seen",
                "mend the check on the base, or approve the change",
            )
        )
    if found.vanished:
        yield refuse(
            Reason(
                "TESTS_VANISHED",
                f"check {check.name}: {_names(found.vanished)} ran on the base and not on the head",
                "keep the tests; taking some away is a change of category test_harness",
            ),
            harness=True,
        )
    if found.skipped:
        yield refuse(
            Reason(
                "TESTS_SKIPPED",
                f"check {check.name}: {_names(found.skipped)} ran on the base and are skipped on the head",
                "let them run; skipping some is a change of category test_harness",
            ),
            harness=True,
        )
    if found.old_failures:
        yield note(
            Reason(
                "OLD_FAILURES",
                f"check {check.name}: {_names(found.old_failures)} failed on the base already",
                "not this change's fault; worth a phase of their own",
            )
        )
    if check.reports == "tap" or check.reports.startswith("junit:"):
        kind = check.reports.partition(":")[0]
        yield note(
            Reason(
                "SELF_REPORTED",
                f"check {check.name}: outcomes are the check's own word ({kind})",
                "`reports: pytest` or unittest let the gate's own reporter see the tests",
            )
        )


def _missing(check: Check) -> Reason:
    return Reason("EVIDENCE_MISSING", f"check {check.name} left no result", "judge the change again")


def _timed_out(check: Check) -> Reason:
    return Reason(
        "CHECK_TIMED_OUT",
        f"check {check.name} did not end within {check.timeout} s",
        "make it faster, or raise its timeout in the policy",
    )


def _killed(check: Check, head: CheckRun) -> Reason:
    how = f"over its {head.ended.limit} limit" if head.ended.limit else f"by signal {head.ended.signal}"
    return Reason(
        "CHECK_KILLED",
        f"check {check.name} was ended {how}",
        "make it need less, or raise the policy's limits",
    )


def _about(check: Check, fault: Reason) -> Reason:
    return Reason(fault.code, f"check {check.name}: {fault.message}", fault.fix)


def _names(names: tuple[str, ...]) -> str:
    more = len(names) - NAMES_IN_MESSAGE
    return ", ".join(names[:NAMES_IN_MESSAGE]) + (f" and {more} more" if more > 0 else "")
