"""A repository that somebody prepared can neither make us wait for ever nor pass one ref off as another."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from autopack.errors import InvalidInput, Reason, ResourceExhausted
from autopack.gitstore import pack_format, packs
from autopack.gitstore.local_remote import LocalRemote
from autopack.gitstore.store import GitStore
from autopack.gitstore.url_remote import UrlRemote
from autopack.testing.repositories import AUTHOR


def git(path: Path, *arguments: str) -> str:
    identity = ["-c", f"user.name={AUTHOR.name}", "-c", f"user.email={AUTHOR.email}"]
    command = ["git", "-C", str(path), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for number in (1, 2):
        (path / "a.txt").write_text(f"{number}\n")
        git(path, "add", ".")
        git(path, "commit", "-q", "-m", f"commit {number}")
    return path


def instead(name: str) -> Callable[[Path], None]:
    """Puts a pipe in the place of a file of the git directory."""

    def make(directory: Path) -> None:
        place = directory / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        os.mkfifo(place)

    return make


def included(directory: Path) -> None:
    os.mkfifo(directory / "f")
    (directory / "more").write_text('[include] path = "f"\n')
    git(directory.parent, "config", "include.path", "more")


def excluded(directory: Path) -> None:
    os.mkfifo(directory / "f")
    git(directory.parent, "config", "core.excludesFile", str(directory / "f"))


def loose(directory: Path) -> None:
    instead(str(next(directory.glob("objects/??/*")).relative_to(directory)))(directory)


def whole(directory: Path) -> None:
    shutil.rmtree(directory)
    os.mkfifo(directory)


PIPES = {
    name: instead(name)
    for name in (
        "HEAD", "config", "packed-refs", "index", "commondir", "gitdir", "shallow", "refs/tags/main",
        "info/exclude", "info/grafts", "info/attributes", "objects/info/alternates",
        "objects/pack/multi-pack-index", "../.gitignore",
    )
} | {"include.path": included, "core.excludesFile": excluded, "an object": loose, ".git": whole}  # fmt: skip


def read_all(repository: Path) -> tuple[Reason, ...]:
    found = LocalRemote(repository).resolve("main")
    assert found is not None
    return found.notices


@pytest.mark.parametrize("kind", PIPES)
def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(repository: Path, kind: str) -> None:
    PIPES[kind](repository / ".git")
    with pytest.raises(InvalidInput) as refused:
        read_all(repository)
    assert refused.value.reasons[0].code == "PIPE_IN_REPOSITORY"


def test_a_socket_or_device_is_nothing_to_wait_for(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git's own file system monitor leaves a socket there."""
    import socket

    with socket.socket(socket.AF_UNIX) as monitor:
        monkeypatch.chdir(repository / ".git")  # its whole path may be too long for a socket's name
        monitor.bind("fsmonitor--daemon.ipc")
        git(repository, "config", "core.excludesFile", "/dev/null")
        assert read_all(repository) == ()


@pytest.mark.parametrize("remote", [LocalRemote, lambda path: UrlRemote(f"file://{path}", schemes=("file",))])
def test_a_name_of_two_refs_is_refused_unless_they_are_one_commit(
    repository: Path, remote: Callable[[Path], LocalRemote | UrlRemote]
) -> None:
    head, before = git(repository, "rev-parse", "main"), git(repository, "rev-parse", "main~1")
    for shadow, name in (("refs/tags/main", "main"), (f"refs/heads/{head}", head)):
        git(repository, "update-ref", shadow, before)
        with pytest.raises(InvalidInput) as refused:
            remote(repository).resolve(name)
        assert refused.value.reasons[0].code == "REVISION_AMBIGUOUS"
        git(repository, "update-ref", shadow, head)
        found = remote(repository).resolve(name)
        assert found is not None
        assert found.commit == head
    found = remote(repository).resolve("refs/heads/main")
    assert found is not None
    assert (found.commit, found.branch) == (head, "refs/heads/main")


def test_what_unpacks_to_very_much_is_not_read_into_memory(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blob of gigabytes is a pack of megabytes; here 65 MB stand for it."""

    def in_memory(*_: object) -> bytes:
        raise AssertionError("read into memory")

    (repository / "zeros").write_bytes(bytes(packs.SMALL_PACK_BYTES + 1))
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "zeros")
    store = GitStore.open(tmp_path / "store.git")
    head = git(repository, "rev-parse", "main")
    monkeypatch.setattr(pack_format, "write_pack", in_memory)
    with pytest.raises(ResourceExhausted) as refused:
        LocalRemote(repository).fetch(store, [head])
    assert refused.value.reasons[0].code == "PACK_TOO_LARGE"
