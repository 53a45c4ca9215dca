"""GitStore: objects, commits and refs of a bare repository."""

import subprocess
import threading
import weakref
from pathlib import Path

import pytest

from autopack.errors import FailedPrecondition, InvalidInput, NotFound
from autopack.gitstore.records import FileChange, Signature, TreeEntry
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import AUTHOR, make_commit, make_tree


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def git(store: GitStore, *arguments: str) -> str:
    return subprocess.run(
        ["git", "--git-dir", str(store.path), *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_a_store_is_a_sound_bare_repository_for_git(store: GitStore) -> None:
    commit = make_commit(store, {"a/b.txt": b"hello\n", "run.sh": (0o100755, b"#!/bin/sh\n")})
    store.update_refs([("refs/heads/main", commit, "")])

    git(store, "fsck", "--strict")
    assert git(store, "ls-tree", "-r", "--format=%(objectmode) %(path)", "main") == (
        "100644 a/b.txt\n100755 run.sh\n"
    )


def test_equal_arguments_give_a_commit_of_equal_bytes(store: GitStore, tmp_path: Path) -> None:
    other = GitStore.open(tmp_path / "other.git")
    commits = {
        make_commit(place, {"a": b"1"}, message=message)
        for place in (store, other)
        for message in ("one line", "one line\n\n", "one line  \r\n")
    }

    assert len(commits) == 1
    assert git(store, "cat-file", "-p", commits.pop()).split("\n", 1)[1] == (
        "author Ada <ada@example.org> 1700000000 +0000\n"
        "committer Ada <ada@example.org> 1700000000 +0000\n"
        "\n"
        "one line\n"
    )


def test_a_commit_cannot_smuggle_header_lines_in_a_name(store: GitStore) -> None:
    tree = make_tree(store, {"a": b"1"})
    author = Signature("Ada\nparent 1 <x>", "a>b", 5)
    commit = store.commit(tree=tree, parents=(), message="m\0\nauthor x", author=author)

    assert store.parents(commit) == ()
    assert store.message(commit) == "m\nauthor x\n"
    git(store, "fsck", "--strict")


def test_a_commit_of_a_tree_that_is_not_there_is_refused(store: GitStore) -> None:
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        store.commit(tree="1" * 40, parents=(), message="m", author=AUTHOR)


def test_entries_come_recursively_in_the_order_of_paths(store: GitStore) -> None:
    commit = make_commit(store, {"b.txt": b"", "b/x": b"", "b/y/z": b"", "b0": b"", "a": b""})

    assert [entry.path for entry in store.entries(commit)] == ["a", "b.txt", "b/x", "b/y/z", "b0"]
    assert [entry.path for entry in store.entries(commit, "b/y")] == ["b/y/z"]
    assert list(store.entries(commit, "none")) == []


def test_names_that_are_not_utf8_come_back_unchanged(store: GitStore) -> None:
    commit = make_commit(store, {"caf\udce9": b"1"})

    assert [entry.path for entry in store.entries(commit)] == ["caf\udce9"]
    assert store.read(commit, "caf\udce9") == b"1"


def test_read_gives_a_file_and_none_where_there_is_nothing(store: GitStore) -> None:
    commit = make_commit(store, {"a/b": b"1", "link": (0o120000, b"a/b")})

    assert store.read(commit, "a/b") == b"1"
    assert store.read(commit, "a/none") is None
    assert store.read(commit, "a/b/below") is None
    for path in ("a", "link"):
        with pytest.raises(InvalidInput, match="NOT_A_FILE"):
            store.read(commit, path)


def test_read_refuses_what_is_over_the_limit(store: GitStore) -> None:
    commit = make_commit(store, {"a": b"12345"})

    assert store.read(commit, "a", limit=5) == b"12345"
    with pytest.raises(InvalidInput, match="FILE_TOO_LARGE"):
        store.read(commit, "a", limit=4)


def test_diff_names_each_path_that_differs(store: GitStore) -> None:
    old = make_tree(store, {"same/x": b"1", "d/gone": b"1", "mode": b"1", "file": b"1"})
    new = make_tree(store, {"same/x": b"1", "mode": (0o100755, b"1"), "file/now/dir": b"1"})
    one = store.write_blob(b"1")

    assert store.diff(old, new) == (
        FileChange("d/gone", 0o100644, 0, one, ""),
        FileChange("file", 0o100644, 0, one, ""),
        FileChange("file/now/dir", 0, 0o100644, "", one),
        FileChange("mode", 0o100644, 0o100755, one, one),
    )
    assert store.diff(new, new) == ()


def test_ids_that_are_none_are_refused(store: GitStore) -> None:
    for oid in ("", "HEAD", "--all", "1" * 39, "g" * 40):
        with pytest.raises(InvalidInput, match="OBJECT_ID_INVALID"):
            store.has(oid)
    with pytest.raises(NotFound):
        store.commit_tree("1" * 40)


def test_is_ancestor_follows_history_as_far_as_it_is_here(store: GitStore) -> None:
    first = make_commit(store, {"a": b"1"}, "1" * 40)
    second = make_commit(store, {"a": b"2"}, first)
    third = make_commit(store, {"a": b"3"}, second)

    assert store.is_ancestor(first, third)
    assert store.is_ancestor(third, third)
    assert not store.is_ancestor(third, first)


def test_update_refs_moves_all_or_none(store: GitStore) -> None:
    one, two = make_commit(store, {"a": b"1"}), make_commit(store, {"a": b"2"})
    store.update_refs([("refs/heads/a", one, ""), ("refs/heads/b", one, "")])

    with pytest.raises(FailedPrecondition, match="REF_MOVED"):
        store.update_refs([("refs/heads/a", two, one), ("refs/heads/b", two, two)])
    assert store.refs("refs/heads/") == {"refs/heads/a": one, "refs/heads/b": one}

    store.update_refs([("refs/heads/a", two, one), ("refs/heads/b", "", one)])
    assert store.refs("refs/heads/") == {"refs/heads/a": two}
    assert store.resolve("refs/heads/b") is None
    assert git(store, "for-each-ref", "--format=%(refname) %(objectname)") == f"refs/heads/a {two}\n"


@pytest.mark.parametrize("pack", [False, True])
def test_a_ref_is_not_made_above_or_below_another(store: GitStore, pack: bool) -> None:
    commit = make_commit(store, {"a": b"1"})
    store.update_refs([("refs/heads/a", commit, ""), ("refs/heads/b/c", commit, "")])
    if pack:
        git(store, "pack-refs", "--all")

    for ref in ("refs/heads/a/x", "refs/heads/b"):
        with pytest.raises(FailedPrecondition, match="REF_MOVED"):
            store.update_refs([(ref, commit, "")])
    assert list(store.refs("refs/")) == ["refs/heads/a", "refs/heads/b/c"]


@pytest.mark.parametrize("ref", ["HEAD", "refs/heads/../x", "refs/heads/a..b", "refs/heads/a\nb", "--all"])
def test_names_that_are_no_refs_are_refused(store: GitStore, ref: str) -> None:
    commit = make_commit(store, {"a": b"1"})

    with pytest.raises(InvalidInput, match="REF_INVALID"):
        store.update_refs([(ref, commit, "")])
    assert store.resolve(ref) is None


def test_a_ref_that_git_holds_is_not_moved(store: GitStore) -> None:
    commit = make_commit(store, {"a": b"1"})
    lock = store.path / "refs/heads/main.lock"
    with lock.open("w"), pytest.raises(FailedPrecondition, match="REF_MOVED"):
        store.update_refs([("refs/heads/other", commit, ""), ("refs/heads/main", commit, "")])
    assert store.refs("refs/") == {}
    assert list((store.path / "refs/heads").iterdir()) == [lock]


def test_of_many_who_move_one_ref_at_once_one_succeeds(store: GitStore) -> None:
    commits = [make_commit(store, {"a": b"%d" % number}) for number in range(8)]
    moved: list[str] = []
    barrier = threading.Barrier(len(commits))

    def move(commit: str) -> None:
        own = GitStore.open(store.path)
        barrier.wait()
        try:
            own.update_refs([("refs/heads/main", commit, "")])
        except FailedPrecondition:
            return
        moved.append(commit)

    threads = [threading.Thread(target=move, args=(commit,)) for commit in commits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert moved == [store.resolve("refs/heads/main")]


def test_opening_one_store_at_once_makes_it_once(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/store.git"
    barrier = threading.Barrier(8)
    stores: list[GitStore] = []

    def open_store() -> None:
        barrier.wait()
        stores.append(GitStore.open(path))

    threads = [threading.Thread(target=open_store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    blob = stores[0].write_blob(b"1")
    assert len(stores) == 8
    assert all(store.has(blob) for store in stores)
    assert [item.name for item in path.parent.iterdir()] == ["store.git"]


def test_the_configuration_of_machine_and_user_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[core]\n\tautocrlf = true\n[user]\n\tname = Eve\n[bogus\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    store = GitStore.open(tmp_path / "store.git")
    tree = make_tree(store, {"a": b"1\n"})

    assert store.commit(tree=tree, parents=(), message="m", author=AUTHOR)
    assert list(store.entries(tree)) == [TreeEntry("a", 0o100644, store.write_blob(b"1\n"))]


def test_a_tree_that_unfolds_without_end_is_refused(store: GitStore) -> None:
    blob = bytes.fromhex(store.write_blob(b""))
    tree = store.write_tree(b"".join(b"100644 %d\0%b" % (name, blob) for name in range(10)))
    for _ in range(30):
        tree = store.write_tree(b"".join(b"40000 %d\0%b" % (name, tree) for name in range(10)))
    empty = store.write_tree(b"")

    with pytest.raises(Exception, match="CHANGE_TOO_LARGE"):
        store.diff(empty.hex(), tree.hex(), limit=10_000)


def test_what_git_packed_meanwhile_is_found(store: GitStore) -> None:
    commit = make_commit(store, {"a": b"1"})
    store.update_refs([("refs/heads/main", commit, "")])
    other = GitStore.open(store.path)
    assert other.has(commit)
    git(store, "repack", "-adq")
    git(store, "prune-packed")

    assert not list(Path(store.path / "objects").glob("??/*"))
    assert store.read(commit, "a") == b"1"
    assert other.read(commit, "a") == b"1"


def test_a_store_that_nobody_has_any_more_is_closed_at_once(store: GitStore) -> None:
    """Its files stay open otherwise until memory is collected, and there are only so many."""
    commit = make_commit(store, {"a": b"1"})
    other = GitStore.open(store.path)
    assert other.read(commit, "a") == b"1"
    gone = weakref.ref(other)
    del other

    assert gone() is None


def test_damaged_contents_are_never_returned(store: GitStore) -> None:
    blob, other = store.write_blob(b"1"), store.write_blob(b"2")
    place, wrong = (store.path / "objects" / oid[:2] / oid[2:] for oid in (blob, other))
    place.chmod(0o644)
    place.write_bytes(wrong.read_bytes())

    with pytest.raises(FailedPrecondition, match="OBJECT_DAMAGED"):
        GitStore.open(store.path).read_blob(blob)


def test_a_directory_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="STORE_DAMAGED"):
        GitStore.open(tmp_path)
