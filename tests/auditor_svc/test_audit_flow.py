"""Rules of our own: each finds what it is for, and leaves alone what is nearly the same and harmless."""

from pathlib import Path

import pytest
import yaml

from auditor_svc.flow import analysis
from auditor_svc.flow.analysis import TooComplex
from auditor_svc.flow.rules import RULES
from auditor_svc.flow.scan import detect, scan

CASES = yaml.safe_load((Path(__file__).parent / "flow_cases.yaml").read_text("utf-8"))


def _python_rules() -> list[str]:
    documents = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(RULES.glob("*.yaml"))]
    return [rule["id"] for document in documents for rule in document.get("rules", ())]


def _found(source: str) -> set[str]:
    return {item.rule.id for item in detect(source.encode())}


@pytest.mark.parametrize("rule", _python_rules())
def test_a_rule_finds_its_weakness_and_spares_the_near_miss(rule: str) -> None:
    for source in CASES[rule]["bad"]:
        assert rule in _found(source), source
    for source in CASES[rule]["good"]:
        assert rule not in _found(source), source
    assert CASES[rule]["bad"]
    assert CASES[rule]["good"]


def test_every_case_is_of_a_rule() -> None:
    assert set(CASES) == set(_python_rules())


def test_a_flow_through_functions_of_the_file_is_followed() -> None:
    source = (
        "import flask, os\n"
        "def prepare(name):\n    return 'data/' + name.strip()\n"
        "def remove(path):\n    os.remove(path)\n"
        "def handler():\n    remove(prepare(flask.request.args['n']))\n"
    )
    assert [(item.rule.id, item.line) for item in detect(source.encode())] == [("path-traversal", 5)]


def test_a_function_that_nobody_untrusted_calls_is_left_alone() -> None:
    assert _found("import os\ndef remove(path):\n    os.remove(path)\nremove('a')\n") == set()


def test_what_was_cleaned_in_one_branch_alone_is_found() -> None:
    source = (
        "import flask, html\napp = flask.Flask('x')\n"
        "@app.route('/')\ndef f():\n    n = flask.request.args['n']\n"
        "    if len(n) > 3:\n        n = html.escape(n)\n    return 'Hi ' + n\n"
    )
    assert "cross-site-scripting" in _found(source)


def test_a_sanitiser_of_another_weakness_does_not_help() -> None:
    source = "import flask, html, os\ndef f():\n    os.system('x ' + html.escape(flask.request.args['n']))\n"
    assert "command-injection" in _found(source)


def test_recursion_and_mutual_calls_end() -> None:
    assert _found("def a(x):\n    return b(x)\ndef b(x):\n    return a(x)\na(input())\n") == set()


def test_a_file_beyond_the_limit_is_said_to_be_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "MAXIMUM_STEPS", 100)
    with pytest.raises(TooComplex):
        detect(b"x = [" + b"f(1), " * 200 + b"]\n")


def test_in_tests_nothing_is_worse_than_low() -> None:
    source = b"import pytest\nimport hashlib\ndef test_it():\n    hashlib.md5(b'')\n"
    assert {item["severity"][0] for item in scan("tests/test_it.py", source)} == {"low"}
    assert "medium" in {item["severity"][0] for item in scan("src/it.py", source)}
    program = b"import hashlib\nhashlib.md5(b'')\n"
    assert {item["severity"][0] for item in scan("tests/it.py", program)} == {"medium"}
