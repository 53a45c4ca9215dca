"""`autopack init`: finds the test runner, writes what is missing, overwrites nothing."""

from pathlib import Path
from typing import Any

import pytest

from autopack.ledger.document import parse
from autopack.ledger.entry import LEDGERS
from autopack.policy.policy import load_policy

WRITTEN = {
    "autopack.yaml",
    "docs/BUILD_HISTORY.md",
    "docs/DEBUG_LOG.md",
    "docs/ARCHITECTURE_DECISIONS.md",
    "docs/INDEX.md",
    "docs/CHANGELOG.md",
    ".github/workflows/autopack.yml",
    ".github/workflows/autopack-contracts.yml",
    ".github/actions/autopack/action.yml",
    ".githooks/pre-commit",
}


def test_everything_is_written_and_what_to_commit_is_said(invoke: Any, repository: Any) -> None:
    ended = invoke("init", "--repo", str(repository.path))
    assert ended.code == 0
    tracked = repository.git("status", "--porcelain", "-uall").splitlines()
    assert {line.split()[1] for line in tracked} == WRITTEN
    assert "git -C" in ended.stdout
    assert "Adopt Autopack" in ended.stdout


def test_the_policy_and_the_ledgers_are_valid(invoke: Any, repository: Any) -> None:
    invoke("init", "--repo", str(repository.path))
    policy = load_policy((repository.path / "autopack.yaml").read_text())
    assert policy.project == "repository"
    for kind, ledger in LEDGERS.items():
        assert parse(kind, (repository.path / ledger.path).read_text()).entries == ()


def test_what_exists_is_kept(invoke: Any, repository: Any) -> None:
    repository.write({"autopack.yaml": "version: 1\n", "docs/INDEX.md": "mine\n"})
    document = invoke("init", "--repo", str(repository.path), "--json").json
    assert document["schema"] == "init/v1alpha1"
    assert set(document["kept"]) == {"autopack.yaml", "docs/INDEX.md"}
    assert (repository.path / "docs/INDEX.md").read_text() == "mine\n"
    again = invoke("init", "--repo", str(repository.path), "--json").json
    assert (again["written"], again["next"]) == ([], [])


def test_it_works_from_a_directory_below(invoke: Any, repository: Any) -> None:
    below = repository.path / "src" / "deep"
    below.mkdir(parents=True)
    invoke("init", "--repo", str(below))
    assert (repository.path / "autopack.yaml").is_file()


def test_a_link_out_of_the_repository_is_not_followed(invoke: Any, repository: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (repository.path / "docs").symlink_to(outside)
    ended = invoke("init", "--repo", str(repository.path), "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "PATH_ESCAPES")
    assert list(outside.iterdir()) == []


def test_a_directory_that_is_no_repository_is_told(invoke: Any, tmp_path: Path) -> None:
    ended = invoke("init", "--repo", str(tmp_path), "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "NOT_A_REPOSITORY")
    assert (
        invoke("init", "--repo", str(tmp_path / "no"), "--json").json["error"]["code"]
        == "REPOSITORY_NOT_FOUND"
    )


def test_a_bare_repository_is_told(invoke: Any, repository: Any) -> None:
    repository.git("config", "core.bare", "true")
    ended = invoke("init", "--repo", str(repository.path), "--json")
    assert ended.code == 2


@pytest.mark.parametrize(
    ("files", "run", "reports"),
    [
        ({"pytest.ini": ""}, "python -m pytest -q", "pytest"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python -m pytest -q", "pytest"),
        ({"requirements.txt": "pytest==8\n"}, "python -m pytest -q", "pytest"),
        ({"tests/test_a.py": "def test_a():\n    pass\n"}, "python -m pytest -q", "pytest"),
        ({"tests/test_a.py": "import unittest\n"}, "python -m unittest discover -s tests", "unittest"),
        ({"test_a.py": "import unittest\n"}, "python -m unittest discover", "unittest"),
        ({"tox.ini": "[tox]\n"}, "tox -q", "none"),
        ({"package.json": '{"scripts": {"test": "vitest run"}}'}, "npm test", "none"),
        ({"go.mod": "module x\n"}, "go test ./...", "none"),
        ({"Cargo.toml": "[package]\n"}, "cargo test", "none"),
        ({"Makefile": "all:\n\ntest: all\n\t./run\n"}, "make test", "none"),
        ({"Makefile": "check:\n\t./run\n"}, "make check", "none"),
    ],
)
def test_the_test_runner_is_found(
    invoke: Any, repository: Any, files: dict[str, str], run: str, reports: str
) -> None:
    repository.write(files)
    document = invoke("init", "--repo", str(repository.path), "--json").json
    assert (document["runner"]["run"], document["runner"]["reports"]) == (run, reports)
    (check,) = load_policy((repository.path / "autopack.yaml").read_text()).checks
    assert (check.run, check.reports) == (run, reports)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"package.json": "not json"},
        {"package.json": '{"scripts": {"test": 7}}'},
        {"pyproject.toml": "[broken"},
        {"Makefile": "test := 1\n"},
    ],
)
def test_where_no_runner_is_found_that_is_said(invoke: Any, repository: Any, files: dict[str, str]) -> None:
    repository.write(files)
    ended = invoke("init", "--repo", str(repository.path))
    assert "NO_CHECKS" in ended.stdout
    assert load_policy((repository.path / "autopack.yaml").read_text()).checks == ()
