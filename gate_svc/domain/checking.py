"""What the runs of one check on head and base mean: its outcome, and what it says on the change."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from autopack.errors import Reason
from autopack.policy.plan import Check
from gate_svc.domain.baseline import Comparison, compare, known
from gate_svc.domain.canaries import canaries
from gate_svc.domain.doubts import contradictions, doubts, forged, in_files
from gate_svc.domain.evidence import CheckRun, Evidence, Outcome, Proof
from gate_svc.domain.flakes import SECONDS_LIMIT, TESTS_LIMIT, Tally, flakes
from gate_svc.domain.probing.probed import Probed
from gate_svc.domain.probing.rulings import probe_rulings
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
    """With the judge of the run's base where the gate's own reporter sees the tests."""
    base: CheckRun | None
    """None where no baseline was needed to know."""
    own: CheckRun | None = None
    """What the head has of tests that the run's base has not."""
    own_base: CheckRun | None = None
    """The same of the base."""
    teeth: CheckRun | None = None
    """What the head has of its own tests, on the base."""
    changed: tuple[str, ...] = ()
    """Files of the judge that the head has otherwise than the run's base."""
    bug_fix: bool = False
    """Whether the change says to mend something."""
    cached: bool = False
    repeats: Mapping[str, Tally] = field(default_factory=dict)
    """Of tests in question."""
    probed: Probed | None = None
    survivors: str = "inform"
    """What the policy makes of mutants that no test notices."""
    refactoring: bool = False
    """Whether the change says to keep what the product does."""


def judge_check(facts: CheckFacts) -> tuple[CheckOutcome, Comparison | None, tuple[Ruling, ...]]:
    """The outcome, the comparison with the base where there is one, and what it says on the change."""
    facts = _with_what_there_is(facts)
    check, head = facts.check, facts.head
    for run in (head, facts.own):
        if run is None or (run is head and _is_contradicted(facts)):
            continue
        if without := _without_evidence(check, run):
            return without[0], None, (without[1],)
    if head is None:
        return CheckOutcome.NO_EVIDENCE, None, (refuse(_missing(check)),)
    if check.reports == "none" and head.ended.exit_code is not None:
        return _by_exit_status(check, head.ended.exit_code)
    if head.evidence is None or facts.base is None:
        return CheckOutcome.NO_EVIDENCE, None, (refuse(_missing(check)),)
    comparison, contradicted = _contradicted(facts, compare(head.evidence, facts.base))
    comparison = _explained(facts, comparison)
    rulings = (
        *_by_test(check, comparison),
        *contradictions(check, contradicted),
        *doubts(check, head.evidence, known(facts.base), comparison.flaky),
        *canaries(check, head.evidence, known(facts.base)),
        *flakes(check, facts.repeats),
        *(doubts(check, facts.own.evidence, None) if facts.own and facts.own.evidence else ()),
        *(_teeth(facts) if facts.bug_fix else ()),
        *(probe_rulings(check, facts.probed, facts.survivors, facts.refactoring) if facts.probed else ()),
    )
    if comparison.new_failures:
        return CheckOutcome.FAILED, comparison, rulings
    failed_before = comparison.old_failures or comparison.flaky
    outcome = CheckOutcome.OLD_FAILURES if failed_before else CheckOutcome.PASSED
    return outcome, comparison, rulings


def _with_what_there_is(facts: CheckFacts) -> CheckFacts:
    """Where the judge of the run's base has no test for this check, what the head has of its own is all;
    where the head's own tests are none of this check's, there is nothing of its own."""
    if facts.own is None or facts.head is None:
        return facts
    if _is_empty(facts.own):
        return replace(facts, own=None)
    if _is_empty(facts.head) and (facts.base is None or _is_empty(facts.base)):
        return replace(facts, head=facts.own, base=facts.own_base or facts.base, own=None, changed=())
    return facts


def _teeth(facts: CheckFacts) -> Iterator[Ruling]:
    """A bug fix shows itself by a test that fails without it, and passes with it."""
    base, before = known(facts.base) if facts.base else None, facts.teeth.evidence if facts.teeth else None
    now = {
        name for name, outcome in _together(facts.head, facts.own).tests.items() if outcome is Outcome.PASSED
    }
    failed = (base.failing() if base else frozenset()) | (before.failing() if before else frozenset())
    failed |= set(base.unfinished) if base else set()  # it did not pass: it did not so much as end
    if failed & now or (before and before.unloaded):
        return
    if before is None:
        yield note(
            Reason(
                "FIX_UNTESTED",
                f"check {facts.check.name}: the change is to mend something, and no test fails without it",
                "add a test that fails without the change",
            )
        )
    else:
        yield ask(
            Reason(
                "TESTS_WITHOUT_TEETH",
                f"check {facts.check.name}: the new tests of this fix pass on the base too",
                "let one of them fail without the change, or approve it",
            )
        )


def _is_empty(run: CheckRun) -> bool:
    evidence = run.evidence
    return evidence is not None and not (evidence.tests or evidence.unloaded or evidence.unfinished)


def _is_contradicted(facts: CheckFacts) -> bool:
    """Whether no test of the run's base can so much as be loaded, and the head has others instead."""
    evidence = facts.head.evidence if facts.head else None
    return (
        facts.own is not None
        and evidence is not None
        and bool(evidence.unloaded)
        and not evidence.tests
        and all(in_files(name, facts.changed) for name in evidence.unloaded)
    )


def _without_evidence(check: Check, run: CheckRun) -> tuple[CheckOutcome, Ruling] | None:
    if run.ended.limit == "time":
        return CheckOutcome.TIMED_OUT, refuse(_timed_out(check))
    if run.ended.exit_code is None:
        return CheckOutcome.KILLED, refuse(_killed(check, run))
    if run.fault is not None:
        return CheckOutcome.NO_EVIDENCE, refuse(_about(check, run.fault))
    return None


def _contradicted(facts: CheckFacts, found: Comparison) -> tuple[Comparison, tuple[str, ...]]:
    """The comparison with what the head's own tests add, and which tests of the run's base fail that the head
    has changed or taken away so that they do not fail there."""
    own = facts.own.evidence if facts.own else None
    failing = own.failing() if own else frozenset()
    before = facts.own_base.evidence if facts.own_base else None
    old = (before.failing() if before else frozenset()) | set(found.old_failures)
    base = known(facts.base) if facts.base else None
    old |= base.failing() if base else frozenset()
    contradicted = tuple(
        name for name in found.new_failures if in_files(name, facts.changed) and name not in failing
    )
    new = (set(found.new_failures) - set(contradicted)) | (failing - old)
    return replace(found, new_failures=tuple(sorted(new))), contradicted


def _explained(facts: CheckFacts, found: Comparison) -> Comparison:
    """The comparison without what repeated runs have shown to be flaky."""
    flaky = tuple(sorted(name for name, each in facts.repeats.items() if each.flaky))
    return replace(
        found, new_failures=tuple(name for name in found.new_failures if name not in flaky), flaky=flaky
    )


def in_question(facts: CheckFacts) -> frozenset[str]:
    """Tests that repeated runs may show to be flaky; none where they could explain only some of it.

    The base must have a test as well for it to be seen failing there.
    """
    head, base = facts.head.evidence if facts.head else None, known(facts.base) if facts.base else None
    if facts.head is None or head is None or base is None:
        return frozenset()
    doubted = forged(head, base).keys()
    if not (doubted or head.failing() - base.failing()):
        return frozenset()
    _, comparison, _ = judge_check(facts)
    names = frozenset(comparison.new_failures if comparison else ()) | doubted
    own = facts.own.evidence.failing() if facts.own and facts.own.evidence else frozenset()
    whole = facts.check.reports != "pytest"  # all of its tests run again
    if (
        len(names) > TESTS_LIMIT
        or (whole and facts.head.seconds > SECONDS_LIMIT)
        or names & own
        or names - (head.tests.keys() & base.tests.keys())
    ):
        return frozenset()
    return names


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
    facts = _with_what_there_is(facts)
    head, compared = facts.head, comparison or Comparison(base_known=False)
    evidence = _together(head, facts.own)
    return CheckResult(
        name=facts.check.name,
        run=facts.check.run,
        reports=facts.check.reports,
        timeout=facts.check.timeout,
        outcome=outcome,
        exit_code=_exit_code(head, facts.own),
        tests=TestCounts(
            passed=evidence.count(Outcome.PASSED),
            failed=evidence.count(Outcome.FAILED),
            errors=evidence.count(Outcome.ERROR) + len(evidence.unloaded),
            skipped=evidence.count(Outcome.SKIPPED),
            blind=sum(1 for proof in evidence.proofs.values() if proof is Proof.BLIND),
            compared=sum(1 for proof in evidence.proofs.values() if proof is Proof.COMPARED),
            self_reported=evidence.count(Outcome.PASSED) - len(evidence.proofs),
        ),
        new_failures=_first(compared.new_failures, _NAMES_BYTES // of),
        old_failures=_first(compared.old_failures, _NAMES_BYTES // of),
        vanished=_first(compared.vanished, _NAMES_BYTES // of),
        outcome_digest=_digest(head, facts.own),
        base_outcome_digest=facts.base.outcome_digest if comparison and facts.base else "",
        seconds=head.seconds if head else 0.0,
        cached=facts.cached,
        output_tail=head.output_tail[-_TAIL_BYTES // (4 * of) :] if head else "",
        repeats=facts.repeats,
        seen=_seen(evidence, _NAMES_BYTES // of),
        probed=facts.probed,
    )


def _seen(evidence: Evidence, limit: int) -> Mapping[str, Proof]:
    """How each test that passed was seen; those first of which least was."""
    passed = sorted(name for name, outcome in evidence.tests.items() if outcome is Outcome.PASSED)
    found = {name: evidence.proofs.get(name, Proof.SELF_REPORTED) for name in passed}
    least = (Proof.SELF_REPORTED, Proof.COMPARED, Proof.BLIND)
    names = sorted(passed, key=lambda name: least.index(found[name]))
    return {name: found[name] for name in _first(tuple(names), limit)}


def _together(*runs: CheckRun | None) -> Evidence:
    """What the judge of the run's base and the head's own tests say."""
    found = [run.evidence for run in runs if run and run.evidence]
    tests = {name: outcome for evidence in found for name, outcome in evidence.tests.items()}
    proofs = {name: proof for evidence in found for name, proof in evidence.proofs.items()}
    return Evidence(
        tests=tests,
        unloaded=tuple(sorted({name for evidence in found for name in evidence.unloaded})),
        proofs={name: proof for name, proof in proofs.items() if tests[name] is Outcome.PASSED},
    )


def _digest(head: CheckRun | None, own: CheckRun | None) -> str:
    if head is None or own is None:
        return head.outcome_digest if head else ""
    return hashlib.sha256(f"{head.outcome_digest} {own.outcome_digest}".encode()).hexdigest()


def _exit_code(*runs: CheckRun | None) -> int | None:
    codes = [run.ended.exit_code for run in runs if run]
    return next((code for code in codes if code != 0), 0) if codes else None


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
