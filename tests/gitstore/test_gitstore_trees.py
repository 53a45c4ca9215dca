"""Trees compared, walked and edited: as git does it, for any two trees."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from autopack.gitstore import trees
from autopack.gitstore.records import FileChange, from_path
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_tree

PATHS = st.sampled_from(["a", "a.b", "a0", "a/b", "a/b/c", "a-b", "b", "d/\udcff", "é", "a/b.c"])
ITEMS = st.one_of(
    st.sampled_from([b"1", b"2"]),
    st.sampled_from([(0o100755, b"1"), (0o120000, b"1"), (0o160000, b"\1" * 20)]),
)
FILES = st.dictionaries(PATHS, ITEMS, max_size=6).filter(
    lambda files: not any(two.startswith(one + "/") for one in files for two in files)
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> GitStore:
    return GitStore.open(tmp_path_factory.mktemp("trees") / "store.git")


def git_diff_tree(path: Path, old: str, new: str) -> list[FileChange]:
    command = ["git", "--git-dir", str(path), "diff-tree", "-r", "-z", "--no-renames", old, new]
    fields = subprocess.run(command, check=True, capture_output=True).stdout.split(b"\0")
    changes = []
    for header, name in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, old_oid, new_oid, _ = header.decode().lstrip(":").split()
        changes.append(
            FileChange(
                name.decode(errors="surrogateescape"),
                int(old_mode, 8),
                int(new_mode, 8),
                old_oid if int(old_mode) else "",
                new_oid if int(new_mode) else "",
            )
        )
    return sorted(changes, key=lambda change: from_path(change.path))


@settings(max_examples=60, deadline=None)
@given(old=FILES, new=FILES)
def test_a_difference_is_what_git_says_and_leads_from_one_to_the_other(
    store: GitStore, old: Files, new: Files
) -> None:
    before, after = make_tree(store, old), make_tree(store, new)
    changes = store.diff(before, after)

    assert list(changes) == git_diff_tree(store.path, before, after)
    leaves = {
        from_path(change.path): (change.new_mode, bytes.fromhex(change.new_oid)) if change.new_mode else None
        for change in changes
    }
    assert trees.edit(store.read_tree, store.write_tree, bytes.fromhex(before), leaves).hex() == after
    assert {entry.path for entry in store.entries(after)} == new.keys()


def counted(store: GitStore) -> tuple[list[bytes], Callable[[bytes], tuple[tuple[bytes, bytes, bytes], ...]]]:
    read: list[bytes] = []

    def read_tree(oid: bytes) -> tuple[tuple[bytes, bytes, bytes], ...]:
        read.append(oid)
        return store.read_tree(oid)

    return read, read_tree


def test_trees_that_are_equal_are_not_read(store: GitStore) -> None:
    files = {f"d{number}/e/f": b"%d" % number for number in range(100)}
    before = bytes.fromhex(make_tree(store, files))
    after = bytes.fromhex(make_tree(store, {**files, "d7/e/f": b"x"}))

    read, read_tree = counted(store)
    assert len(trees.difference(read_tree, before, after, 10)) == 1
    assert len(read) == 6
    read.clear()
    trees.edit(read_tree, store.write_tree, before, {b"d7/e/g": (0o100644, bytes(20))})
    assert len(read) == 3


def test_a_file_in_the_place_of_a_directory_that_stays_is_refused(store: GitStore) -> None:
    tree = bytes.fromhex(make_tree(store, {"d/a": b"1", "d/b": b"1"}))

    with pytest.raises(InvalidInput, match="PATH_IS_DIRECTORY"):
        trees.edit(store.read_tree, store.write_tree, tree, {b"d": (0o100644, bytes(20)), b"d/a": None})
