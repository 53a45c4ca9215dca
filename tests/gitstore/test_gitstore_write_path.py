"""The one write path: what may become a change, and what is refused and why."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from autopack.gitstore.records import TreeEntry
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import ChangeLimits, Edit, apply_edits, check_change
from autopack.policy.paths import PathRules
from autopack.testing.repositories import Files, make_commit, make_tree

ANY = PathRules()
SUBMODULE = (0o160000, b"\1" * 20)
OUTSIDE_LINK = (0o120000, b"/etc")


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def codes(action: Callable[[], object]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        action()
    return [reason.code for reason in caught.value.reasons]


def applied(store: GitStore, files: Files, *edits: Edit, rules: PathRules = ANY) -> str:
    return apply_edits(store, make_commit(store, files), edits, rules)


def refused(store: GitStore, files: Files, *edits: Edit, rules: PathRules = ANY) -> list[str]:
    return codes(lambda: applied(store, files, *edits, rules=rules))


def test_files_are_written_deleted_and_keep_their_mode(store: GitStore) -> None:
    tree = applied(
        store,
        {"a": b"1", "run": (0o100755, b"1"), "stop": (0o100755, b"1"), "d/gone": b"1", "same": b"1"},
        Edit("a", b"2"),
        Edit("run", b"2"),
        Edit("stop", b"1", executable=False),
        Edit("d/gone", None),
        Edit("new/deep/file", b"3", executable=True),
        Edit("link", b"a", symlink=True),
    )

    assert tree == make_tree(
        store,
        {
            "a": b"2",
            "run": (0o100755, b"2"),
            "stop": b"1",
            "same": b"1",
            "new/deep/file": (0o100755, b"3"),
            "link": (0o120000, b"a"),
        },
    )


def test_a_path_is_taken_in_its_one_spelling(store: GitStore) -> None:
    assert applied(store, {"src/a": b"1"}, Edit("./src//a", b"2")) == make_tree(store, {"src/a": b"2"})


def test_a_change_that_changes_nothing_is_refused(store: GitStore) -> None:
    assert refused(store, {"a": b"1"}, Edit("a", b"1")) == ["NO_CHANGE"]
    assert refused(store, {"a": b"1"}) == ["NO_CHANGE"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../x", "PATH_ESCAPES"),
        ("a/../../x", "PATH_ESCAPES"),
        ("a/../.git/x", "PATH_ESCAPES"),
        ("/etc/passwd", "PATH_ESCAPES"),
        ("./.git/x", "PATH_PROTECTED"),
        (".git", "PATH_PROTECTED"),
        (".GIT/hooks/pre-commit", "PATH_PROTECTED"),
        ("a/.git/x", "PATH_PROTECTED"),
        ("git~1/x", "PATH_PROTECTED"),
        (".g\u200cit/x", "PATH_PROTECTED"),
        (".git./x", "PATH_PROTECTED"),
        (".git::$INDEX_ALLOCATION/x", "PATH_PROTECTED"),
        ("autopack.yaml", "PATH_PROTECTED"),
        (".gitattributes", "PATH_PROTECTED"),
        ("src/.gitmodules", "PATH_PROTECTED"),
        ("docs/BUILD_HISTORY.md", "PATH_PROTECTED"),
        ("a\0b", "PATH_INVALID"),
        ("a\nb", "PATH_INVALID"),
        ("a\\b", "PATH_INVALID"),
        ("", "PATH_INVALID"),
        ("src/", "PATH_INVALID"),
        ("caf\udce9", "PATH_NOT_UTF8"),
        ("x" * 5000, "PATH_TOO_LONG"),
        ("/".join("x" * 3000), "PATH_TOO_LONG"),
        ("/".join("x" * 300), "PATH_TOO_DEEP"),
    ],
)
def test_paths_that_no_change_may_have_are_refused(store: GitStore, path: str, code: str) -> None:
    assert refused(store, {"a": b"1"}, Edit(path, b"x")) == [code]


def test_scope_and_protection_hold_and_every_reason_is_given(store: GitStore) -> None:
    rules = PathRules(allow=("src/**", "deploy/**"), protect=("deploy/**",), scope=("src/*.py",))

    assert refused(
        store,
        {"src/a.py": b"1", "deploy/x": b"1"},
        Edit("src/a.py", b"2"),
        Edit("src/a.txt", b"2"),
        Edit("deploy/x", None),
        Edit("other", b"2"),
        Edit("../up", b"2"),
        rules=rules,
    ) == ["PATH_ESCAPES", "PATH_PROTECTED", "PATH_NOT_ALLOWED", "PATH_OUT_OF_SCOPE"]


def test_an_edit_that_leaves_a_file_as_it_is_needs_no_scope(store: GitStore) -> None:
    rules = PathRules(scope=("src/**",))

    assert applied(store, {"a": b"1"}, Edit("a", b"1"), Edit("src/b", b"1"), rules=rules)


def test_two_edits_of_one_path_are_refused(store: GitStore) -> None:
    assert "PATH_TWICE" in refused(store, {"a": b"1"}, Edit("a", b"2"), Edit("./a", b"3"))


def test_what_is_not_there_cannot_be_deleted(store: GitStore) -> None:
    for path in ("none", "none/below", "d/none"):
        assert refused(store, {"a": b"1", "d/x": b"1"}, Edit(path, None)) == ["PATH_NOT_FOUND"]


def test_nothing_is_written_through_a_link_file_or_submodule(store: GitStore) -> None:
    files: Files = {
        "inside": (0o120000, b"d"),
        "outside": OUTSIDE_LINK,
        "d/x": b"1",
        "file": b"1",
        "sub": SUBMODULE,
    }

    assert refused(store, files, Edit("inside/x", b"2")) == ["PATH_THROUGH_SYMLINK"]
    assert refused(store, files, Edit("outside/passwd", b"2")) == ["PATH_THROUGH_SYMLINK"]
    assert refused(store, files, Edit("outside/passwd", None)) == ["PATH_THROUGH_SYMLINK"]
    assert refused(store, files, Edit("file/x", b"2")) == ["PATH_THROUGH_FILE"]
    assert refused(store, files, Edit("sub/x", b"2")) == ["SUBMODULE_CHANGED"]
    assert refused(store, files, Edit("sub", b"2")) == ["SUBMODULE_CHANGED"]
    assert refused(store, files, Edit("sub", None)) == ["SUBMODULE_CHANGED"]
    assert refused(store, files, Edit("d", b"2")) == ["PATH_IS_DIRECTORY"]
    assert refused(store, files, Edit("d", None)) == ["PATH_IS_DIRECTORY"]


def test_a_link_or_file_may_make_room_for_a_directory_and_back(store: GitStore) -> None:
    files: Files = {"link": (0o120000, b"d"), "file": b"1", "d/x": b"1"}
    tree = applied(
        store,
        files,
        Edit("link", None),
        Edit("link/x", b"2"),
        Edit("file", None),
        Edit("file/x", b"2"),
        Edit("d/x", None),
        Edit("d", b"2"),
    )

    assert tree == make_tree(store, {"link/x": b"2", "file/x": b"2", "d": b"2"})


def test_a_link_written_over_becomes_a_file(store: GitStore) -> None:
    assert applied(store, {"link": OUTSIDE_LINK}, Edit("link", b"text")) == make_tree(
        store, {"link": b"text"}
    )


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", b"/etc/passwd"),
        ("link", b"../outside"),
        ("d/link", b"../../outside"),
        ("d/link", b"x/../../../outside"),
        ("link", b"d/.."),
        ("link", b".git/config"),
        ("d/link", b"../.GIT/hooks"),
        ("link", b""),
        ("link", b"a\0b"),
        ("link", b"x" * 5000),
    ],
)
def test_links_that_leave_the_tree_are_refused(store: GitStore, path: str, target: bytes) -> None:
    assert refused(store, {"d/x": b"1"}, Edit(path, target, symlink=True)) == ["SYMLINK_ESCAPES"]


@pytest.mark.parametrize(
    ("path", "target"),
    [("link", b"d/x"), ("d/link", b"../d/x"), ("link", b"."), ("d/link", b".."), ("l", b"none")],
)
def test_links_inside_the_tree_are_taken(store: GitStore, path: str, target: bytes) -> None:
    assert applied(store, {"d/x": b"1"}, Edit(path, target, symlink=True))


@pytest.mark.parametrize(
    ("there", "new"),
    [
        ("README.md", "readme.md"),
        ("docs/a", "Docs/b"),
        ("deep/er/File", "deep/er/fILE"),
        ("stra\u00dfe", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("\ufb01le", "file"),
        ("a\u200db", "ab"),
        ("name", "name."),
        ("name", "name "),
    ],
)
def test_names_that_some_file_system_takes_for_another_are_refused(
    store: GitStore, there: str, new: str
) -> None:
    assert refused(store, {there: b"1"}, Edit(new, b"2")) == ["PATH_CLASH"]
    assert "PATH_CLASH" in refused(store, {"x": b"1"}, Edit(there, b"1"), Edit(new, b"2"))


def test_a_name_may_change_its_case(store: GitStore) -> None:
    edits = (Edit("README.md", None), Edit("readme.md", b"1"))

    assert applied(store, {"README.md": b"1"}, *edits) == make_tree(store, {"readme.md": b"1"})


def test_names_that_clash_already_hinder_nothing_else(store: GitStore) -> None:
    assert applied(store, {"a": b"1", "A": b"1"}, Edit("a", b"2"), Edit("b", b"2"))


def test_names_that_are_not_utf8_are_kept_but_not_changed(store: GitStore) -> None:
    files = {"caf\udce9": b"1", "d/\udcff": b"1", "a": b"1"}
    base = make_commit(store, files)

    tree = apply_edits(store, base, [Edit("a", b"2"), Edit("d/new", b"1")], ANY)
    assert {entry.path for entry in store.entries(tree)} == {*files, "d/new"}
    for other in ({**files, "\udcfe": b"1"}, {**files, "d/\udcff": b"2"}, {"a": b"1"}):
        head = make_commit(store, other)
        assert {reason.code for reason in check_change(store, base, head, ANY)} == {"PATH_NOT_UTF8"}


def test_large_changes_are_refused_before_they_are_written(store: GitStore) -> None:
    limits = ChangeLimits(files=2, file_bytes=10, total_bytes=15)
    base = make_commit(store, {"a": b"1"})

    for edits in (
        [Edit("big", b"x" * 11)],
        [Edit("b", b"x" * 8), Edit("c", b"x" * 8)],
        [Edit(str(number), b"x") for number in range(3)],
    ):
        assert "CHANGE_TOO_LARGE" in codes(partial(apply_edits, store, base, edits, ANY, limits))
        head = make_commit(store, {"a": b"1", **{edit.path: edit.contents or b"" for edit in edits}})
        assert "CHANGE_TOO_LARGE" in [r.code for r in check_change(store, base, head, ANY, limits)]
    assert apply_edits(store, base, [Edit("b", b"x" * 10)], ANY, limits)


def test_of_very_many_reasons_the_first_are_given(store: GitStore) -> None:
    edits = [Edit(f"../{number}", b"x") for number in range(1000)]

    assert len(refused(store, {"a": b"1"}, *edits)) == 50


def test_the_same_rules_hold_for_a_commit(store: GitStore) -> None:
    base_files: dict[str, bytes | tuple[int, bytes]] = {"a": b"1", "sub": SUBMODULE, "old": OUTSIDE_LINK}
    base = make_commit(store, base_files)
    rules = PathRules(scope=("a", "sub", "link", "mode", "A"))

    def found(files: Files) -> list[tuple[str, str]]:
        head = make_commit(store, {**base_files, **files})
        return [(reason.code, reason.path) for reason in check_change(store, base, head, rules)]

    assert found({"a": b"2"}) == []
    assert found({"b": b"2"}) == [("PATH_OUT_OF_SCOPE", "b")]
    assert found({"autopack.yaml": b"2"}) == [("PATH_PROTECTED", "autopack.yaml")]
    assert found({"sub": (0o160000, b"\2" * 20)}) == [("SUBMODULE_CHANGED", "sub")]
    assert found({"link": OUTSIDE_LINK}) == [("SYMLINK_ESCAPES", "link")]
    assert found({"mode": (0o100664, b"1")}) == [("MODE_INVALID", "mode")]
    assert found({"A": b"1"}) == [("PATH_CLASH", "A")]


def test_a_change_in_thousands_of_files_takes_a_moment_only(store: GitStore) -> None:
    files = {f"d{number % 50}/f{number}": b"1" for number in range(3000)}
    base = make_commit(store, {"a": b"1"})

    head = apply_edits(store, base, [Edit(path, contents) for path, contents in files.items()], ANY)
    assert check_change(store, base, head, ANY) == ()


NAME = st.sampled_from(["a", "b", "..", ".", ".git", "", "Git", "git~1", "link", "sub", "d", ".git ", "x"])
PATH = st.lists(NAME, max_size=5).map("/".join)
EDIT = st.builds(
    Edit,
    path=st.one_of(PATH, PATH.map(lambda path: "/" + path), st.text(max_size=8)),
    contents=st.one_of(st.none(), st.sampled_from([b"1", b"..", b"../..", b"/etc", b"a"])),
    executable=st.none() | st.booleans(),
    symlink=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(edits=st.lists(EDIT, max_size=5))
def test_whatever_is_asked_for_nothing_leaves_the_tree(
    tmp_path_factory: pytest.TempPathFactory, edits: list[Edit]
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "property.git")
    kept: Files = {"link": OUTSIDE_LINK, "sub": SUBMODULE, "autopack.yaml": b"1"}
    base = make_commit(store, {**kept, "a/b": b"1", "d/x": b"1"})
    try:
        tree = apply_edits(store, base, edits, ANY)
    except InvalidInput:
        return

    entries = {entry.path: entry for entry in store.entries(tree)}
    assert entries["sub"] == TreeEntry("sub", 0o160000, "01" * 20)
    assert store.read(tree, "autopack.yaml") == b"1"
    touched = {change.path for change in store.diff(base, tree)}
    for path in touched & entries.keys():
        assert os.path.normpath(path) == path
        assert not path.startswith(("/", "../"))
        assert ".git" not in path.lower().split("/")
        if entries[path].mode == 0o120000:
            target = os.fsdecode(store.read_blob(entries[path].oid))
            assert not os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith(("/", ".."))
    assert check_change(store, base, tree, ANY) == ()
