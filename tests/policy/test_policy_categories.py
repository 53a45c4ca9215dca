"""Categories come from paths; a declaration only adds."""

import pytest

from autopack.policy.categories import categories
from autopack.policy.policy import DEFAULT_POLICY, Judge, Policy


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("requirements-dev.txt", "dependency"),
        ("sub/package-lock.json", "dependency"),
        ("pyproject.toml", "dependency"),
        ("Cargo.lock", "dependency"),
        ("go.mod", "dependency"),
        (".github/workflows/ci.yml", "ci"),
        ("Jenkinsfile", "ci"),
        ("autopack.yaml", "policy"),
        (".autopack/key.pub", "policy"),
        ("docs/BUILD_HISTORY.md", "ledger"),
        ("tests/test_a.py", "test_harness"),
        ("src/conftest.py", "test_harness"),
        ("REQUIREMENTS.TXT", "dependency"),
        ("Dockerfile.web", "infrastructure"),
        ("deploy/base/gate.yaml", "infrastructure"),
        ("modules/net/main.tf", "infrastructure"),
        ("docker-compose.override.yml", "infrastructure"),
        (".env", "secrets"),
        ("config/.env.production", "secrets"),
        ("certs/server.PEM", "secrets"),
        (".ssh/id_ed25519", "secrets"),
    ],
)
def test_built_in_categories_are_found_in_any_case(path: str, category: str) -> None:
    assert categories(["src/a.py", path], DEFAULT_POLICY) == (category,)


@pytest.mark.parametrize(
    "path", [".env.example", "src/deploy.py", "src/environment.py", "src/secrets.py", "a.keys"]
)
def test_what_only_sounds_like_one_is_in_no_category(path: str) -> None:
    assert categories([path], DEFAULT_POLICY) == ()


def test_a_person_is_asked_by_default_for_what_is_not_code() -> None:
    """Ledgers, CI and policy are protected whatever the policy says."""
    assert set(DEFAULT_POLICY.approvals.categories) >= {"dependency", "infrastructure", "secrets"}
    for path in ("docs/BUILD_HISTORY.md", ".github/workflows/ci.yml", "autopack.yaml"):
        assert (refusal := DEFAULT_POLICY.path_rules().refuse(path)) is not None
        assert refusal.code == "PATH_PROTECTED"


def test_plain_code_has_no_category_but_the_declared_one() -> None:
    assert categories(["src/a.py"], DEFAULT_POLICY) == ()
    assert categories(["src/a.py"], DEFAULT_POLICY, "bug_fix") == ("bug_fix",)


def test_a_declared_category_adds_and_never_replaces() -> None:
    assert categories(["requirements.txt"], DEFAULT_POLICY, "docs") == ("dependency", "docs")


def test_the_policys_categories_add_to_the_built_in_ones() -> None:
    policy = Policy(
        categories={"schema_change": ("migrations/**",), "dependency": ("vendor/**", "!setup.py")}
    )
    assert categories(["migrations/1.sql"], policy) == ("schema_change",)
    assert categories(["vendor/a.py"], policy) == ("dependency",)
    assert categories(["setup.py"], policy) == ("dependency",)


def test_the_judge_is_what_the_policy_says() -> None:
    policy = Policy(judge=Judge(("spec/**",)))
    assert categories(["spec/a.py"], policy) == ("test_harness",)
    assert categories(["tests/a.py"], policy) == ()
