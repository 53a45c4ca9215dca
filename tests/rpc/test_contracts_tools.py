"""The checks of the contracts find what they are there to find."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LEDGER = "protos/autopack/api/ledger/v1/ledger.proto"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with the contracts, of which a revision before them is tagged `before`."""
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "before")
    git(tmp_path, "tag", "before")
    shutil.copytree(ROOT / "protos", tmp_path / "protos", ignore=shutil.ignore_patterns("__pycache__"))
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "contracts")
    return tmp_path


def git(tree: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(tree), *identity, *arguments], check=True)


def run(tree: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of one of the tools."""
    done = subprocess.run([sys.executable, *arguments], cwd=tree, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def edit(tree: Path, old: str, new: str) -> None:
    text = (tree / LEDGER).read_text()
    assert old in text
    (tree / LEDGER).write_text(text.replace(old, new))


def test_code_that_is_not_fresh_is_named(tree: Path) -> None:
    assert run(tree, "protos/generate.py")[0] == 0
    assert run(tree, "protos/generate.py", "--check")[0] == 0
    changed, left = tree / "autopack/api/ledger/v1/ledger_pb2.py", tree / "autopack/api/old/v1/old_pb2.py"
    changed.write_text("# by hand\n")
    left.parent.mkdir(parents=True)
    left.touch()
    (tree / "autopack/api/ledger/v1/ledger_pb2.pyi").unlink()
    code, output = run(tree, "protos/generate.py", "--check")
    assert code == 1
    for name in ("ledger_pb2.py,", "ledger_pb2.pyi", "old/v1/old_pb2.py"):
        assert name in output
    assert "ledger/v1/__init__.py" not in output


def test_a_contract_that_breaks_clients_is_found(tree: Path) -> None:
    assert run(tree, "protos/breaking.py", "--against", "HEAD") == (0, "")
    edit(tree, "string title = ", "string headline = ")
    code, output = run(tree, "protos/breaking.py", "--against", "HEAD")
    assert code != 0
    assert 'from "title" to "headline"' in output


def test_a_revision_without_contracts_is_skipped_and_said(tree: Path) -> None:
    code, output = run(tree, "protos/breaking.py", "--against", "before")
    assert (code, output) == (0, "skipped: revision before has no contracts yet\n")


@pytest.mark.parametrize("revision", ["nothing", "--help-me"])
def test_a_revision_that_is_not_there_is_not_skipped(tree: Path, revision: str) -> None:
    code, output = run(tree, "protos/breaking.py", f"--against={revision}")
    assert code == 1
    assert revision in output


def test_a_layout_that_is_not_bufs_is_shown(tree: Path) -> None:
    edit(tree, "  string title", "    string title")
    code, output = run(tree, "protos/lint.py")
    assert code == 1
    assert "-    string title" in output


def test_a_field_without_a_comment_is_found(tree: Path) -> None:
    text = (tree / LEDGER).read_text().splitlines(keepends=True)
    place = next(number for number, line in enumerate(text) if "string title" in line)
    (tree / LEDGER).write_text("".join(text[: place - 1] + text[place:]))
    code, output = run(tree, "protos/lint.py")
    assert code == 1
    assert 'Field "title" should have a non-empty comment' in output
