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


CI_TEXT = """\
# Judges every pull request by the policy of its base branch.
name: autopack
on: pull_request
permissions:
  contents: read
jobs:
  gate:
    runs-on: ubuntu-latest
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
      # Where your Autopack comes from is yours to say, once, as a repository variable:
      # a pinned version of your index, a wheel's URL, or git+https://...@COMMIT.
      - name: Install Autopack
        env:
          REQUIREMENT: ${{ vars.AUTOPACK_REQUIREMENT }}
        run: |
          test -n "$REQUIREMENT" || { echo "set the repository variable AUTOPACK_REQUIREMENT" >&2; exit 4; }
          python -m pip install "$REQUIREMENT"
      - name: Gate
        env:
          BASE: ${{ github.event.pull_request.base.sha }}
        run: |
          status=0
          autopack gate --repo . --base "$BASE" --head HEAD --sarif autopack.sarif || status=$?
          if test "$status" = 3 && ! git cat-file -e "$BASE:autopack.yaml" 2>/dev/null; then
            echo "::notice::The first policy: who merges this pull request approves of it."
            exit 0
          fi
          exit "$status"
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: autopack-findings
          path: autopack.sarif
          if-no-files-found: ignore
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
