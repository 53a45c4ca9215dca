"""The contract of the policy: each key is accepted, typed, defaulted, and refused where wrong."""

from dataclasses import replace

import pytest

from autopack.errors import InvalidInput, Reason
from autopack.policy.plan import Budget, Check
from autopack.policy.policy import (
    DEFAULT_POLICY,
    AgentBuilder,
    Approvals,
    AuditRules,
    Environment,
    Judge,
    ModelBuilder,
    Paths,
    Policy,
    RiskThresholds,
    SandboxRules,
    load_policy,
)
from autopack.policy.read import has_policy, policy_at

CONTRACT = """\
version: 1
project: my-project
paths: {allow: ["src/**", "tests/**"], protect: ["deploy/**"]}
checks: [{name: tests, run: "python -m pytest -q", reports: pytest, timeout: 600}]
environment: {setup: "python -m venv .venv && .venv/bin/pip install -r requirements.txt", inputs: [requirements.txt], path: [.venv/bin], network: true}
judge: {paths: ["tests/**", "conftest.py", "pytest.ini", "Makefile"]}
sandbox: {tier: namespaces, memory_mb: 4096, processes: 512}
builders:
  claude: {kind: agent, adapter: claude-code, secrets: [ANTHROPIC_API_KEY], hosts: ["api.anthropic.com:443"]}
  local: {kind: model, model: qwen-coder, endpoint: "http://127.0.0.1:8080/v1"}
categories: {schema_change: ["migrations/**"], dependency: ["requirements*.txt"]}
risk: {approve_at: 50, reject_at: 90}
approvals: {categories: [schema_change, security_auth_change, dependency]}
audit: {block_at: high, dual: [security_auth_change]}
budget: {attempts: 3, seconds: 900, tokens: 500000}
"""  # noqa: E501  # as the contract writes it


def reasons_of(text: str) -> tuple[Reason, ...]:
    with pytest.raises(InvalidInput) as caught:
        load_policy(text)
    assert all(reason.path == "autopack.yaml" for reason in caught.value.reasons)
    return caught.value.reasons


def test_every_key_of_the_contract_is_read() -> None:
    assert load_policy(CONTRACT) == Policy(
        version=1,
        project="my-project",
        paths=Paths(("src/**", "tests/**"), ("deploy/**",)),
        checks=(Check("tests", "python -m pytest -q", "pytest", 600),),
        environment=Environment(
            "python -m venv .venv && .venv/bin/pip install -r requirements.txt",
            ("requirements.txt",),
            (".venv/bin",),
            True,
        ),
        judge=Judge(("tests/**", "conftest.py", "pytest.ini", "Makefile")),
        sandbox=SandboxRules("namespaces", 4096, 512),
        builders={
            "claude": AgentBuilder("claude-code", ("ANTHROPIC_API_KEY",), ("api.anthropic.com:443",)),
            "local": ModelBuilder("qwen-coder", "http://127.0.0.1:8080/v1"),
        },
        categories={"schema_change": ("migrations/**",), "dependency": ("requirements*.txt",)},
        risk=RiskThresholds(50, 90),
        approvals=Approvals(("schema_change", "security_auth_change", "dependency")),
        audit=AuditRules("high", ("security_auth_change",)),
        budget=Budget(3, 900, 500_000),
    )


def test_whatever_is_left_out_has_a_safe_default() -> None:
    policy = load_policy("version: 1\n")
    assert policy == DEFAULT_POLICY
    assert policy.checks == ()
    assert policy.environment.network is False
    assert policy.audit.block_at == "high"
    assert policy.approvals.categories == (
        *("schema_change", "security_auth_change", "dependency", "infrastructure", "secrets"),
    )
    assert (policy.risk.approve_at, policy.risk.reject_at) == (50, 90)


@pytest.mark.parametrize(
    "key",
    [
        *("version", "project", "paths", "checks", "environment", "judge", "sandbox", "builders"),
        *("categories", "risk", "approvals", "audit", "budget", "allow", "protect", "reports", "timeout"),
        *("setup", "inputs", "network", "tier", "memory_mb", "processes", "adapter", "secrets", "hosts"),
        *("endpoint", "approve_at", "reject_at", "block_at", "dual", "attempts", "seconds", "tokens"),
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
        ("project: my-project", "project: [x]", "project: wants text"),
        ('allow: ["src/**", "tests/**"]', 'allow: ["../**"]', "paths.allow[0]: `../**` has `..`"),
        ('protect: ["deploy/**"]', "protect: deploy", "paths.protect: wants a list"),
        ("name: tests", "name: My Tests", "checks[0].name"),
        ("reports: pytest", "reports: xml", "checks[0].reports"),
        ("timeout: 600", "timeout: 100000", "checks[0].timeout"),
        ("network: true", "network: yes", "environment.network: wants true or false, found the text 'yes'"),
        ("path: [.venv/bin]", "path: [/usr/bin]", "environment.path[0]: `/usr/bin` is absolute"),
        ("inputs: [requirements.txt]", "inputs: [/etc/passwd]", "environment.inputs[0]"),
        ("tier: namespaces", "tier: docker", "sandbox.tier: found the text 'docker'"),
        ("memory_mb: 4096", "memory_mb: 1", "sandbox.memory_mb"),
        ("processes: 512", "processes: many", "sandbox.processes: wants a whole number"),
        ("kind: agent", "kind: human", "builders.claude: unknown kind"),
        (
            "kind: agent",
            "kind: agent, stronger: locl",
            "builders.claude: the stronger builder `locl` is not named",
        ),
        ("[ANTHROPIC_API_KEY]", "['sk-ant 123']", "builders.claude.secrets[0]"),
        ("api.anthropic.com:443", "api.anthropic.com", "builders.claude.hosts[0]"),
        ("http://127.0.0.1:8080/v1", "file:///etc/passwd", "builders.local.endpoint"),
        ("  local:", "  Local One:", "builders.Local One"),
        ("{schema_change: [", "{Schema: [", "categories.Schema"),
        ("approve_at: 50", "approve_at: 101", "risk.approve_at"),
        ("approve_at: 50", "approve_at: 95", "approve_at 95 is above reject_at 90"),
        ("categories: [schema_change,", "categories: [Schema,", "approvals.categories[0]"),
        ("block_at: high", "block_at: hihg", "audit.block_at: found the text 'hihg'"),
        ("dual: [security_auth_change]", "dual: security_auth_change", "audit.dual: wants a list"),
        ("seconds: 900", "seconds: 15m", "budget.seconds: wants a whole number"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(right: str, wrong: str, found: str) -> None:
    text = CONTRACT.replace(right, wrong, 1)
    assert text != CONTRACT
    assert any(found in reason.message and reason.line and reason.fix for reason in reasons_of(text))


def test_another_version_and_no_version_are_refused() -> None:
    assert [reason.code for reason in reasons_of("version: 2\n")] == ["UNKNOWN_VERSION"]
    assert [reason.message for reason in reasons_of("project: x\n")] == ["`version` is missing"]


def test_two_checks_of_one_name_are_refused() -> None:
    text = "version: 1\nchecks:\n  - {name: t, run: x}\n  - {name: t, run: y}\n"
    assert [(reason.code, reason.line) for reason in reasons_of(text)] == [("DUPLICATE_ID", 4)]


@pytest.mark.parametrize("text", ["", "words", "[1]", "version: 1\nphases: []\n"])
def test_a_file_that_is_no_policy_is_told_as_that(text: str) -> None:
    assert [reason.code for reason in reasons_of(text)] == ["NOT_A_POLICY"]


def test_the_digest_names_the_effective_policy_and_not_its_spelling() -> None:
    policy = load_policy(CONTRACT)
    respelt = load_policy(
        "# a comment\n" + CONTRACT.replace("{approve_at: 50, reject_at: 90}", "{reject_at: 90}")
    )
    assert policy.digest == respelt.digest
    assert len(policy.digest) == 64
    assert replace(policy, audit=AuditRules("low")).digest != policy.digest


class Commit:
    """A commit with at most one file."""

    def __init__(self, contents: bytes | None) -> None:
        self._contents = contents

    def read(self, treeish: str, path: str, limit: int = 0, /) -> bytes | None:
        assert (treeish, path) == ("c0ffee", "autopack.yaml")
        return self._contents


def test_the_policy_of_a_commit_is_its_file_or_the_default() -> None:
    assert policy_at(Commit(None), "c0ffee") == DEFAULT_POLICY
    assert policy_at(Commit(CONTRACT.encode()), "c0ffee") == load_policy(CONTRACT)
    assert (has_policy(Commit(None), "c0ffee"), has_policy(Commit(b""), "c0ffee")) == (False, True)


@pytest.mark.parametrize(("contents", "code"), [(b"\xff", "NOT_UTF8"), (b"checks: [", "YAML_INVALID")])
def test_a_policy_that_cannot_be_read_never_becomes_the_default(contents: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        policy_at(Commit(contents), "c0ffee")
    assert caught.value.reasons[0].code == code


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("approvals: {categories: [schema_change,", "approvals: {categories: [schema_chang,", "approvals"),
        ("dual: [security_auth_change]", "dual: [security_change]", "audit"),
    ],
)
def test_a_misspelt_category_would_never_ask_and_is_refused(old: str, new: str, line: str) -> None:
    text = CONTRACT.replace(old, new)
    with pytest.raises(InvalidInput) as caught:
        load_policy(text)
    (reason,) = caught.value.reasons
    assert reason.code == "UNKNOWN_CATEGORY"
    assert "did you mean" in reason.fix
    assert text.splitlines()[reason.line - 1].startswith(line)
