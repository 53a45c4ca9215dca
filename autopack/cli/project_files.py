"""What `autopack init` writes into a repository: its policy, its ledgers and its CI file."""

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autopack.ledger import document
from autopack.ledger.derived import render_derived
from autopack.ledger.entry import LEDGERS
from autopack.policy.policy import DEFAULT_POLICY

CI_PATH = ".github/workflows/autopack.yml"
ACTION_PATH = ".github/actions/autopack/action.yml"
CONTRACTS_PATH = ".github/workflows/autopack-contracts.yml"
HOOK_PATH = ".githooks/pre-commit"
READ_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Runner:
    """How a repository runs its tests."""

    run: str
    reports: str
    judge: tuple[str, ...]
    found: str
    """What told us."""


def find_runner(root: Path) -> Runner | None:
    """The test runner that the repository's own files name; None where none does."""
    return next(filter(None, (find(root) for find in _FINDERS)), None)


def policy_text(root: Path, runner: Runner | None) -> str:
    """autopack.yaml for the repository."""
    # JSON strings are YAML strings, whatever is in them.
    lines = [
        "# The policy: what may change, what decides, what needs a person.",
        "# It counts once it is committed, and a change to it governs the next run.",
        "version: 1",
        f"project: {json.dumps(root.name, ensure_ascii=False)}",
        'paths: {allow: ["**"], protect: []}',
    ]
    if runner is not None:
        check = f"name: tests, run: {json.dumps(runner.run)}, reports: {runner.reports}, timeout: 600"
        lines += [f"checks: [{{{check}}}]", f"judge: {{paths: {json.dumps(list(runner.judge))}}}"]
    else:
        lines += [
            "# No test runner was found, and without a check nothing is accepted (NO_CHECKS). For example:",
            '# checks: [{name: tests, run: "python -m pytest -q", reports: pytest, timeout: 600}]',
            "checks: []",
        ]
    if (root / "requirements.txt").is_file():
        lines += [
            "# Where the tests need the packages of requirements.txt:",
            '# environment: {setup: "python -m venv .venv && .venv/bin/pip install -r requirements.txt",',
            "#   inputs: [requirements.txt], path: [.venv/bin], network: true}",
        ]
    lines += [
        f"approvals: {{categories: [{', '.join(DEFAULT_POLICY.approvals.categories)}]}}",
        "audit: {block_at: high}",
        "budget: {attempts: 3, seconds: 900, tokens: 500000}",
    ]
    return "\n".join(lines) + "\n"


def ledger_texts() -> dict[str, str]:
    """The empty ledgers, docs/INDEX.md and docs/CHANGELOG.md, by path."""
    ledgers = {kind: document.empty(kind) for kind in LEDGERS}
    texts = {LEDGERS[kind].path: document.render(ledger) for kind, ledger in ledgers.items()}
    return texts | render_derived(lambda _: None, ledgers)


_GITHUB = Path(__file__).parent / "github"
CI_TEXT = (_GITHUB / "workflow.yml").read_text()
ACTION_TEXT = (_GITHUB / "action.yml").read_text()
"""The same as `action.yml` at the root of Autopack's own repository."""


CONTRACTS_TEXT = """\
# Checks over the whole history that ledgers only grow and that all they name is there.
name: autopack contracts
on: [push, pull_request]
permissions:
  contents: read
jobs:
  contracts:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      # The check needs nothing but git and Python, so none of Autopack's own dependencies.
      - name: Install Autopack
        env:
          REQUIREMENT: ${{ vars.AUTOPACK_REQUIREMENT }}
        run: |
          test -n "$REQUIREMENT" || { echo "set the repository variable AUTOPACK_REQUIREMENT" >&2; exit 4; }
          python -m pip install --no-deps "$REQUIREMENT"
      - name: Contracts
        run: python -m autopack.ledger
"""

HOOK_TEXT = """\
#!/bin/sh
# Refuses a commit that breaks what the ledgers promise.
# It is in use once `git config core.hooksPath .githooks` says so.
if command -v autopack >/dev/null; then
  exec autopack contracts check --staged
fi
exec python3 -m autopack.ledger --staged
"""


def _pytest(root: Path) -> Runner | None:
    judge = ("tests/**", "test_*.py", "*_test.py", "conftest.py", "pytest.ini", "tox.ini", "Makefile")
    if (root / "pytest.ini").is_file() or (root / "conftest.py").is_file():
        return Runner("python -m pytest -q", "pytest", judge, "pytest.ini or conftest.py")
    if "pytest" in _toml(root / "pyproject.toml").get("tool", {}):
        return Runner("python -m pytest -q", "pytest", judge, "pyproject.toml")
    for name in ("requirements.txt", "requirements-dev.txt", "requirements-test.txt", "setup.cfg"):
        if re.search(r"^\s*(\[tool:)?pytest\b", _text(root / name), re.MULTILINE):
            return Runner("python -m pytest -q", "pytest", judge, name)
    tests = _python_tests(root)
    if any(
        re.search(r"^\s*(import pytest|from pytest\b)|^def test_", _text(path), re.MULTILINE)
        for path in tests
    ):
        return Runner("python -m pytest -q", "pytest", judge, "test functions")
    return None


def _unittest(root: Path) -> Runner | None:
    found = next((path for path in _python_tests(root) if "unittest" in _text(path)), None)
    if found is None:
        return None
    directory = found.parent.relative_to(root)
    where = "" if directory == Path() else f" -s {directory}"
    return Runner(
        f"python -m unittest discover{where}",
        "unittest",
        ("tests/**", "test/**", "test_*.py"),
        str(found.name),
    )


def _tox(root: Path) -> Runner | None:
    if not (root / "tox.ini").is_file():
        return None
    return Runner("tox -q", "none", ("tests/**", "tox.ini"), "tox.ini")


def _npm(root: Path) -> Runner | None:
    try:
        script = json.loads(_text(root / "package.json") or "{}").get("scripts", {}).get("test", "")
    except (ValueError, AttributeError):
        return None
    if not isinstance(script, str) or not script or "no test specified" in script:
        return None
    judge = ("test/**", "tests/**", "__tests__/**", "*.test.*", "*.spec.*", "package.json")
    return Runner("npm test", "none", judge, "package.json")


def _go(root: Path) -> Runner | None:
    return (
        Runner("go test ./...", "none", ("*_test.go", "testdata/**"), "go.mod")
        if _has(root, "go.mod")
        else None
    )


def _cargo(root: Path) -> Runner | None:
    return Runner("cargo test", "none", ("tests/**",), "Cargo.toml") if _has(root, "Cargo.toml") else None


def _make(root: Path) -> Runner | None:
    for name in ("Makefile", "makefile", "GNUmakefile"):
        for target in ("test", "check"):
            if re.search(rf"^{target}\s*:(?!=)", _text(root / name), re.MULTILINE):
                return Runner(f"make {target}", "none", ("tests/**", "test/**", name), name)
    return None


_FINDERS: tuple[Callable[[Path], Runner | None], ...] = (_pytest, _unittest, _tox, _npm, _go, _cargo, _make)


def _python_tests(root: Path) -> list[Path]:
    places = [root, *(root / name for name in ("tests", "test", "src"))]
    found = [path for place in places for path in sorted(place.glob("test_*.py"))]
    return [*found, *sorted(root.glob("tests/*/test_*.py"))][:200]


def _has(root: Path, name: str) -> bool:
    return (root / name).is_file()


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(READ_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError:
        return {}
