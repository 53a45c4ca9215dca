"""What a change may touch, what decides over it, and what needs a person: through the running gate."""

import pytest

from autopack.api.auditor.v1 import audit_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.ledger.derived import HUB_PATH, render_derived
from autopack.ledger.document import empty, render
from autopack.ledger.entry import LEDGERS, Kind
from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import (
    ACCEPT,
    NEEDS_APPROVAL,
    QUICK,
    REJECT,
    TESTED,
    Bench,
    clean_audit,
    codes,
    policy,
)

CHANGED: Files = {**QUICK, "src/maths.py": b"def double(x):\n    return x + x\n"}
QUIETLY = ["SELF_REPORTED"]
"""What is said of every accepted change of QUICK."""


def governed(more: str) -> Files:
    """QUICK with more in its policy."""
    return {**QUICK, "autopack.yaml": policy("cat results; ! grep -q '^not ok' results", "tap", more)}


async def test_a_change_that_changes_nothing_is_refused(bench: Bench) -> None:
    assert codes(await bench.judge(QUICK, QUICK)) == ["NO_CHANGE"]


async def test_what_the_scope_does_not_name_is_refused_and_named(bench: Bench) -> None:
    verdict = await bench.judge(QUICK, {**CHANGED, "docs/a.md": b""}, paths=["src/**"])
    assert verdict.decision == REJECT
    assert [(reason.code, reason.path) for reason in verdict.reasons] == [("PATH_OUT_OF_SCOPE", "docs/a.md")]


async def test_a_change_that_is_refused_for_its_paths_is_never_run(bench: Bench) -> None:
    verdict = await bench.judge(QUICK, CHANGED, paths=["docs/**"])
    assert verdict.decision == REJECT
    assert list(verdict.checks) == []


async def test_deny_beats_allow(bench: Bench) -> None:
    base = governed("paths: {allow: ['**'], protect: ['src/**']}")
    verdict = await bench.judge(base, {**base, "src/maths.py": b""}, paths=["src/**"])
    assert codes(verdict) == ["PATH_PROTECTED"]


@pytest.mark.parametrize(
    "path",
    [
        "autopack.yaml",
        ".AutoPack/x",
        ".github/workflows/ci.yml",
        ".gitattributes",
        "docs/BUILD_HISTORY.md",
        "docs/index.MD",
    ],
)
async def test_what_is_always_protected_is_refused_whatever_the_scope_names(bench: Bench, path: str) -> None:
    verdict = await bench.judge(QUICK, {**CHANGED, path: b"x"}, paths=["**", path])
    assert codes(verdict) == ["PATH_PROTECTED"]


async def test_a_link_out_of_the_tree_and_a_submodule_are_refused(bench: Bench) -> None:
    link = {**CHANGED, "src/link": (0o120000, b"../../etc/passwd")}
    assert codes(await bench.judge(QUICK, link)) == ["SYMLINK_ESCAPES"]
    module = {**CHANGED, "src/module": (0o160000, bytes(range(20)))}
    assert codes(await bench.judge(QUICK, module)) == ["SUBMODULE_CHANGED"]


async def test_a_link_inside_the_tree_is_checked_as_a_link(bench: Bench) -> None:
    base: Files = {**QUICK, "autopack.yaml": policy("test -L latest; cat latest", "tap")}
    first = bench.commit({**base, "latest": b"1..1\nok - a\n"})
    head = bench.commit({**base, "latest": (0o120000, b"results")}, first)
    assert (await bench.verdict(bench.request(first, head))).checks[0].tests.passed == 2


async def test_contents_that_may_not_land_are_refused_with_path_and_line(bench: Bench) -> None:
    head = {
        **CHANGED,
        "src/a.py": b"x = (\n",
        "src/b.txt": b"<<<<<<< a\n=======\n>>>>>>> b\n",
        "src/c.pyc": b"\0",
    }
    verdict = await bench.judge(QUICK, head)
    assert [(reason.code, reason.path, reason.line) for reason in verdict.reasons] == [
        ("DOES_NOT_PARSE", "src/a.py", 1),
        ("CONFLICT_MARKERS", "src/b.txt", 1),
        ("FORBIDDEN_FILE", "src/c.pyc", 0),
    ]


async def test_a_path_that_is_not_utf8_is_refused(bench: Bench) -> None:
    verdict = await bench.judge(QUICK, {**CHANGED, "src/\udcff.py": b""})
    assert codes(verdict) == ["PATH_NOT_UTF8"]


async def test_a_change_too_large_to_be_looked_at_is_refused(bench: Bench) -> None:
    many = {f"src/{number}.txt": b"" for number in range(5001)}
    assert codes(await bench.judge(QUICK, {**CHANGED, **many})) == ["CHANGE_TOO_LARGE"]


async def test_the_policy_is_that_of_the_policys_commit(bench: Bench) -> None:
    pinned = bench.commit(QUICK)
    base = bench.commit(governed("paths: {protect: ['src/**']}"), pinned)
    head = bench.commit({**governed("paths: {protect: ['src/**']}"), "src/maths.py": b"x = 1\n"}, base)
    assert (await bench.verdict(bench.request(base, head, policy_commit=pinned))).decision == ACCEPT
    assert codes(await bench.verdict(bench.request(base, head, policy_commit=base))) == ["PATH_PROTECTED"]


async def test_without_any_check_a_change_is_refused(bench: Bench) -> None:
    bare = {"autopack.yaml": b"version: 1\n", "a": b"1"}
    verdict = await bench.judge(bare, {**bare, "a": b"2"})
    assert codes(verdict) == ["NO_CHECKS"]


async def test_a_phase_adds_checks_to_the_policys_and_takes_none_away(bench: Bench) -> None:
    added = plan_pb2.Check(name="added", run="false", reports="none", timeout_seconds=10)
    verdict = await bench.judge(QUICK, CHANGED, checks=[added])
    assert [check.name for check in verdict.checks] == ["tests", "added"]
    assert codes(verdict) == ["CHECK_FAILED", "SELF_REPORTED"]


async def test_a_changed_test_needs_a_person_and_a_new_one_does_not(bench: Bench) -> None:
    changed = {**TESTED, "tests/test_maths.py": b"def test_double():\n    pass\n"}
    verdict = await bench.judge(TESTED, changed)
    assert (verdict.decision, codes(verdict)) == (NEEDS_APPROVAL, ["ASSERTION_CHANGED"])
    assert list(verdict.categories) == ["feature", "test_harness"]
    new = {**TESTED, "tests/test_new.py": b"def test_new():\n    pass\n"}
    assert (await bench.judge(TESTED, new)).decision == ACCEPT


async def test_a_conftest_that_makes_all_tests_pass_helps_nobody(bench: Bench) -> None:
    cheat = b"""import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    result = yield
    result.get_result().outcome = "passed"
"""
    head = {**TESTED, "src/maths.py": b"def double(x):\n    return 0\n", "src/conftest.py": cheat}
    verdict = await bench.judge(TESTED, {**head, "conftest.py": cheat})
    assert verdict.decision == REJECT  # the base's tests ran without it
    assert set(codes(verdict)) == {"NEW_FAILURES", "JUDGE_CHANGED", "RESULT_DOUBTED"}


async def test_a_deleted_failing_test_does_not_land(bench: Bench) -> None:
    base = {**TESTED, "tests/test_bad.py": b"def test_bad():\n    assert 0\n"}
    verdict = await bench.judge(base, TESTED)
    assert verdict.decision == NEEDS_APPROVAL
    assert codes(verdict) == ["ASSERTION_CHANGED", "OLD_FAILURES"]


async def test_a_test_that_an_earlier_phase_has_added_may_be_changed_by_a_later_one(bench: Bench) -> None:
    pinned = bench.commit(TESTED)
    base = bench.commit({**TESTED, "tests/test_new.py": b"def test_new():\n    pass\n"}, pinned)
    head = bench.commit({**TESTED, "tests/test_new.py": b"def test_new():\n    assert 1\n"}, base)
    assert (await bench.verdict(bench.request(base, head, policy_commit=pinned))).decision == ACCEPT


async def test_an_approval_binds_to_the_change_digest(bench: Bench) -> None:
    head = {**CHANGED, "requirements.txt": b"six\n"}
    asked = await bench.judge(QUICK, head)
    assert (asked.decision, codes(asked)) == (NEEDS_APPROVAL, ["CATEGORY_NEEDS_APPROVAL", *QUIETLY])
    assert asked.categories == ["dependency", "feature"]
    approved = await bench.judge(QUICK, head, approvals=[asked.change_digest])
    assert (approved.decision, codes(approved)[-1]) == (ACCEPT, "APPROVED")
    other = {**head, "requirements.txt": b"seven\n"}
    stale = await bench.judge(QUICK, other, approvals=[asked.change_digest])
    assert stale.decision == NEEDS_APPROVAL
    assert "APPROVAL_STALE" in codes(stale)


async def test_the_same_change_on_another_base_keeps_its_digest(bench: Bench) -> None:
    first = await bench.judge(QUICK, CHANGED)
    beside = {"docs/other.md": b"x"}
    second = await bench.judge({**QUICK, **beside}, {**CHANGED, **beside})
    assert first.change_digest == second.change_digest
    assert first.decision_digest != second.decision_digest


async def test_a_large_deletion_needs_a_person_and_a_reckless_one_is_refused(bench: Bench) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(3000))
    base = {**QUICK, "src/large.txt": lines}
    some = await bench.judge(base, {**base, "src/large.txt": lines[:20000]})
    assert (some.decision, codes(some)[0]) == (NEEDS_APPROVAL, "RISK_NEEDS_APPROVAL")
    assert [factor.name for factor in some.risk.factors] == ["size", "net_deletion"]
    critical = {**base, "deploy/a": b"1", "src/auth/b.py": b"x = 1\n"}
    all_of_it = await bench.judge(critical, {**QUICK, "deploy/a": b"2", "src/auth/b.py": b"x = 2\n"})
    assert (all_of_it.decision, codes(all_of_it)[0]) == (REJECT, "RISK_TOO_HIGH")


# The first policy.


async def test_the_first_policy_needs_a_person_and_no_check(bench: Bench) -> None:
    base: Files = {"src/a.py": b"x = 1\n"}
    head = {**base, "autopack.yaml": policy(), ".github/workflows/autopack.yml": b"on: push\n"}
    asked = await bench.judge(base, head)
    assert (asked.decision, codes(asked)) == (NEEDS_APPROVAL, ["POLICY_BOOTSTRAP"])
    approved = await bench.judge(base, head, approvals=[asked.change_digest])
    assert approved.decision == ACCEPT


async def test_with_the_first_policy_comes_no_unchecked_code(bench: Bench) -> None:
    base: Files = {"src/a.py": b"x = 1\n"}
    verdict = await bench.judge(base, {"src/a.py": b"x = 2\n", "autopack.yaml": policy()})
    assert (verdict.decision, codes(verdict)) == (REJECT, ["NO_CHECKS", "POLICY_BOOTSTRAP"])


async def test_with_the_first_policy_nothing_protected_is_altered(bench: Bench) -> None:
    base: Files = {".github/workflows/ci.yml": b"on: push\n"}
    verdict = await bench.judge(base, {".github/workflows/ci.yml": b"", "autopack.yaml": policy()})
    assert verdict.decision == REJECT
    assert codes(verdict)[0] == "PATH_PROTECTED"


async def test_a_first_policy_that_cannot_be_read_is_refused(bench: Bench) -> None:
    verdict = await bench.judge({"a": b"1"}, {"a": b"1", "autopack.yaml": b"version: 1\nchekcs: []\n"})
    assert verdict.decision == REJECT
    assert verdict.reasons[0].path == "autopack.yaml"


# The audit.


def found(severity: audit_pb2.Severity) -> audit_pb2.Finding:
    return audit_pb2.Finding(
        analyzer="bandit", rule_id="B602", severity=severity, message="shell=True", path="src/a.py", line=3
    )


async def test_findings_of_the_audit_are_refused_with_path_and_line(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    assert bench.auditor.audit is not None
    bench.auditor.audit.findings.append(found(audit_pb2.SEVERITY_HIGH))
    verdict = await bench.verdict(request)
    assert codes(verdict) == ["AUDIT_FINDINGS", *QUIETLY]
    assert (verdict.reasons[0].path, verdict.reasons[0].line) == ("src/a.py", 3)
    assert verdict.findings_digest == "f" * 64


async def test_an_escalation_needs_a_person(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    assert bench.auditor.audit is not None
    bench.auditor.audit.recommendation = audit_pb2.RECOMMENDATION_ESCALATE
    assert (await bench.verdict(request)).decision == NEEDS_APPROVAL


@pytest.mark.parametrize(
    "audit",
    [
        pytest.param(audit_pb2.Audit(state=audit_pb2.AUDIT_STATE_FAILED), id="failed"),
        pytest.param(audit_pb2.Audit(state=audit_pb2.AUDIT_STATE_CANCELLED), id="cancelled"),
        pytest.param(
            audit_pb2.Audit(
                state=audit_pb2.AUDIT_STATE_SUCCEEDED,
                recommendation=audit_pb2.RECOMMENDATION_APPROVE,
                findings_digest="f" * 64,
            ),
            id="no analyzer",
        ),
        pytest.param(
            audit_pb2.Audit(
                state=audit_pb2.AUDIT_STATE_SUCCEEDED,
                recommendation=audit_pb2.RECOMMENDATION_APPROVE,
                findings_digest="f" * 64,
                analyzers=[audit_pb2.AnalyzerRun(name="bandit", error="crashed")],
            ),
            id="a crashed analyzer",
        ),
        pytest.param(None, id="unknown"),
    ],
)
async def test_what_was_not_audited_is_refused(bench: Bench, audit: audit_pb2.Audit | None) -> None:
    request = bench.change(QUICK, CHANGED)
    if audit is not None:
        audit.base, audit.head = request.base, request.head
    bench.auditor.audit = audit
    verdict = await bench.verdict(request)
    assert codes(verdict) == ["NOT_AUDITED", *QUIETLY]
    assert verdict.decision == REJECT


async def test_an_audit_of_another_change_is_refused(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    other = bench.commit({**CHANGED, "src/more.py": b""}, request.base)
    bench.auditor.audit = clean_audit(request.base, other)
    assert codes(await bench.verdict(request)) == ["AUDIT_MISMATCH", *QUIETLY]


async def test_an_audit_of_the_same_change_on_another_base_counts(bench: Bench) -> None:
    first = bench.change(QUICK, CHANGED)
    beside = {"docs/other.md": b"x"}
    request = bench.change({**QUICK, **beside}, {**CHANGED, **beside})
    bench.auditor.audit = clean_audit(first.base, first.head)
    assert (await bench.verdict(request)).decision == ACCEPT


# Ledgers.


async def test_a_ledger_may_grow_without_checks_and_by_its_own_category_only(bench: Bench) -> None:
    ledgers = {kind: empty(kind) for kind in Kind}
    base: Files = {"autopack.yaml": b"version: 1\n"}
    head: dict[str, bytes] = {
        "autopack.yaml": b"version: 1\n",
        **{path: text.encode() for path, text in render_derived(lambda _: None, ledgers).items()},
        **{LEDGERS[kind].path: render(ledgers[kind]).encode() for kind in Kind},
    }
    assert (await bench.judge(base, head, category="ledger")).decision == ACCEPT
    assert set(codes(await bench.judge(base, head, category="docs"))) == {"PATH_PROTECTED"}
    shrunk = {**head, LEDGERS[Kind.BUILD].path: b"# nothing\n"}
    assert (await bench.judge(head, shrunk, category="ledger")).decision == REJECT
    product = {**head, "src/a.py": b""}
    assert codes(await bench.judge(base, product, category="ledger")) == ["PATH_NOT_ALLOWED"]
    executable: Files = {**head, HUB_PATH: (0o100755, head[HUB_PATH])}
    assert codes(await bench.judge(base, executable, category="ledger")) == ["LEDGER_NOT_A_FILE"]
