"""The contract of the plan: each key is accepted, typed, and refused where it is wrong."""

from pathlib import Path

import pytest

from autopack.errors import InvalidInput, Reason
from autopack.policy.plan import (
    Budget,
    Check,
    CommandBuilder,
    NamedBuilder,
    PatchBuilder,
    Plan,
    RepairBuilder,
    ReplayBuilder,
    load_plan,
)

CONTRACT = """\
version: 1
name: fix-gcd
base: main                        # any revision; the run works on branch autopack/<run-id>
land: branch                      # branch | fast-forward
phases:
  - id: fix-gcd
    goal: Make the failing gcd tests pass
    category: bug_fix
    depends_on: []
    scope: {paths: ["src/gcd.py"], context: ["tests/test_gcd.py"]}
    builder: {kind: repair}
    checks: [{name: tests, run: "python -m pytest -q tests/test_gcd.py"}]
    hints: ["no public signature changes"]
    budget: {attempts: 3, seconds: 900, tokens: 500000, usd: 2.0}
"""

SMALLEST = """\
version: 1
name: smallest
phases:
  - id: a
    goal: do it
    scope: {paths: [src/a.py]}
    builder: {kind: repair}
"""


def plan_of(text: str, directory: Path | None = None) -> Plan:
    return load_plan(text, "plan.yaml", directory)


def reasons_of(text: str, directory: Path | None = None) -> tuple[Reason, ...]:
    with pytest.raises(InvalidInput) as caught:
        plan_of(text, directory)
    for reason in caught.value.reasons:
        assert reason.path == "plan.yaml"
        assert reason.message
    return caught.value.reasons


def with_builder(builder: str) -> str:
    return SMALLEST.replace("{kind: repair}", builder)


def test_every_key_of_the_contract_is_read() -> None:
    plan = plan_of(CONTRACT)
    assert (plan.version, plan.name, plan.base, plan.land) == (1, "fix-gcd", "main", "branch")
    (phase,) = plan.phases
    assert (phase.id, phase.goal, phase.category) == ("fix-gcd", "Make the failing gcd tests pass", "bug_fix")
    assert phase.depends_on == ()
    assert phase.scope.paths == ("src/gcd.py",)
    assert phase.scope.context == ("tests/test_gcd.py",)
    assert phase.builder == RepairBuilder()
    assert phase.checks == (Check("tests", "python -m pytest -q tests/test_gcd.py", "pytest", 600),)
    assert phase.hints == ("no public signature changes",)
    assert phase.budget == Budget(3, 900, 500_000, 2.0)


def test_what_may_be_left_out_has_defaults() -> None:
    plan = plan_of(SMALLEST)
    (phase,) = plan.phases
    assert (plan.base, plan.land) == ("HEAD", "branch")
    assert (phase.category, phase.depends_on, phase.checks, phase.hints) == ("feature", (), (), ())
    assert phase.budget == Budget()


@pytest.mark.parametrize("key", ["name", "phases", "id", "goal", "scope", "builder", "paths"])
def test_what_may_not_be_left_out_is_named(key: str) -> None:
    text = SMALLEST.replace(f"{key}: ", f"x_{key}: ", 1).replace(f"{key}:\n", f"x_{key}:\n", 1)
    messages = [reason.message for reason in reasons_of(text) if reason.code == "PLAN_INVALID"]
    assert any(f"`{key}` is missing" in message for message in messages)


def test_a_plan_without_version_is_refused() -> None:
    (reason,) = reasons_of(SMALLEST.replace("version: 1\n", ""))
    assert "`version` is missing" in reason.message


@pytest.mark.parametrize(
    "key",
    [
        *("version", "name", "base", "land", "phases"),
        *("id", "goal", "category", "depends_on", "scope", "builder", "checks", "hints", "budget"),
        *("paths", "context", "run", "attempts", "seconds", "tokens", "usd"),
    ],
)
def test_a_misspelt_key_is_named_with_its_line_and_the_nearest_valid_one(key: str) -> None:
    misspelt = key[:-1] + "q"
    text = CONTRACT.replace(f"{key}:", f"{misspelt}:", 1)
    unknown = [reason for reason in reasons_of(text) if reason.code == "UNKNOWN_KEY"]
    assert len(unknown) == 1
    assert f"`{misspelt}`" in unknown[0].message
    assert f"did you mean `{key}`?" in unknown[0].fix
    assert unknown[0].line == next(n for n, line in enumerate(text.splitlines(), 1) if f"{misspelt}:" in line)


@pytest.mark.parametrize(
    ("right", "wrong", "found"),
    [
        ("name: fix-gcd", "name: 7", "wants text, found `7`"),
        ("name: fix-gcd", "name: ''", "must have at least 1 character"),
        ("base: main", "base: --upload-pack=x", "base: the text '--upload-pack=x' is not accepted"),
        ("land: branch ", "land: merge ", "wants `branch` or `fast-forward`"),
        ("id: fix-gcd", "id: Fix GCD", "phases[0].id: the text 'Fix GCD' is not accepted"),
        ("goal: Make", "goal: [Make]\n    x: Make", "phases[0].goal: wants text, found a list"),
        ("category: bug_fix", "category: Bug-Fix", "phases[0].category"),
        ("depends_on: []", "depends_on: one", "phases[0].depends_on: wants a list, found the text 'one'"),
        ('paths: ["src/gcd.py"]', "paths: []", "phases[0].scope.paths"),
        (
            'context: ["tests/test_gcd.py"]',
            "context: [1]",
            "phases[0].scope.context[0]: wants text, found `1`",
        ),
        ("builder: {kind: repair}", "builder: repair", "phases[0].builder"),
        ("name: tests,", "name: My Tests,", "phases[0].checks[0].name"),
        ('run: "python -m pytest -q tests/test_gcd.py"', "run: ''", "phases[0].checks[0].run"),
        ("{name: tests,", "{name: tests, reports: xml,", "phases[0].checks[0].reports"),
        ("{name: tests,", "{name: tests, timeout: 0,", "phases[0].checks[0].timeout"),
        ("{name: tests,", "{name: tests, timeout: 10s,", "wants a whole number, found the text '10s'"),
        ('hints: ["no public signature changes"]', "hints: please", "phases[0].hints: wants a list"),
        ("attempts: 3", "attempts: 0.5", "phases[0].budget.attempts: wants a whole number, found `0.5`"),
        ("attempts: 3", "attempts: 101", "phases[0].budget.attempts: must be less than or equal to 100"),
        ("seconds: 900", "seconds: -1", "phases[0].budget.seconds"),
        ("tokens: 500000", "tokens: true", "phases[0].budget.tokens: wants a whole number, found `true`"),
        ("usd: 2.0", "usd: 1e999", "phases[0].budget.usd"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(right: str, wrong: str, found: str) -> None:
    text = CONTRACT.replace(right, wrong, 1)
    assert text != CONTRACT
    reasons = reasons_of(text)
    assert any(found in reason.message and reason.line for reason in reasons)


@pytest.mark.parametrize("version", ["2", "0", "'1'", "1.0", "true"])
def test_another_version_is_refused_as_that(version: str) -> None:
    (reason,) = reasons_of(SMALLEST.replace("version: 1", f"version: {version}"))
    assert (reason.code, reason.line) == ("UNKNOWN_VERSION", 1)


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        ("{kind: repair}", RepairBuilder()),
        ("{kind: command, run: 'ruff format .'}", CommandBuilder("ruff format .")),
        ("{kind: replay, of: run-1}", ReplayBuilder("run-1")),
        ("{use: claude}", NamedBuilder("claude")),
        ('{kind: patch, diff: "--- a/x\\n+++ b/x\\n"}', PatchBuilder("--- a/x\n+++ b/x\n")),
        (
            "{kind: patch, files: {./a.py: 'x = 1', gone.txt: null}}",
            PatchBuilder(files={"a.py": "x = 1", "gone.txt": None}),
        ),
    ],
)
def test_every_builder_of_the_contract_is_read(builder: str, expected: object) -> None:
    assert plan_of(with_builder(builder)).phases[0].builder == expected


@pytest.mark.parametrize(
    ("builder", "found"),
    [
        ("{}", "without `kind`"),
        ("{kind: patsh}", "unknown kind"),
        ("{kind: ledger}", "unknown kind"),
        ("{kind: command}", "`run` is missing"),
        ("{kind: replay}", "`of` is missing"),
        ("{kind: patch}", "either `diff` or `files`"),
        ("{kind: patch, diff: 'x', files: {a: b}}", "either `diff` or `files`"),
        ("{kind: patch, files: {a: 1}}", "wants text, found `1`"),
        ("{kind: command, run: x, use: y}", "unknown key `use`"),
        ('{kind: command, run: "a\\0b"}', "is not accepted"),
    ],
)
def test_a_builder_that_is_none_is_refused(builder: str, found: str) -> None:
    reasons = reasons_of(with_builder(builder))
    assert any(found in reason.message and reason.line == 7 for reason in reasons)


def test_an_unknown_kind_says_which_one_is_nearest() -> None:
    (reason,) = reasons_of(with_builder("{kind: patsh}"))
    assert "did you mean `patch`?" in reason.fix


@pytest.mark.parametrize(
    ("run", "reports"),
    [
        ("pytest -q", "pytest"),
        ("python -m pytest", "pytest"),
        ("python3.11 -m unittest discover", "unittest"),
        ("make test", "none"),
        ("pytest -q || true", "none"),
        ("echo pytest", "none"),
        ("pytest -q; exit 0", "none"),
        ("pytest-watch", "none"),
    ],
)
def test_where_a_check_does_not_say_how_it_reports_a_plain_runner_is_recognised(
    run: str, reports: str
) -> None:
    assert Check("t", run).reports == reports


@pytest.mark.parametrize("reports", ["pytest", "unittest", "junit:out/report.xml", "tap", "none"])
def test_every_way_of_reporting_is_accepted(reports: str) -> None:
    text = CONTRACT.replace("{name: tests,", f"{{name: tests, reports: '{reports}', timeout: 5,")
    assert plan_of(text).phases[0].checks[0] == Check(
        "tests", "python -m pytest -q tests/test_gcd.py", reports, 5
    )


def test_a_report_outside_the_work_tree_is_refused() -> None:
    text = CONTRACT.replace("{name: tests,", "{name: tests, reports: 'junit:../../etc/x',")
    assert [reason.code for reason in reasons_of(text)] == ["PATH_ESCAPES"]
