"""Tests keep what they compute and lose what they expect; what they send is judged by exact values."""

from typing import Any

import pytest

from gate_svc.domain.blinding.blind import blind
from gate_svc.domain.blinding.compare import Opaque, holds
from gate_svc.domain.blinding.judge import judge
from gate_svc.domain.evidence import DoubtKind, Evidence, Outcome, Proof

KEY = b"key"


def blinded(source: str) -> str:
    made = blind(source.encode(), "test_a.py", KEY)
    assert made is not None
    compile(made.source, "test_a.py", "exec")
    assert made.source.count(b"\n") == source.count("\n")  # tracebacks keep their lines
    return made.source.decode()


@pytest.mark.parametrize(
    "source",
    [
        "def test_a():\n    assert f(1) == 4711\n",
        "def test_a():\n    assert 4711 == f(1) and f(2)\n",
        "def test_a():\n    want = 4711\n    assert f(1) == want\n",
        "WANT = 4711\n\n\ndef test_a():\n    assert f(1) == WANT\n",
        "@pytest.mark.parametrize('a, b', [(1, 4711)])\ndef test_a(a, b):\n    assert f(a) == b\n",
        "@mark.parametrize('a, b', [pytest.param(1, 4711)])\ndef test_a(a, b):\n    assert f(a) == b\n",
        "def test_a():\n    for a, b in [(1, 4711)]:\n        assert f(a) == b\n",
        "class T(TestCase):\n    def test_a(self):\n        self.assertEqual(\nf(1),\n4711)\n",
        "def test_a():\n    assert f(1) == pytest.approx(4711)\n",
        "def test_a():\n    with pytest.raises(ValueError, match='4711'):\n        f(1)\n",
    ],
)
def test_an_expectation_does_not_enter(source: str) -> None:
    assert "4711" not in blinded(source)


@pytest.mark.parametrize(
    "source",
    [
        "def test_a():\n    want = 4711\n    g(want)\n    assert f(1) == want\n    assert h()\n",
        "@pytest.mark.parametrize('a', [4711])\ndef test_a(a):\n    assert f(a) == a\n",
        "def test_a():\n    try:\n        assert f() == 4711\n    except E:\n        pass\n    assert h()\n",
    ],
)
def test_what_the_test_itself_needs_stays(source: str) -> None:
    assert "4711" in blinded(source)


def test_a_file_that_asserts_nothing_that_is_understood_is_left_alone() -> None:
    assert blind(b"def test_a():\n    look(1)\n", "test_a.py", KEY) is None


@pytest.mark.parametrize(
    ("operation", "shown", "expected", "answer"),
    [
        ("eq", ["i", "0x4"], 4, True),
        ("eq", ["f", "0x1.0p+2"], 4, True),
        ("eq", ["i", "0x5"], 4, False),
        ("eq", ["u", "shop.Anything", ["i", "0x5"]], 4, False),
        ("eq", ["l", [["s", "a"]]], ["a"], True),
        ("eq", ["t", [["s", "a"]]], ["a"], False),
        ("in", ["i", "0x1"], (1, 2), True),
        ("contains", ["s", "abc"], "b", True),
        ("is", ["i", "0x1"], True, False),
        ("false", ["l", []], None, True),
        ("true", ["o", "shop.Line", [], True], None, True),
    ],
)
def test_values_are_judged_by_what_they_are(operation: str, shown: Any, expected: Any, answer: bool) -> None:
    assert holds(operation, shown, expected) is answer


@pytest.mark.parametrize("shown", [["o", "shop.Anything", [], True], ["big"], ["cycle"], ["i"], "x", {}, 3])
def test_what_is_no_value_of_a_built_in_type_equals_nothing_here(shown: Any) -> None:
    with pytest.raises(Opaque):
        holds("eq", shown, 4)


SOURCE = b"def test_a():\n    assert f(1) == 4\n\n\ndef test_b():\n    assert f(1) == g(1)\n"


def judged(*values: tuple[str, int, Any]) -> Evidence:
    made = blind(SOURCE, "test_a.py", KEY)
    assert made is not None
    sites = list(made.sites)
    tests = {f"test_a.py::{name}": Outcome.PASSED for name in ("test_a", "test_b")}
    sent = [(f"test_a.py::{test}", sites[site], None, shown) for test, site, shown in values]
    return judge(Evidence(tests=tests), sent, {"test_a.py": made})


FOUR, FIVE = ["i", "0x4"], ["i", "0x5"]


def test_right_values_prove_their_tests() -> None:
    evidence = judged(("test_a", 0, FOUR), ("test_b", 1, FIVE), ("test_b", 2, FIVE))
    assert evidence.doubts == {}
    assert evidence.proofs == {"test_a.py::test_a": Proof.BLIND, "test_a.py::test_b": Proof.COMPARED}


def test_a_wrong_value_an_unequal_one_and_a_missing_one_are_told() -> None:
    evidence = judged(("test_a", 0, FIVE), ("test_b", 1, FIVE), ("test_b", 2, FOUR))
    assert {doubt.kind for doubt in evidence.doubts.values()} == {DoubtKind.WRONG}
    assert judged().doubts["test_a.py::test_a"].kind is DoubtKind.MISSING
    assert (
        judged(("test_a", 0, ["o", "x.Y", [], True])).doubts["test_a.py::test_a"].kind is DoubtKind.UNJUDGED
    )
