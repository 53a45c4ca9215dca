"""New files that git would not add are no part of a command's change."""

from hypothesis import given
from hypothesis import strategies as st

from autopack.gitstore.write_path import Edit
from builder_svc.builders.ignored import without_ignored


def kept(base: dict[str, bytes], *edits: Edit) -> list[str]:
    return [edit.path for edit in without_ignored(edits, base.get)]


def new(path: str, contents: bytes = b"x") -> Edit:
    return Edit(path, contents)


def test_ignored_new_files_are_left_out_and_others_stay() -> None:
    base = {".gitignore": b"# caches\n*.log\n/build/\n!keep.log\n"}
    edits = [new("a.log"), new("keep.log"), new("build/x"), new("src/build/x"), new("src/b.log"), new("a.py")]
    assert kept(base, *edits) == ["keep.log", "src/build/x", "a.py"]


def test_what_the_base_has_is_never_left_out_nor_are_removals() -> None:
    base = {".gitignore": b"*\n", "a.log": b"", "b.log": b""}
    assert kept(base, new("a.log"), Edit("b.log", None)) == ["a.log", "b.log"]


def test_the_deepest_rule_decides_unless_a_directory_above_is_ignored() -> None:
    base = {".gitignore": b"*.tmp\nout/\n", "src/.gitignore": b"!*.tmp\n", "out/.gitignore": b"!*\n"}
    assert kept(base, new("a.tmp"), new("src/a.tmp"), new("out/a")) == ["src/a.tmp"]


def test_a_cache_that_ignores_itself_is_left_out() -> None:
    assert kept({}, new(".ruff_cache/.gitignore", b"*\n"), new(".ruff_cache/0.1/x"), new("a.py")) == ["a.py"]


def test_patterns_that_mean_nothing_are_passed_over() -> None:
    assert kept({".gitignore": b"!\n\xff\n/\n*.log\n"}, new("a.log"), new("b")) == ["b"]


@given(
    st.binary(max_size=60), st.lists(st.text("ab/.*!\udcff", min_size=1, max_size=8), min_size=1, max_size=4)
)
def test_no_rules_and_no_names_make_it_fail(rules: bytes, paths: list[str]) -> None:
    edits = [new(path) for path in paths]
    assert set(kept({".gitignore": rules}, *edits)) <= set(paths)
