"""missing_effects: a landed tree has all of the change that was built, and nothing that a merge made up."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.gitstore.effects import missing_effects
from autopack.gitstore.replay import replay
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import Files, make_tree

LINES = b"".join(b"line %d\n" % number for number in range(20))
FIRST = LINES.replace(b"line 2\n", b"LINE 2\n")
LAST = LINES.replace(b"line 15\n", b"LINE 15\n")
BOTH = FIRST.replace(b"line 15\n", b"LINE 15\n")


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def missing(store: GitStore, base: Files, change: Files, parent: Files, landed: Files) -> tuple[str, ...]:
    return missing_effects(store, *(make_tree(store, files) for files in (base, change, parent, landed)))


@pytest.mark.parametrize(
    ("base", "change", "parent"),
    [
        ({"a": b"1"}, {"a": b"2"}, {"a": b"1"}),
        ({"a": b"1"}, {"a": b"2"}, {"a": b"1", "b": b"1"}),
        ({"a": b"1", "b": b"1"}, {"b": b"1"}, {"a": b"1", "b": b"2"}),
        ({"a": b"1"}, {"a": (0o100755, b"1")}, {"a": b"1", "b": b"1"}),
        ({"a": LINES}, {"a": FIRST}, {"a": LAST}),
        ({"a": LINES}, {"a": (0o100755, FIRST)}, {"a": LAST}),
        ({"a": LINES}, {"a": LINES.replace(b"line 2\n", b"")}, {"a": LAST}),
        ({"a": LINES}, {"a": FIRST}, {"a": FIRST}),
        ({"a": LINES}, {"a": FIRST}, {"a": BOTH}),
        ({"a": LINES}, {"a": FIRST}, {"moved": LINES}),
        ({"a": LINES}, {"a": FIRST}, {"moved": LAST}),
        ({"a": LINES}, {"moved": FIRST}, {"a": LAST}),
        ({"a": LINES}, {"moved": FIRST}, {"moved": LAST}),
        ({"a": b"\xff\n" + LINES}, {"a": b"\xff\n" + FIRST}, {"a": b"\xff\n" + LAST}),
    ],
)
def test_what_replay_makes_of_a_change_has_its_effect(
    store: GitStore, base: Files, change: Files, parent: Files
) -> None:
    old, built, before = (make_tree(store, files) for files in (base, change, parent))
    landed = replay(store, old, built, before).tree
    assert landed is not None
    assert missing_effects(store, old, built, before, landed) == ()


@pytest.mark.parametrize(
    ("change", "parent", "landed", "paths"),
    [
        # Nobody else has touched it, and it is not as it was built.
        ({"a": b"2"}, {"a": LINES}, {"a": LINES}, ("a",)),
        ({"a": b"2"}, {"a": LINES}, {"a": b"3"}, ("a",)),
        ({}, {"a": LINES}, {"a": LINES}, ("a",)),
        ({"a": LINES, "b": b"1"}, {"a": LINES}, {"a": LINES}, ("b",)),
        ({"a": (0o100755, LINES)}, {"a": LINES}, {"a": LINES}, ("a",)),
        # Merged: nothing of it is there, a part, or all but what it took away or where it put it.
        ({"a": FIRST}, {"a": LAST}, {"a": LAST}, ("a",)),
        ({"a": FIRST + b"more\n"}, {"a": LAST}, {"a": BOTH}, ("a",)),
        ({"a": LINES.replace(b"line 2\n", b"")}, {"a": LAST}, {"a": LAST}, ("a",)),
        ({"a": LINES + b"line 15\n"}, {"a": LAST}, {"a": LAST}, ("a",)),
        ({"a": LINES[7:] + LINES[:7]}, {"a": LAST}, {"a": LAST}, ("a",)),
        ({"a": (0o100755, FIRST)}, {"a": LAST}, {"a": BOTH}, ("a",)),
        ({"a": FIRST}, {"moved": LAST}, {"moved": LAST}, ("a",)),
        ({"moved": FIRST}, {"a": LAST}, {"moved": FIRST}, ("a",)),
        ({}, {"a": LAST}, {}, ("a",)),
        # The merge dropped what others had done, or did what nobody had.
        ({"a": FIRST}, {"a": LAST}, {"a": FIRST}, ("a",)),
        ({"a": FIRST}, {"a": LAST}, {"a": BOTH + b"evil\n"}, ("a",)),
        ({"a": FIRST}, {"a": LINES, "b": b"1"}, {"a": FIRST}, ("b",)),
        ({"a": FIRST}, {"a": LINES, "b": b"1"}, {"a": FIRST, "b": b"2"}, ("b",)),
        ({"a": FIRST}, {"a": LINES}, {"a": FIRST, "evil": b"1"}, ("evil",)),
    ],
)
def test_what_is_lost_or_made_up_is_named(
    store: GitStore, change: Files, parent: Files, landed: Files, paths: tuple[str, ...]
) -> None:
    assert missing(store, {"a": LINES}, change, parent, landed) == paths


# Few different lines, so that they repeat; enough of them that both sides often merge.
TEXT = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", b"}\n"]), min_size=6, max_size=14)
EDITS = st.lists(
    st.tuples(st.integers(0, 13), st.sampled_from([b"", b"x\n", b"b\n", b"\n", b"y\nb\n"])), max_size=2
)


def edited(text: list[bytes], edits: list[tuple[int, bytes]]) -> bytes:
    lines = list(text)
    for at, line in edits:
        lines[at % len(lines)] = line
    return b"".join(lines)


@settings(max_examples=120, deadline=None)
@given(text=TEXT, ours=EDITS, theirs=EDITS, at=st.integers(0, 13))
def test_any_merge_of_git_has_both_effects_and_no_other_tree_has(
    tmp_path_factory: pytest.TempPathFactory,
    text: list[bytes],
    ours: list[tuple[int, bytes]],
    theirs: list[tuple[int, bytes]],
    at: int,
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "effects.git")
    files = [{"a": edited(text, edits)} for edits in ([], ours, theirs)]
    base, change, parent = (make_tree(store, each) for each in files)
    landed = replay(store, base, change, parent).tree
    if landed is None or change == base:
        return
    assert missing_effects(store, base, change, parent, landed) == ()
    merged = store.read(landed, "a") or b""
    for wrong in (merged + b"evil\n", edited(merged.splitlines(keepends=True), [(at, b"evil\n")])):
        assert missing_effects(store, base, change, parent, make_tree(store, {"a": wrong})) == ("a",)
    if parent != landed:
        assert missing_effects(store, base, change, parent, parent) == ("a",)
