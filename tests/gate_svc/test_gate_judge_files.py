"""A new test is fine; altering what decides is a change of category test_harness."""

import pytest

from autopack.policy.policy import Policy, load_policy
from gate_svc.domain.change import ChangedFile
from gate_svc.domain.facts import categories, risk_facts
from gate_svc.domain.judge_files import changed_judges, judge_reasons

POLICY = Policy()


def file(path: str, old: bytes | None, new: bytes | None) -> ChangedFile:
    return ChangedFile(path, 0 if old is None else 0o100644, 0 if new is None else 0o100644, old, new)


def judges(*files: ChangedFile, pinned: dict[str, bytes] | None = None) -> tuple[str, ...]:
    before = {each.path: each.old for each in files if each.old is not None} if pinned is None else pinned
    return changed_judges(files, before.get, POLICY)


def test_a_new_test_file_is_no_change_of_the_judge() -> None:
    assert judges(file("tests/test_new.py", None, b"")) == ()


def test_a_changed_or_deleted_test_file_is_one() -> None:
    assert judges(file("tests/test_a.py", b"1", b"2")) == ("tests/test_a.py",)
    assert judges(file("tests/test_a.py", b"1", None)) == ("tests/test_a.py",)


def test_product_code_is_none() -> None:
    assert judges(file("src/a.py", b"1", b"2")) == ()


def test_a_test_that_an_earlier_phase_of_the_run_has_added_is_still_new() -> None:
    assert judges(file("tests/test_new.py", b"1", b"2"), pinned={}) == ()


@pytest.mark.parametrize(
    "path",
    ["conftest.py", "src/deep/conftest.py", "pytest.ini", "sitecustomize.py", "Conftest.PY", "tox.ini"],
)
def test_what_starts_or_configures_the_tests_is_one_even_when_new(path: str) -> None:
    assert judges(file(path, None, b"x")) == (path,)


def test_only_what_project_files_say_on_tests_counts() -> None:
    old = b"[project]\nname = 'a'\n[tool.pytest.ini_options]\naddopts = '-q'\n"
    assert judges(file("pyproject.toml", old, old.replace(b"'a'", b"'b'"))) == ()
    assert judges(file("pyproject.toml", old, old.replace(b"-q", b"-p evil"))) == ("pyproject.toml",)
    assert judges(file("pyproject.toml", old, None)) == ("pyproject.toml",)
    assert judges(file("pyproject.toml", None, b"[project]\nname = 'a'\n")) == ()
    assert judges(file("pyproject.toml", old, b"[broken")) == ("pyproject.toml",)
    assert judges(file("setup.cfg", b"[metadata]\nname = a\n", b"[metadata]\nname = b\n")) == ()
    assert judges(file("setup.cfg", b"[metadata]\n", b"[tool:pytest]\naddopts = -p x\n")) == ("setup.cfg",)


def test_the_policy_names_the_judge() -> None:
    policy = load_policy("version: 1\njudge: {paths: [spec/**]}\n")
    changed = [file("spec/a_spec.rb", b"1", b"2"), file("tests/test_a.py", b"1", b"2")]
    assert changed_judges(changed, lambda _: b"1", policy) == ("spec/a_spec.rb",)


def test_many_changed_judges_are_listed_up_to_a_limit() -> None:
    reasons = judge_reasons(tuple(f"tests/test_{number:03}.py" for number in range(50)))
    assert len(reasons) == 21
    assert "30 more" in reasons[-1].message


def test_new_tests_are_not_found_to_be_of_category_test_harness() -> None:
    assert categories(["tests/test_new.py"], (), POLICY, "feature") == ("feature",)


def test_an_altered_judge_is_of_category_test_harness_whatever_is_declared() -> None:
    assert categories(["tests/test_a.py"], ("tests/test_a.py",), POLICY, "docs") == ("docs", "test_harness")


def test_categories_are_found_from_paths_and_a_declared_one_only_adds() -> None:
    assert categories(["requirements.txt"], (), POLICY, "docs") == ("dependency", "docs")


def test_risk_facts_of_an_ordinary_change() -> None:
    files = [
        file("src/a.py", b"1\n", b"1\n2\n"),
        file("tests/test_a.py", None, b"x\n"),
        file("deploy/Dockerfile", b"a\n", b"b\n"),
        file("LICENSE", b"a\n", b"b\n"),
    ]
    found = risk_facts(files, ("feature",), POLICY, ())
    assert found.product_lines == 1
    assert (found.added_lines, found.deleted_lines) == (4, 2)
    assert found.tests_changed
    assert found.licence_changed
    assert found.critical_paths == ("deploy/Dockerfile",)


def test_deleting_a_test_is_not_testing() -> None:
    assert not risk_facts([file("tests/test_a.py", b"1", None)], (), POLICY, ()).tests_changed
