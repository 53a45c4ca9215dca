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
    ],
)
def test_built_in_categories_are_found_in_any_case(path: str, category: str) -> None:
    assert categories(["src/a.py", path], DEFAULT_POLICY) == (category,)


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
