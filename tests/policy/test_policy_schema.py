"""The JSON Schemas accept what the reader accepts, and refuse what it refuses."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml

from autopack.policy.schema import json_schema


def sibling(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLAN: str = sibling("test_plan_contract").CONTRACT
POLICY: str = sibling("test_policy_contract").CONTRACT


def valid(document: Any, data: object) -> bool:
    schema = json_schema(document)
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(data))


def test_the_contracts_examples_are_valid() -> None:
    assert valid("plan", yaml.safe_load(PLAN))
    assert valid("policy", yaml.safe_load(POLICY))


@pytest.mark.parametrize(
    "builder",
    [
        {"kind": "patch", "diff": "x"},
        {"kind": "patch", "files": {"a": "b", "c": None}},
        {"kind": "command", "run": "x"},
        {"kind": "replay", "of": "x"},
        {"use": "x"},
    ],
)
def test_every_builder_is_valid(builder: dict[str, object]) -> None:
    plan = yaml.safe_load(PLAN)
    plan["phases"][0]["builder"] = builder
    assert valid("plan", plan)


@pytest.mark.parametrize(
    "builder",
    [{}, {"kind": "patsh"}, {"diff": "x"}, {"kind": "command"}, {"use": "x", "kind": "repair"}, "repair"],
)
def test_what_is_no_builder_is_invalid(builder: object) -> None:
    plan = yaml.safe_load(PLAN)
    plan["phases"][0]["builder"] = builder
    assert not valid("plan", plan)


@pytest.mark.parametrize("document", ["plan", "policy"])
def test_unknown_keys_and_versions_are_invalid(document: str) -> None:
    data = yaml.safe_load(PLAN if document == "plan" else POLICY)
    assert not valid(document, {**data, "gaol": 1})
    assert not valid(document, {**data, "version": 2})
    assert not valid(document, {key: value for key, value in data.items() if key != "version"})
