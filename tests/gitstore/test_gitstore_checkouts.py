"""Checkouts: files of trees on disk, byte for byte, kept within a budget."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_commit, make_tree


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def on_disk(directory: Path) -> dict[str, bytes | str]:
    """Path to contents, or to what the directory entry is."""
    found: dict[str, bytes | str] = {}
    for path in directory.rglob("*"):
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = path.read_bytes()
        elif not any(path.iterdir()):
            found[name] = "empty directory"
    return found


def test_files_are_written_as_they_are(store: GitStore, tmp_path: Path) -> None:
    files: Files = {
        ".gitattributes": b"* text eol=crlf filter=lfs ident\n",
        "a/b/text": b"one\n$Id$\ntwo\r\n",
        "binary": bytes(range(256)),
        "empty": b"",
        "run": (0o100755, b"#!/bin/sh\n"),
        "sub": (0o160000, b"\1" * 20),
        "caf\udce9": b"latin",
        "inside": (0o120000, b"a/b/text"),
        "a/up": (0o120000, b"../binary"),
        "outside": (0o120000, b"/etc/passwd"),
        "a/out": (0o120000, b"../../x"),
    }
    os.umask(0o077)
    try:
        store.checkout(make_tree(store, files), tmp_path / "out")
    finally:
        os.umask(0o022)

    assert on_disk(tmp_path / "out") == {
        ".gitattributes": b"* text eol=crlf filter=lfs ident\n",
        "a/b/text": b"one\n$Id$\ntwo\r\n",
        "binary": bytes(range(256)),
        "empty": b"",
        "run": b"#!/bin/sh\n",
        "sub": "empty directory",
        "caf\udce9": b"latin",
        "inside": "-> a/b/text",
        "a/up": "-> ../binary",
    }
    modes = {name: (tmp_path / "out" / name).stat().st_mode & 0o777 for name in ("empty", "run")}
    assert modes == {"empty": 0o644, "run": 0o755}


def test_two_checkouts_of_one_tree_are_alike_to_the_second(store: GitStore, tmp_path: Path) -> None:
    tree = make_tree(store, {"a": b"1", "d/b": b"2"})
    store.checkout(tree, tmp_path / "one")
    store.checkout(tree, tmp_path / "two")

    times = {(tmp_path / where / name).stat().st_mtime for where in ("one", "two") for name in ("a", "d/b")}
    assert times == {946684800.0}


def test_a_tree_is_checked_out_once(store: GitStore, tmp_path: Path) -> None:
    commit = make_commit(store, {"a": b"1"})
    checkouts = Checkouts(tmp_path / "checkouts", 1000)

    first = checkouts.get(store, commit)
    (first / "mark").touch()
    assert checkouts.get(store, store.commit_tree(commit)) == first
    assert Checkouts(tmp_path / "checkouts", 1000).get(store, commit) == first
    assert (first / "mark").exists()


def test_what_the_last_checkout_has_is_shared_with_it(store: GitStore, tmp_path: Path) -> None:
    one = make_tree(store, {"same": b"1", "changed": b"1", "mode": b"1", "gone": b"1", "kind": b"1"})
    two = make_tree(
        store,
        {"same": b"1", "changed": b"2", "mode": (0o100755, b"1"), "new": b"1", "kind/now": b"1"},
    )
    checkouts = Checkouts(tmp_path / "checkouts", 1000)
    first, second = checkouts.get(store, one), checkouts.get(store, two)

    assert on_disk(second) == {"same": b"1", "changed": b"2", "mode": b"1", "new": b"1", "kind/now": b"1"}
    assert (second / "same").samefile(first / "same")
    assert (first / "changed").read_bytes() == b"1"
    assert not (first / "mode").stat().st_mode & 0o100
    assert (second / "mode").stat().st_mode & 0o100


def test_what_was_not_used_for_longest_goes_first(store: GitStore, tmp_path: Path, clock: Clock) -> None:
    trees = [make_tree(store, {"a": b"%d" % number * 100}) for number in range(4)]
    checkouts = Checkouts(tmp_path / "checkouts", 250, keep_seconds=10, clock=clock)
    paths = []
    for tree in trees[:2]:
        paths.append(checkouts.get(store, tree))
        clock.now += 60
    checkouts.get(store, trees[0])
    clock.now += 60
    paths.append(checkouts.get(store, trees[2]))

    assert [path.exists() for path in paths] == [True, False, True]
    again = Checkouts(tmp_path / "checkouts", 250, keep_seconds=10, clock=clock)
    clock.now += 60
    again.get(store, trees[3])
    assert [path.exists() for path in paths] == [False, False, True]


def test_what_may_be_in_use_stays_over_the_budget(store: GitStore, tmp_path: Path, clock: Clock) -> None:
    trees = [make_tree(store, {"a": b"%d" % number * 100}) for number in range(5)]
    checkouts = Checkouts(tmp_path / "checkouts", 150, keep_seconds=3600, clock=clock)
    paths = [checkouts.get(store, tree) for tree in trees]

    assert all(path.exists() for path in paths)
    clock.now += 3601
    checkouts.get(store, make_tree(store, {"b": b"1"}))
    assert sum(path.exists() for path in paths) == 1


def test_what_a_crash_left_is_removed(store: GitStore, tmp_path: Path) -> None:
    rest = tmp_path / "checkouts" / "new-abc" / "files"
    rest.mkdir(parents=True)
    (rest / "a").touch()

    checkouts = Checkouts(tmp_path / "checkouts", 1000)
    assert not rest.exists()
    assert checkouts.get(store, make_tree(store, {"a": b"1"})).exists()


def test_many_threads_get_whole_checkouts(store: GitStore, tmp_path: Path) -> None:
    trees = [
        make_tree(store, {f"d{number % 7}/f{number}": b"%d" % (number + version) for number in range(60)})
        for version in range(4)
    ]
    checkouts = Checkouts(tmp_path / "checkouts", 1_000_000)
    barrier = threading.Barrier(8)
    faults: list[object] = []

    def get(number: int) -> None:
        barrier.wait()
        for step in range(8):
            tree = trees[(number + step) % len(trees)]
            found = checkouts.get(store, tree)
            expected = {entry.path: store.read_blob(entry.oid) for entry in store.entries(tree)}
            if on_disk(found) != expected:
                faults.append((number, step))

    threads = [threading.Thread(target=get, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sorted(path.name for path in (tmp_path / "checkouts").iterdir()) == sorted(trees)


PATHS = st.sampled_from(["a", "a/b", "a/b/c", "d", "d/e", "f"])
ITEM = st.one_of(
    st.sampled_from([b"1", b"2"]),
    st.just((0o100755, b"1")),
    st.sampled_from([(0o120000, b"f"), (0o120000, b"/x")]),
)
FILES = st.dictionaries(PATHS, ITEM, max_size=5).filter(
    lambda files: not any(one != two and two.startswith(one + "/") for one in files for two in files)
)


@settings(max_examples=40, deadline=None)
@given(versions=st.lists(FILES, min_size=2, max_size=4))
def test_a_linked_checkout_is_like_one_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, versions: list[Files]
) -> None:
    directory = tmp_path_factory.mktemp("linked")
    store = GitStore.open(directory / "store.git")
    checkouts = Checkouts(directory / "checkouts", 10_000)
    for number, files in enumerate(versions):
        tree = make_tree(store, files)
        found = checkouts.get(store, tree)
        store.checkout(tree, directory / str(number))
        assert on_disk(found) == on_disk(directory / str(number))
        modes = [
            {name: (place / name).lstat().st_mode for name in on_disk(place)}
            for place in (found, directory / str(number))
        ]
        assert modes[0] == modes[1]
