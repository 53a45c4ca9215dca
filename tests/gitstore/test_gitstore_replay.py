"""replay: a change on top of another commit is what git's own merge makes of it."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.gitstore import replay as replay_module
from autopack.gitstore.replay import Replayed, replay
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_commit, make_tree

LINES = b"".join(b"line %d\n" % number for number in range(20))


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def test_changes_that_do_not_touch_each_other_need_no_merge(
    store: GitStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_git(*_: object, **__: object) -> bytes:
        raise AssertionError("git was called")

    monkeypatch.setattr(replay_module, "run_git", no_git)
    base = make_commit(store, {"a": b"1", "d/b": b"1", "d/c": b"1", "e": b"1"})
    head = make_commit(store, {"a": b"2", "d/b": b"1", "d/new": b"1", "e": b"1"}, base)
    onto = make_commit(store, {"a": b"1", "d/b": b"2", "d/c": b"1"}, base)

    expected = make_tree(store, {"a": b"2", "d/b": b"2", "d/new": b"1"})
    assert replay(store, base, head, onto) == Replayed(expected)


def test_changes_of_one_file_are_merged(store: GitStore) -> None:
    base = make_commit(store, {"a": LINES, "b": b"1"})
    head = make_commit(store, {"a": LINES.replace(b"line 2\n", b"LINE 2\n"), "b": b"1"}, base)
    onto = make_commit(store, {"a": LINES.replace(b"line 15", b"LINE 15"), "b": b"2"}, base)

    merged = LINES.replace(b"line 2\n", b"LINE 2\n").replace(b"line 15", b"LINE 15")
    assert replay(store, base, head, onto) == Replayed(make_tree(store, {"a": merged, "b": b"2"}))


def test_a_change_follows_a_file_that_was_moved(store: GitStore) -> None:
    base = make_commit(store, {"a": LINES})
    head = make_commit(store, {"a": LINES + b"more\n"}, base)
    onto = make_commit(store, {"moved": LINES}, base)

    assert replay(store, base, head, onto) == Replayed(make_tree(store, {"moved": LINES + b"more\n"}))


@pytest.mark.parametrize(
    ("head", "onto", "conflicts"),
    [
        ({"a": b"2\n"}, {"a": b"3\n"}, ("a",)),
        ({}, {"a": b"3\n"}, ("a",)),
        ({"a": b"1\n", "new": b"2"}, {"a": b"1\n", "new": b"3"}, ("new",)),
        ({"a": b"\0001"}, {"a": b"\0002"}, ("a",)),
    ],
)
def test_conflicts_name_their_paths(
    store: GitStore, head: Files, onto: Files, conflicts: tuple[str, ...]
) -> None:
    base = make_commit(store, {"a": b"1\n"})

    found = replay(store, base, make_commit(store, head), make_commit(store, onto))
    assert found == Replayed(None, conflicts)


def test_a_file_where_the_other_side_needs_a_directory_is_a_conflict(store: GitStore) -> None:
    base = make_commit(store, {"x": b"1"})
    file = make_commit(store, {"x": b"1", "a": b"file"})
    directory = make_commit(store, {"x": b"1", "a/b": b"below"})

    for head, onto in ((file, directory), (directory, file)):
        assert replay(store, base, head, onto).tree is None


def test_a_change_made_on_both_sides_is_made_once(store: GitStore) -> None:
    base, both = make_commit(store, {"a": b"1"}), make_commit(store, {"a": b"2"})
    onto = make_commit(store, {"a": b"2", "b": b"1"})

    assert replay(store, base, both, onto).tree == store.commit_tree(onto)


def test_nothing_moved_means_the_change_itself(store: GitStore) -> None:
    base, head = make_commit(store, {"a": b"1"}), make_commit(store, {"a": b"2"})

    assert replay(store, base, head, base).tree == store.commit_tree(head)
    assert replay(store, base, base, head).tree == store.commit_tree(head)


def test_the_outcome_is_the_same_wherever_history_is_missing(store: GitStore) -> None:
    base = make_commit(store, {"a": LINES}, "1" * 40)
    head = make_commit(store, {"a": b"0\n" + LINES}, "2" * 40)
    onto = make_commit(store, {"a": LINES + b"21\n"}, "3" * 40)

    assert replay(store, base, head, onto) == Replayed(make_tree(store, {"a": b"0\n" + LINES + b"21\n"}))


PATHS = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "f/a", "g"])
# Contents so unlike that git takes no file for another one renamed.
CONTENTS = st.sampled_from([bytes([64 + number]) * 30 + b"\n" for number in range(12)])
TREES = st.dictionaries(PATHS, st.one_of(CONTENTS, CONTENTS.map(lambda data: (0o100755, data))), max_size=6)
CHANGE = st.dictionaries(PATHS, st.none() | CONTENTS, max_size=3)


def changed(files: Files, change: dict[str, bytes | None]) -> Files:
    after = {**files, **change}
    return {path: item for path, item in after.items() if item is not None}


@settings(max_examples=150, deadline=None)
@given(files=TREES, ours=CHANGE, theirs=CHANGE)
def test_every_replay_is_what_git_merges(
    tmp_path_factory: pytest.TempPathFactory,
    files: Files,
    ours: dict[str, bytes | None],
    theirs: dict[str, bytes | None],
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "merges.git")
    base = make_commit(store, files)
    head = make_commit(store, changed(files, ours), base, message="head")
    onto = make_commit(store, changed(files, theirs), base, message="onto")
    command = ["git", "--git-dir", str(store.path), "-c", "merge.renames=false", "merge-tree", "--write-tree"]
    done = subprocess.run([*command, onto, head], capture_output=True, text=True, check=False)

    expected = done.stdout.split()[0] if done.returncode == 0 else None
    assert replay(store, base, head, onto).tree == expected
