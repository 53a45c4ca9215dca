"""`validate`, `schema` and `do --write-plan`: plans and policies as files."""

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml

from autopack.policy.plan import CommandBuilder, NamedBuilder, PatchBuilder, load_plan

PLAN = """\
version: 1
name: one
phases:
  - {id: a, goal: g, scope: {paths: [src/**]}, builder: {kind: command, run: "true"}}
"""


def test_a_valid_plan_and_a_valid_policy_are_told_apart_by_what_is_in_them(
    invoke: Any, tmp_path: Path
) -> None:
    (tmp_path / "one.yaml").write_text(PLAN)
    (tmp_path / "two.yaml").write_text("version: 1\nchecks: []\n")
    for name, kind in (("one", "plan"), ("two", "policy")):
        ended = invoke("validate", str(tmp_path / f"{name}.yaml"), "--json")
        assert ended.code == 0
        assert ended.json == {"schema": "validation/v1alpha1", "document": kind, "valid": True, "reasons": []}
        assert f"is a valid {kind}" in invoke("validate", str(tmp_path / f"{name}.yaml")).stdout


def test_an_invalid_document_ends_with_2_and_tells_every_reason_with_its_line(
    invoke: Any, tmp_path: Path
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN.replace("goal: g", "gaol: g") + "colour: red\n")
    ended = invoke("validate", str(path), "--json")
    assert ended.code == 2
    assert ended.json["valid"] is False
    assert {(reason["code"], reason["line"]) for reason in ended.json["reasons"]} == {
        ("UNKNOWN_KEY", 4),
        ("PLAN_INVALID", 4),
        ("UNKNOWN_KEY", 5),
    }
    assert ended.json["error"] in ended.json["reasons"]
    plain = invoke("validate", str(path))
    assert plain.code == 2
    assert f"error UNKNOWN_KEY {path}:4: phases[0]: unknown key `gaol`" in plain.stderr
    assert "did you mean `goal`?" in plain.stderr


@pytest.mark.parametrize(
    ("contents", "code"),
    [
        (b"", "NOT_A_PLAN"),
        (b"\xff\xfe", "NOT_UTF8"),
        (b"a: [", "YAML_INVALID"),
        (b"x" * (4 * 1024 * 1024 + 1), "PLAN_TOO_LARGE"),
    ],
)
def test_files_that_are_no_documents_are_told_as_that(
    invoke: Any, tmp_path: Path, contents: bytes, code: str
) -> None:
    path = tmp_path / "plan.yaml"
    path.write_bytes(contents)
    ended = invoke("validate", str(path), "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, code)


def test_a_file_that_is_not_there_or_is_a_directory_is_told(invoke: Any, tmp_path: Path) -> None:
    assert invoke("validate", str(tmp_path / "no.yaml"), "--json").json["error"]["code"] == "FILE_NOT_FOUND"
    assert invoke("validate", str(tmp_path), "--json").json["error"]["code"] == "FILE_UNREADABLE"


def test_text_in_a_document_cannot_steer_the_terminal(invoke: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN + '"\\e[31m": red\n')
    ended = invoke("validate", str(path))
    assert "\x1b" not in ended.stderr
    assert "x1b[31m" in ended.stderr


@pytest.mark.parametrize("document", ["plan", "policy"])
def test_schemas_are_printed(invoke: Any, document: str) -> None:
    schema = invoke("schema", document).json
    assert schema["schema"] == f"{document}-schema/v1alpha1"
    jsonschema.Draft202012Validator.check_schema(schema)
    if document == "plan":
        assert jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(PLAN))


def test_do_writes_a_plan_of_one_phase(invoke: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    ended = invoke(
        *("do", "Format the code, please: all of it!", "--builder", "command", "--run", "ruff format ."),
        *("--scope", "src/**", "--scope", "tests/**", "--check", "true", "--check", "make lint"),
        *("--write-plan", str(path)),
    )
    assert ended.code == 0
    assert f"autopack run {path}" in ended.stdout
    (phase,) = load_plan(path.read_text(), "plan.yaml").phases
    assert phase.id == "format-the-code-please-all-of-it"
    assert phase.goal == "Format the code, please: all of it!"
    assert phase.builder == CommandBuilder("ruff format .")
    assert phase.scope.paths == ("src/**", "tests/**")
    assert [check.run for check in phase.checks] == ["true", "make lint"]
    assert len({check.name for check in phase.checks}) == 2


def test_do_takes_a_named_builder_or_a_diff(invoke: Any, tmp_path: Path) -> None:
    diff = tmp_path / "change.diff"
    diff.write_text("--- a/x\n+++ b/x\n")
    for options, builder in (
        (["--builder", "claude"], NamedBuilder("claude")),
        (["--builder", "patch", "--diff", str(diff)], PatchBuilder("--- a/x\n+++ b/x\n")),
    ):
        path = tmp_path / f"{len(options)}.yaml"
        assert invoke("do", "äöü", "--scope", "x", *options, "--write-plan", str(path), "--json").code == 0
        assert load_plan(path.read_text(), "plan.yaml").phases[0].builder == builder


def test_do_overwrites_nothing_and_writes_nothing_invalid(invoke: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("mine")
    options = ["--builder", "claude", "--write-plan", str(path), "--json"]
    ended = invoke("do", "goal", "--scope", "x", *options)
    assert (ended.code, ended.json["error"]["code"]) == (2, "FILE_EXISTS")
    assert path.read_text() == "mine"
    other = [*options[:3], str(tmp_path / "new.yaml"), "--json"]
    ended = invoke("do", "goal", "--scope", "../x", *other)
    assert (ended.code, ended.json["error"]["code"]) == (2, "PATH_ESCAPES")
    assert not (tmp_path / "new.yaml").exists()


def test_every_document_is_ascii_whatever_is_in_it(invoke: Any, tmp_path: Path) -> None:
    path = tmp_path / "plän.yaml"
    path.write_text("ü: [")
    ended = invoke("validate", str(path), "--json")
    assert ended.stdout.isascii()
    assert json.loads(ended.stdout)["error"]["path"] == str(path)
