"""Patches that a plan brings along: what is wrong with them is known before anything runs."""

from pathlib import Path

import pytest

from autopack.gitstore.planned_patch import refuse_anywhere, refuse_at
from autopack.gitstore.store import GitStore
from autopack.policy.paths import PathRules
from autopack.policy.plan import PatchBuilder
from autopack.testing.repositories import make_commit

RULES = PathRules(scope=("src/**",))
DIFF = "--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1 +1 @@\n-{}\n+new\n"


def new_file(path: str, mode: str = "100644") -> str:
    header = f"diff --git a/{path} b/{path}\nnew file mode {mode}\n"
    return f"{header}--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n"


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@pytest.mark.parametrize(
    ("diff", "code"),
    [
        ("no diff at all\n", "PATCH_INVALID"),
        ("diff --git a/src/x b/src/x\nBinary files a/src/x and b/src/x differ\n", "PATCH_BINARY"),
        ("--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1,9 +1 @@\n-a\n+b\n", "PATCH_INVALID"),
        (DIFF.format("old") + " " * 10_000_000, "PATCH_TOO_LARGE"),
        (new_file("../x"), "PATH_ESCAPES"),
        (new_file("src/../../x"), "PATH_ESCAPES"),
        (new_file("./.git/x"), "PATH_PROTECTED"),
        (new_file(".github/workflows/x.yml"), "PATH_PROTECTED"),
        (new_file("autopack.yaml"), "PATH_PROTECTED"),
        (new_file("src/" + "x" * 5000), "PATH_TOO_LONG"),
        (new_file('"src/caf\\351"').replace('b/"', '"b/').replace('a/"', '"a/'), "PATH_NOT_UTF8"),
        (new_file("other/x"), "PATH_OUT_OF_SCOPE"),
        (new_file("src/sub", "160000"), "SUBMODULE_CHANGED"),
        (new_file("src/x", "100600"), "PATCH_INVALID"),
        ("diff --git a/other/x b/src/x\nrename from other/x\nrename to src/x\n", "PATH_OUT_OF_SCOPE"),
    ],
)
def test_a_diff_that_fits_no_base_is_refused(diff: str, code: str) -> None:
    assert [reason.code for reason in refuse_anywhere(PatchBuilder(diff=diff), RULES)] == [code]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"other/x": "x"}, "PATH_OUT_OF_SCOPE"),
        ({"docs/BUILD_HISTORY.md": None}, "PATH_PROTECTED"),
        ({"src/big": "x" * 10_000_001}, "CHANGE_TOO_LARGE"),
    ],
)
def test_files_that_fit_no_base_are_refused(files: dict[str, str | None], code: str) -> None:
    assert [reason.code for reason in refuse_anywhere(PatchBuilder(files=files), RULES)] == [code]


def test_a_sound_patch_is_refused_nowhere_and_every_fault_is_told(store: GitStore) -> None:
    sound = PatchBuilder(diff=DIFF.format("old"))
    assert refuse_anywhere(sound, RULES) == ()
    both = PatchBuilder(diff=new_file("other/x") + new_file("docs/INDEX.md"))
    assert [reason.code for reason in refuse_anywhere(both, RULES)] == ["PATH_OUT_OF_SCOPE", "PATH_PROTECTED"]
    copied = "diff --git a/other/x b/src/x\ncopy from other/x\ncopy to src/x\n"
    assert refuse_anywhere(PatchBuilder(diff=copied), RULES) == (), "only what it writes has to be in scope"


def test_at_a_base_the_rest_is_known_too_and_nothing_is_written(store: GitStore) -> None:
    base = make_commit(store, {"src/a.txt": b"old\n", "src/Case.txt": b"1", "src/link": b"1"})
    before = sorted(store.objects_directory.rglob("*"))

    def codes(planned: PatchBuilder) -> list[str]:
        return [reason.code for reason in refuse_at(store, base, planned, RULES)]

    assert codes(PatchBuilder(diff=DIFF.format("old"))) == []
    assert codes(PatchBuilder(diff=DIFF.format("other"))) == ["PATCH_DOES_NOT_APPLY"]
    assert codes(PatchBuilder(files={"src/a.txt": "old\n"})) == ["NO_CHANGE"]
    assert codes(PatchBuilder(files={"src/case.txt": "2"})) == ["PATH_CLASH"]
    assert codes(PatchBuilder(files={"src/gone": None})) == ["PATH_NOT_FOUND"]
    assert codes(PatchBuilder(files={"src/a.txt/b": "1"})) == ["PATH_THROUGH_FILE"]
    marked = "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
    assert codes(PatchBuilder(files={"src/a.txt": marked})) == ["CONFLICT_MARKERS"]
    link = new_file("src/new", "120000").replace("+x", "+../../etc/passwd")
    assert codes(PatchBuilder(diff=link)) == ["SYMLINK_ESCAPES"]
    assert sorted(store.objects_directory.rglob("*")) == before
