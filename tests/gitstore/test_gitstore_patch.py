"""parse_patch: unified and git diffs become edits of a base, exactly or not at all."""

import contextlib
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.patch import parse_patch
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import PathRules
from autopack.testing.repositories import Files, make_commit, make_tree

TEN = b"".join(b"line %d\n" % number for number in range(1, 11))


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def git_diff(store: GitStore, old: str, new: str, *options: str) -> bytes:
    command = ["git", "--git-dir", str(store.path), "diff", *options, old, new]
    return subprocess.run(command, check=True, capture_output=True).stdout


def refusal(action: Callable[[], object]) -> Reason:
    with pytest.raises(InvalidInput) as caught:
        action()
    return caught.value.reasons[0]


def test_a_plain_unified_diff_edits_a_file(store: GitStore) -> None:
    base = make_commit(store, {"src/a.txt": TEN})
    diff = b"--- src/a.txt\n+++ src/a.txt\n@@ -2,3 +2,3 @@\n line 2\n-line 3\n+LINE 3\n line 4\n"

    assert parse_patch(store, base, diff) == (
        Edit("src/a.txt", TEN.replace(b"line 3", b"LINE 3"), executable=False),
    )


@pytest.mark.parametrize(
    "header",
    [
        b"--- a/src/a.txt\n+++ b/src/a.txt\n",
        b"--- i/src/a.txt\t2024-01-01 00:00:00\n+++ w/src/a.txt\t2024-01-01 00:00:01\n",
        b"--- old/src/a.txt\n+++ new/src/a.txt\n",
        b"diff --git a/src/a.txt b/src/a.txt\nindex 111..222 100644\n--- a/src/a.txt\n+++ b/src/a.txt\n",
        b"From: Ada\n\nA message\n---\n src/a.txt | 2 +-\n\n"
        b"diff --git a/src/a.txt b/src/a.txt\n--- a/src/a.txt\n+++ b/src/a.txt\n",
        b'--- "a/src/a.t\\170t"\n+++ "b/src/a.txt"\n',
        b"--- ./src/a.txt\n+++ ./src/a.txt\n",
    ],
)
def test_headers_of_every_usual_kind_name_the_same_file(store: GitStore, header: bytes) -> None:
    base = make_commit(store, {"src/a.txt": b"1\n"})

    assert parse_patch(store, base, header + b"@@ -1 +1 @@\n-1\n+2\n-- \n2.39\n") == (
        Edit("src/a.txt", b"2\n", executable=False),
    )


def test_new_deleted_renamed_and_copied_files_and_modes(store: GitStore) -> None:
    base = make_commit(
        store,
        {"gone": b"1\n", "old": TEN, "run": b"x\n", "empty": b"", "link": (0o120000, b"old"), "kept": TEN},
    )
    head = make_tree(
        store,
        {
            "new": b"n\n",
            "dir/moved": TEN + b"more\n",
            "run": (0o100755, b"x\n"),
            "link": b"now a file\n",
            "blank": b"",
            "kept": TEN,
            "copy": TEN + b"copied\n",
        },
    )
    diff = git_diff(store, base, head, "-M", "-C", "--find-copies-harder")
    assert b"rename from" in diff
    assert b"copy from" in diff

    assert apply_edits(store, base, parse_patch(store, base, diff), PathRules()) == head


def test_files_that_take_each_others_names(store: GitStore) -> None:
    base = make_commit(store, {"a": b"A\n", "b": b"B\n"})
    diff = (
        b"diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n"
        b"diff --git a/b b/a\nsimilarity index 100%\nrename from b\nrename to a\n"
    )

    edits = parse_patch(store, base, diff)
    assert {edit.path: edit.contents for edit in edits} == {"a": b"B\n", "b": b"A\n"}


def test_a_file_without_a_line_end_at_its_end(store: GitStore) -> None:
    marker = b"\\ No newline at end of file\n"
    base = make_commit(store, {"a": b"1\n2"})

    added = b"--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n 1\n-2\n" + marker + b"+2\n"
    kept = b"--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-1\n+0\n 2\n" + marker
    taken = b"--- a/n\n+++ b/n\n@@ -1 +1 @@\n-x\n+x\n" + marker
    assert parse_patch(store, base, added)[0].contents == b"1\n2\n"
    assert parse_patch(store, base, kept)[0].contents == b"0\n2"
    other = make_commit(store, {"n": b"x\n"})
    assert parse_patch(store, other, taken)[0].contents == b"x"


def test_a_diff_without_a_line_end_at_its_end(store: GitStore) -> None:
    base = make_commit(store, {"a": b"1\n"})

    assert parse_patch(store, base, b"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2")[0].contents == b"2\n"


def test_line_ends_of_windows(store: GitStore) -> None:
    base = make_commit(store, {"dos": b"1\r\n2\r\n", "unix": b"1\n2\n"})
    dos = b"--- a/dos\n+++ b/dos\n@@ -1,2 +1,2 @@\n 1\r\n-2\r\n+3\r\n"
    plain = b"--- a/dos\n+++ b/dos\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"
    carried = plain.replace(b"\n", b"\r\n")
    unix = carried.replace(b"dos", b"unix")
    to_unix = b"--- a/dos\n+++ b/dos\n@@ -1,2 +1,2 @@\n-1\r\n-2\r\n+1\n+2\n"

    for diff in (dos, plain, carried):
        assert parse_patch(store, base, diff)[0].contents == b"1\r\n3\r\n"
    assert parse_patch(store, base, unix)[0].contents == b"1\n3\n"
    assert parse_patch(store, base, to_unix)[0].contents == b"1\n2\n"


def test_a_hunk_may_stand_elsewhere_if_there_is_one_such_place(store: GitStore) -> None:
    base = make_commit(store, {"a": b"new\n" * 5 + TEN})
    diff = (
        b"--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n-line 1\n+LINE 1\n line 2\n"
        b"@@ -8,2 +8,2 @@\n-line 8\n+LINE 8\n line 9\n"
    )

    assert parse_patch(store, base, diff)[0].contents == (
        b"new\n" * 5 + TEN.replace(b"line 1\n", b"LINE 1\n").replace(b"line 8", b"LINE 8")
    )


def test_a_hunk_that_fits_two_places_is_refused(store: GitStore) -> None:
    base = make_commit(store, {"a": b"x\ny\nq\nx\ny\nz\n"})
    diff = b"--- a/a\n+++ b/a\n@@ -2,2 +2,1 @@\n-x\n y\n"

    reason = refusal(lambda: parse_patch(store, base, diff))
    assert reason.code == "PATCH_DOES_NOT_APPLY"
    assert "lines 1, 4" in reason.message


def test_part_of_a_line_is_no_match(store: GitStore) -> None:
    base = make_commit(store, {"a": b"q\nxa\nb\nax\n"})
    diff = b"--- a/a\n+++ b/a\n@@ -1,2 +1,1 @@\n-a\n b\n"

    assert refusal(lambda: parse_patch(store, base, diff)).code == "PATCH_DOES_NOT_APPLY"


def test_what_does_not_apply_says_where_and_what_was_found(store: GitStore) -> None:
    base = make_commit(store, {"src/a.txt": TEN})
    diff = (
        b"--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1,2 +1,2 @@\n line 1\n-line 2\n+x\n"
        b"@@ -5,2 +5,2 @@\n line 5\n-\x1b[31mother\n+y\n"
    )

    reason = refusal(lambda: parse_patch(store, base, diff))
    assert reason.code == "PATCH_DOES_NOT_APPLY"
    assert (reason.path, reason.line) == ("src/a.txt", 6)
    assert "line 7 of the patch" in reason.message
    assert r"'\x1b[31mother\n' expected, 'line 6\n' found" in reason.message


def test_every_file_that_does_not_apply_is_named(store: GitStore) -> None:
    base = make_commit(store, {"a": b"1\n", "b": b"1\n"})
    one = b"--- a/%b\n+++ b/%b\n@@ -1 +1 @@\n-other\n+x\n"

    with pytest.raises(InvalidInput) as caught:
        parse_patch(store, base, one % (b"a", b"a") + one % (b"b", b"b"))
    assert [reason.path for reason in caught.value.reasons] == ["a", "b"]


@pytest.mark.parametrize(
    ("diff", "found"),
    [
        (b"--- a/none\n+++ b/none\n@@ -1 +1 @@\n-1\n+2\n", "there is no none"),
        (b"--- /dev/null\n+++ b/a\n@@ -0,0 +1 @@\n+2\n", "a exists already"),
        (b"--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n", "not all lines"),
        (b"diff --git a/a b/b\nrename from a\nrename to b\n", "b exists already"),
        (b"diff --git a/a b/a\ndeleted file mode 120000\n", "of another kind"),
    ],
)
def test_files_that_are_not_as_the_patch_says(store: GitStore, diff: bytes, found: str) -> None:
    base = make_commit(store, {"a": b"1\n2\n", "b": b"x\n"})

    reason = refusal(lambda: parse_patch(store, base, diff))
    assert reason.code == "PATCH_DOES_NOT_APPLY"
    assert found in reason.message


@pytest.mark.parametrize(
    "diff",
    [
        b"",
        b"no patch at all\n",
        b"@@ -1 +1 @@\n-1\n+2\n",
        b"--- a/a\n+++ b/a\n",
        b"--- a/a\n+++ b/a\n@@ bogus @@\n-1\n+2\n",
        b"--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n-1\n+2\n",
        b"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n+3\n",
        b"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n*2\n",
        b"--- a/a\n+++ b/b\n@@ -1 +1 @@\n-1\n+2\n",
        b"--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-1\n+2\n",
        b"diff --cc a\nindex 1,2..3\n",
        b"diff --git a/a b/b\nold mode 100644\nnew mode 100755\n",
        b"diff --git a/a b/a\nold mode xyz\n",
        b"diff --git a/a b/a\nold mode 100644\nnew mode 100600\n",
        b"diff --git a/a b/a\ndeleted file mode 100644\n--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
        b"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n",
        b"diff --git a/a b/a\nGIT binary patch\nliteral 5\n!!\n\n",
    ],
)
def test_what_is_no_sound_patch_is_refused(store: GitStore, diff: bytes) -> None:
    base = make_commit(store, {"a": b"1\n"})

    assert refusal(lambda: parse_patch(store, base, diff)).code == "PATCH_INVALID"


def test_a_binary_file_without_its_contents_is_refused(store: GitStore) -> None:
    base, head = make_commit(store, {"a": b"\0\1"}), make_commit(store, {"a": b"\0\2"})

    assert refusal(lambda: parse_patch(store, base, git_diff(store, base, head))).code == "PATCH_BINARY"
    plain = b"Binary files a/a and b/a differ\n"
    assert refusal(lambda: parse_patch(store, base, plain)).code == "PATCH_BINARY"


def test_a_binary_file_with_its_contents_is_applied_to_the_same_contents_only(store: GitStore) -> None:
    noise = bytes(range(256)) * 20
    base = make_commit(store, {"delta": noise, "literal": b"\0a"})
    head = make_tree(
        store, {"delta": noise[:3000] + b"!" + noise[3000:], "literal": b"\0b" * 40, "new": b"\0"}
    )
    diff = git_diff(store, base, head, "--binary")
    assert b"\ndelta " in diff

    assert apply_edits(store, base, parse_patch(store, base, diff), PathRules()) == head
    other = make_commit(store, {"delta": noise + b"?", "literal": b"\0a"})
    assert refusal(lambda: parse_patch(store, other, diff)).code == "PATCH_DOES_NOT_APPLY"


def test_a_patch_of_a_submodule_is_refused(store: GitStore) -> None:
    base = make_commit(store, {"sub": (0o160000, b"\1" * 20), "a": b"1"})
    head = make_commit(store, {"sub": (0o160000, b"\2" * 20), "a": b"1"})

    diff = git_diff(store, base, head)
    assert refusal(lambda: parse_patch(store, base, diff)).code == "SUBMODULE_CHANGED"


def test_a_large_patch_is_refused_unread(store: GitStore) -> None:
    base = make_commit(store, {"a": b"1"})

    assert refusal(lambda: parse_patch(store, base, b"x" * 50_000_000)).code == "PATCH_TOO_LARGE"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"../x", "PATH_ESCAPES"),
        (b"a/../.git/x", "PATH_ESCAPES"),
        (b"./.git/x", "PATH_PROTECTED"),
        (b".git/config", "PATH_PROTECTED"),
        (b"/etc/passwd", "PATH_ESCAPES"),
        (b"x" * 5000, "PATH_TOO_LONG"),
        (b"a\0b", "PATH_INVALID"),
        (b'"caf\\351"', "PATH_NOT_UTF8"),
    ],
)
def test_paths_that_leave_the_repository_are_refused(store: GitStore, path: bytes, code: str) -> None:
    base = make_commit(store, {"a": b"1"})

    assert (
        refusal(
            lambda: parse_patch(store, base, b"--- /dev/null\n+++ " + path + b"\n@@ -0,0 +1 @@\n+x\n")
        ).code
        == code
    )
    header = b"diff --git a/x b/x\nrename from a\nrename to " + path + b"\n"
    assert refusal(lambda: parse_patch(store, base, header)).code == code


def test_many_hunks_that_stand_elsewhere_do_not_take_for_ever(store: GitStore) -> None:
    base = make_commit(store, {"a": b"a\n" * 300_000})
    hunks = b"".join(b"@@ -%d,2 +%d,2 @@\n a\n-b\n+c\n" % (line, line) for line in range(1, 3000))

    reason = refusal(lambda: parse_patch(store, base, b"--- a/a\n+++ b/a\n" + hunks))
    assert reason.code == "PATCH_DOES_NOT_APPLY"


NAMES = st.sampled_from(["a", "b c", "d/e", 'q"uote', "ü", "d/f g/h", "a/b", "b/a"])
CONTENTS = st.lists(
    st.sampled_from(
        [b"x\n", b"y\n", b"\n", b"z\r\n", b"-- \n", b"--- a\n", b"+++ b\n", b"@@ -1 +1 @@\n", b" s\n"]
    ),
    max_size=12,
).map(b"".join)
TEXT = st.builds(lambda body, tail: body + tail, CONTENTS, st.sampled_from([b"", b"end", b"\\ No"]))
BINARY = st.binary(max_size=300).map(lambda data: b"\0" + data)
FILES = st.dictionaries(
    NAMES,
    st.one_of(TEXT, BINARY, st.tuples(st.sampled_from([0o100755]), TEXT), st.just((0o120000, b"a"))),
    min_size=1,
    max_size=6,
).filter(lambda files: not {"a", "a/b"} <= set(files))
OPTIONS = st.sampled_from(
    [
        (),
        ("-M",),
        ("-M", "-C", "--find-copies-harder"),
        ("-U0",),
        ("-U1",),
        ("--no-prefix",),
        ("--src-prefix=i/", "--dst-prefix=w/"),
    ]
)


@settings(max_examples=60, deadline=None)
@given(old=FILES, new=FILES, options=OPTIONS)
def test_what_git_diff_prints_is_applied_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, old: Files, new: Files, options: tuple[str, ...]
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "property.git")
    before, after = make_tree(store, old), make_tree(store, new)
    if before == after:
        return
    diff = git_diff(store, before, after, "--binary", "--full-index", *options)

    assert apply_edits(store, before, parse_patch(store, before, diff), PathRules()) == after


@settings(max_examples=40, deadline=None)
@given(old=FILES, new=FILES)
def test_what_the_store_prints_is_applied_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, old: Files, new: Files
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "property.git")
    before, after = make_tree(store, old), make_tree(store, new)
    diff = store.patch(before, after, 1_000_000)
    if before == after or b"Binary files" in diff:
        return

    assert apply_edits(store, before, parse_patch(store, before, diff), PathRules()) == after


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                b"diff --git a/a b/a",
                b"--- a/a",
                b"+++ b/a",
                b"@@ -1,2 +1,2 @@",
                b"@@ -0,0 +1 @@",
                b"-1",
                b"+2",
                b" 1",
                b"",
                b"\\ No newline",
                b"rename from a",
                b"rename to b",
                b"GIT binary patch",
                b"literal 3",
                b"delta 3",
                b"KcmXYZ",
                b"new file mode 100644",
                b"deleted file mode 100644",
                b"--- /dev/null",
                b"+++ /dev/null",
                b"index 1..2 120000",
                b'--- "a\\',
                b"\r",
            ]
        ),
        max_size=12,
    )
)
def test_any_lines_are_edits_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    store = GitStore.open(tmp_path_factory.getbasetemp() / "property.git")
    base = make_commit(store, {"a": b"1\n"})

    with contextlib.suppress(InvalidInput):
        assert all(edit.path for edit in parse_patch(store, base, b"\n".join(lines)))
