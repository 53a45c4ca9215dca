"""Categories of a change, found from its paths; what a plan declares only adds to them."""

from collections.abc import Iterable

from autopack.policy.paths import CI_FILES, LEDGERS, POLICY_FILES, matches_any_case
from autopack.policy.policy import Policy

DEPENDENCY_FILES = (
    "requirements*.txt",
    "requirements*.in",
    "requirements/**",
    "constraints*.txt",
    "*.lock",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "Pipfile",
    "environment.yml",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "bun.lockb",
    ".npmrc",
    "Cargo.toml",
    "go.mod",
    "go.sum",
    "Gemfile",
    "*.gemspec",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "gradle.properties",
    "libs.versions.toml",
)

_BUILT_IN = {"dependency": DEPENDENCY_FILES, "ci": CI_FILES, "policy": POLICY_FILES, "ledger": LEDGERS}


def categories(paths: Iterable[str], policy: Policy, declared: str = "") -> tuple[str, ...]:
    """Sorted names of all categories of a change to these canonical paths."""
    patterns: dict[str, tuple[tuple[str, ...], ...]] = {name: (globs,) for name, globs in _BUILT_IN.items()}
    patterns["test_harness"] = (policy.judge.paths,)
    for name, globs in policy.categories.items():
        patterns[name] = (*patterns.get(name, ()), globs)
    paths = tuple(paths)
    found = {
        name
        for name, alternatives in patterns.items()
        if any(globs and matches_any_case(globs, path) for globs in alternatives for path in paths)
    }
    return tuple(sorted(found | ({declared} if declared else set())))
