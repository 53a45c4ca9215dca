"""`autopack gate` on any two commits of any repository: shallow, detached, bare, one of many work trees."""

import json
from pathlib import Path
from typing import Any

import pytest

PROJECT = {
    "autopack.yaml": "version: 1\nchecks: [{name: tests, run: 'grep -q 4 a', reports: none}]\n",
    "a": "4\n",
}


@pytest.fixture
def commits(repository: Any) -> tuple[str, str]:
    """Two commits, and one between them."""
    first = repository.commit(PROJECT, "first")
    repository.commit({"b": "1\n"}, "second")
    return first, repository.commit({"a": "4, as before\n"}, "third")


def gate(autopack: Any, repo: Path, base: str, head: str) -> Any:
    return autopack("gate", "--repo", str(repo), "--base", base, "--head", head, "--json")


def test_with_a_fresh_home_and_a_detached_head(autopack: Any, repository: Any, commits: Any) -> None:
    repository.git("checkout", "-q", "--detach")
    ended = gate(autopack, repository.path, commits[0], "HEAD")
    assert (ended.code, ended.json["verdict"]) == (0, "ACCEPT"), ended.stderr
    assert ended.json["tree"] == repository.git("rev-parse", f"{commits[1]}^{{tree}}")


def test_in_a_bare_repository_and_in_a_work_tree_beside_others(
    autopack: Any, repository: Any, commits: Any, tmp_path: Path
) -> None:
    repository.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    repository.git("worktree", "add", "-q", "--detach", str(tmp_path / "beside"), "HEAD")
    for place in (tmp_path / "bare.git", tmp_path / "beside"):
        ended = gate(autopack, place, commits[0], commits[1])
        assert (ended.code, ended.json["verdict"]) == (0, "ACCEPT"), ended.stderr


def test_a_shallow_clone_says_that_it_is_one_and_how_to_mend_it(
    autopack: Any, repository: Any, commits: Any, tmp_path: Path
) -> None:
    shallow = tmp_path / "shallow"
    repository.git("clone", "-q", "--depth=1", f"file://{repository.path}", str(shallow))
    for base in (commits[0], commits[0][:12], "HEAD~2", "main~1"):
        ended = gate(autopack, shallow, base, "HEAD")
        assert (ended.code, ended.json["error"]["code"]) == (2, "SHALLOW_REPOSITORY")
        assert "git fetch --unshallow" in ended.json["error"]["fix"]
    # Both commits are there, and nothing that leads from one to the other.
    repository.git("-C", str(shallow), "fetch", "-q", "--depth=1", "origin", commits[0])
    ended = gate(autopack, shallow, commits[0], "HEAD")
    assert (ended.code, ended.json["error"]["code"]) == (2, "SHALLOW_REPOSITORY")
    repository.git("-C", str(shallow), "fetch", "-q", "--unshallow")
    assert gate(autopack, shallow, commits[0], "HEAD").code == 0


@pytest.mark.parametrize(
    "revision", ["--help", "--output=x", "-n1", "--upload-pack=touch /tmp/x", "a\nb", ""]
)
def test_a_revision_is_never_an_option(
    autopack: Any, repository: Any, commits: Any, revision: str, tmp_path: Path
) -> None:
    ended = autopack("gate", "--repo", ".", f"--base={revision}", "--head=HEAD", "--json")
    assert ended.code == 2
    assert json.loads(ended.stdout)["error"]["code"] in ("REVISION_NOT_FOUND", "REQUEST_INVALID", "USAGE")
