"""Plans that are none: all faults at once, each with a stable code, its line and what to do."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import AutopackError, InvalidInput
from autopack.policy.patch_files import MAXIMUM_BYTES
from autopack.policy.plan import PatchBuilder, load_plan

PHASE = "  - {{id: {id}, goal: g, scope: {{paths: [{path}]}}, builder: {builder}, depends_on: {needs}}}\n"


def phase(id: str = "a", path: str = "src/a.py", builder: str = "{kind: repair}", needs: str = "[]") -> str:
    return PHASE.format(id=id, path=path, builder=builder, needs=needs)


def plan(*phases: str) -> str:
    return "version: 1\nname: n\nphases:\n" + "".join(phases)


def faults(text: str, directory: Path | None = None) -> list[tuple[str, int]]:
    with pytest.raises(InvalidInput) as caught:
        load_plan(text, "p.yaml", directory)
    assert all(reason.fix for reason in caught.value.reasons)
    return [(reason.code, reason.line) for reason in caught.value.reasons]


def test_all_faults_are_told_at_once_in_order_of_lines() -> None:
    text = (
        "version: 1\nname: n\ncolour: red\nphases:\n"
        + phase("a", path="../x")
        + phase("b", needs="[nobody]")
        + phase("b", builder="{kind: patsh}")
    )
    assert faults(text) == [
        ("UNKNOWN_KEY", 3),
        ("PATH_ESCAPES", 5),
        ("UNKNOWN_DEPENDENCY", 6),
        ("PLAN_INVALID", 7),
        ("DUPLICATE_ID", 7),
    ]


def test_cycles_are_found() -> None:
    assert faults(plan(phase("a", needs="[b]"), phase("b", needs="[a]"))) == [("DEPENDENCY_CYCLE", 4)]


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "42", "{}", "a: b", "version: 1"])
def test_a_file_that_is_no_plan_is_told_as_that(text: str) -> None:
    assert faults(text) == [("NOT_A_PLAN", 1)]


def test_a_policy_given_as_plan_is_recognised() -> None:
    with pytest.raises(InvalidInput, match="looks like a policy"):
        load_plan("version: 1\nchecks: []\n", "autopack.yaml")


def test_a_plan_without_phases_is_refused() -> None:
    assert faults("version: 1\nname: n\nphases: []\n") == [("PLAN_INVALID", 3)]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ('"../x"', "PATH_ESCAPES"),
        ('"./.git/x"', "PATH_PROTECTED"),
        ('"a/../.git/x"', "PATH_ESCAPES"),
        ('"/etc/passwd"', "PATH_ESCAPES"),
        ('"a\\0b"', "PATH_INVALID"),
        ('"' + "x" * 5000 + '"', "PATH_TOO_LONG"),
    ],
)
def test_paths_that_escape_are_refused_in_scopes_and_in_files(path: str, code: str) -> None:
    assert faults(plan(phase(path=path))) == [(code, 4)]
    assert faults(plan(phase(builder=f"{{kind: patch, files: {{? {path} : text}}}}"))) == [(code, 4)]


def test_two_checks_of_one_name_are_refused() -> None:
    checks = "[{name: t, run: x}, {name: t, run: y}]"
    text = plan(phase().replace("}\n", f", checks: {checks}}}\n"))
    assert faults(text) == [("DUPLICATE_ID", 4)]


def test_a_patch_beside_the_plan_is_read(tmp_path: Path) -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    (tmp_path / "change.patch").write_text(diff)
    loaded = load_plan(plan(phase(builder="{kind: patch, diff: change.patch}")), "p.yaml", tmp_path)
    assert loaded.phases[0].builder == PatchBuilder(diff)


def test_a_patch_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = plan(phase(builder="{kind: patch, diff: nothing.diff}"))
    assert faults(text, tmp_path) == [("PATCH_NOT_FOUND", 4)]
    assert faults(text, None) == [("PATCH_NOT_FOUND", 4)]


def test_a_patch_must_stay_beside_the_plan(tmp_path: Path) -> None:
    directory = tmp_path / "plans"
    directory.mkdir()
    (tmp_path / "outside.patch").write_text("x")
    (directory / "link.patch").symlink_to(tmp_path / "outside.patch")
    for name in ("../outside.patch", "link.patch", f"{tmp_path}/outside.patch"):
        text = plan(phase(builder=f"{{kind: patch, diff: {name}}}"))
        assert faults(text, directory) == [("PATH_ESCAPES", 4)]


def test_a_patch_over_the_limit_or_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.patch").write_bytes(b"x" * (MAXIMUM_BYTES + 1))
    (tmp_path / "binary.patch").write_bytes(b"\xff\xfe")
    (tmp_path / "directory.patch").mkdir()
    for name, code in (
        ("big", "PATCH_TOO_LARGE"),
        ("binary", "PATCH_BINARY"),
        ("directory", "PATCH_NOT_FOUND"),
    ):
        text = plan(phase(builder=f"{{kind: patch, diff: {name}.patch}}"))
        assert faults(text, tmp_path) == [(code, 4)]


@pytest.mark.parametrize("word", ["on", "no", "yes", "off"])
def test_words_that_old_yaml_takes_for_booleans_are_words(word: str) -> None:
    assert load_plan(plan(phase()).replace("name: n", f"name: {word}"), "p").name == word
    assert faults(plan(phase()) + f"{word}: 1\n") == [("UNKNOWN_KEY", 5)]


def test_aliases_may_share_what_phases_have_in_common() -> None:
    text = "version: 1\nname: n\nphases:\n" + phase(path="&p src").replace("{kind", "&b {kind")
    text += phase("b", path="*p", builder="*b")
    first, second = load_plan(text, "p").phases
    assert first.scope == second.scope
    assert first.builder == second.builder


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
keys = st.sampled_from(
    ["id", "goal", "scope", "paths", "builder", "kind", "diff", "files", "use", "depends_on", "a"]
)
values = st.recursive(
    scalars | st.sampled_from(["patch", "command", "x.diff"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)


@given(
    st.dictionaries(st.sampled_from(["version", "name", "base", "land", "phases"]) | keys, values, max_size=6)
)
def test_no_document_raises_anything_but_our_own_errors(data: dict[str, object]) -> None:
    with suppress(AutopackError):
        load_plan(yaml.safe_dump(data, allow_unicode=True), "p.yaml", Path("/nonexistent"))


@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "goal", "scope", "builder"), values)))
)
def test_no_phases_raise_anything_but_our_own_errors(phases: list[dict[str, object]]) -> None:
    with suppress(AutopackError):
        load_plan(yaml.safe_dump({"version": 1, "name": "n", "phases": phases}), "p.yaml", None)
