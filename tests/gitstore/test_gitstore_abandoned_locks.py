"""A process that is killed while it has refs locked does not keep those after it from moving them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autopack.errors import FailedPrecondition
from autopack.gitstore.store import GitStore, Signature

REF = "refs/heads/main"
LOCKS_AND_DIES = """
import os, signal, sys
from autopack.gitstore import refs
from autopack.gitstore.libgit2 import open_repository
from pathlib import Path
with refs.locked(open_repository(Path(sys.argv[1])), [("refs/heads/main", sys.argv[2], "")]):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@pytest.fixture
def commit(store: GitStore) -> str:
    tree = store.write_tree(b"").hex()
    return store.commit(tree=tree, parents=[], message="first", author=Signature("a", "a@localhost", 0))


def lock_of(store: GitStore) -> Path:
    return store.path / f"{REF}.lock"


def test_a_lock_of_a_killed_process_is_taken_away(store: GitStore, commit: str) -> None:
    command = [sys.executable, "-c", LOCKS_AND_DIES, str(store.path), commit]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert lock_of(store).exists()

    store.update_refs([(REF, commit, "")])

    assert store.resolve(REF) == commit
    assert not lock_of(store).exists()


def test_a_lock_that_was_written_but_not_renamed_is_taken_away(store: GitStore, commit: str) -> None:
    lock_of(store).write_text(f"{commit}\n")

    store.update_refs([(REF, commit, "")])

    assert store.resolve(REF) == commit


def test_a_lock_that_somebody_has_open_stays(store: GitStore, commit: str) -> None:
    with lock_of(store).open("w"), pytest.raises(FailedPrecondition, match="REF_MOVED"):
        store.update_refs([(REF, commit, "")])
    assert lock_of(store).exists()


def test_a_lock_that_git_has_written_stays_though_git_has_closed_it(store: GitStore, commit: str) -> None:
    lock_of(store).write_text(f"{'1' * 40}\n")

    with pytest.raises(FailedPrecondition, match="REF_MOVED"):
        store.update_refs([(REF, commit, "")])
    assert lock_of(store).exists()


def test_a_lock_that_is_a_link_stays(store: GitStore, commit: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.touch()
    os.symlink(target, lock_of(store))

    with pytest.raises(FailedPrecondition, match="REF_MOVED"):
        store.update_refs([(REF, commit, "")])
    assert target.exists()
