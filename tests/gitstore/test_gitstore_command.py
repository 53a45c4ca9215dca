"""The git command: nothing of the machine's configuration, bounded time."""

import os
from pathlib import Path

import pytest

from autopack.errors import Unavailable
from autopack.gitstore import command
from autopack.gitstore.command import GitFailed, run_git, stream_git
from autopack.gitstore.store import GitStore


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def test_what_git_prints_is_returned(store: GitStore) -> None:
    oid = store.write_blob(b"text\n")

    assert run_git(["cat-file", "--batch-check"], git_dir=store.path, stdin=oid.encode()) == (
        f"{oid} blob 5\n".encode()
    )
    assert b"".join(stream_git(["cat-file", "--batch"], git_dir=store.path, stdin=oid.encode())) == (
        f"{oid} blob 5\ntext\n\n".encode()
    )


def test_a_failure_has_the_status_and_the_words(store: GitStore) -> None:
    with pytest.raises(GitFailed, match="Not a valid object name") as caught:
        run_git(["cat-file", "-p", "--end-of-options", "nothing"], git_dir=store.path)
    assert caught.value.status == 128
    with pytest.raises(GitFailed, match="Not a valid object name"):
        list(stream_git(["cat-file", "-p", "nothing"], git_dir=store.path, stdin=b""))


def test_the_machines_configuration_and_variables_are_not_seen(
    store: GitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Eve\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Eve")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere")

    with pytest.raises(GitFailed):
        run_git(["config", "user.name"], git_dir=store.path)
    listed = run_git(["config", "--list", "--show-scope"], git_dir=store.path).decode()
    assert {line.split()[0] for line in listed.splitlines()} == {"local", "command"}


def test_one_who_takes_too_long_is_stopped(store: GitStore) -> None:
    reading, writing = os.pipe()
    with (
        os.fdopen(reading, "rb") as never,
        os.fdopen(writing),
        pytest.raises(Unavailable, match="GIT_TIMEOUT"),
    ):
        run_git(["cat-file", "--batch"], git_dir=store.path, stdin=never, timeout=0.05)


def test_nobody_reads_on_and_git_ends(store: GitStore) -> None:
    oids = [store.write_blob(os.urandom(400_000)) for _ in range(4)]
    output = stream_git(["cat-file", "--batch"], git_dir=store.path, stdin="\n".join(oids).encode())

    assert next(iter(output))
    assert hasattr(output, "close")
    output.close()
    assert "git" not in _children()


def test_a_machine_without_git_is_told_so(store: GitStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command._ENVIRONMENT, "PATH", "/nowhere")

    with pytest.raises(Unavailable, match="GIT_MISSING"):
        run_git(["version"], git_dir=store.path)
    with pytest.raises(Unavailable, match="GIT_MISSING"):
        list(stream_git(["version"], git_dir=store.path, stdin=b""))


def _children() -> set[str]:
    """Names of the programs that this process has started and not yet buried."""
    stats = [stat.read_text() for stat in Path("/proc").glob("[0-9]*/stat") if stat.exists()]
    fields = [(stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :]) for stat in stats]
    return {name for name, rest in fields if int(rest.split()[1]) == os.getpid()}
