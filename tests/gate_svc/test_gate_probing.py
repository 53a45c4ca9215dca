"""Mutants of changed lines, and what calls beyond the tests' own say of a change."""

import ast
import base64
import json
from collections.abc import Mapping
from typing import Any

from autopack.policy.plan import Check
from gate_svc.domain.probing.mutants import Instrumented, changed_lines, instrument, mutants
from gate_svc.domain.probing.probed import Probed, from_document, read_probed, to_document
from gate_svc.domain.probing.rulings import probe_rulings
from gate_svc.domain.ruling import Weight

CHECK = Check("tests", "python -m pytest -q", "pytest")

OLD = b'''"""Doc."""


def first(values):
    return values[0]


def limit(value):
    return value
'''
NEW = b'''"""Doc."""


def first(values):
    return values[0]


def limit(value):
    """At most nine."""
    if value < 10 and value:
        return value
    return 9
'''


def test_only_changed_lines_have_mutants() -> None:
    lines = changed_lines(OLD, NEW)
    assert lines == {9, 10, 11, 12}
    found, possible = instrument({"a.py": (OLD, NEW)}, b"seed", 100)
    made = found["a.py"].mutants
    assert len(made) == possible
    assert {mutant.line for mutant in made} == {10, 11, 12}
    assert {(mutant.before, mutant.after) for mutant in made} >= {
        ("value < 10", "value <= 10"),
        ("value < 10 and value", "value < 10 or value"),
        ("9", "10"),
    }


def test_which_mutants_are_drawn_depends_on_a_seed_that_is_not_known() -> None:
    drawn = {
        tuple(
            mutant.before + mutant.after
            for mutant in instrument({"a.py": (OLD, NEW)}, seed, 3)[0]["a.py"].mutants
        )
        for seed in (b"a", b"b", b"c", b"d")
    }
    assert len(drawn) > 1
    again = [instrument({"a.py": (OLD, NEW)}, b"a", 3) for _ in range(2)]
    assert again[0] == again[1]


def test_an_instrumented_source_does_as_before_and_each_switch_makes_one_mutant() -> None:
    found, _ = instrument({"a.py": (OLD, NEW)}, b"seed", 100)

    def results(on: int) -> list[Any]:
        class Switch:
            def __call__(self, number: int) -> bool:
                return number == on

            @staticmethod
            def call(function: Any) -> Any:
                return function

        names: dict[str, Any] = {"_autopack_probe": Switch()}
        exec(compile(found["a.py"].source, "a.py", "exec"), names)
        return [names["limit"](value) for value in (0, 5, 9, 10, 11)]

    plain: dict[str, Any] = {}
    exec(compile(NEW, "a.py", "exec"), plain)
    usual = [plain["limit"](value) for value in (0, 5, 9, 10, 11)]
    assert results(-1) == usual
    different = [mutant for mutant in found["a.py"].mutants if results(mutant.number) != usual]
    assert len(different) == len(found["a.py"].mutants)


def test_each_mutant_is_one_source_of_its_own() -> None:
    made = mutants(NEW, "a.py", range(1, 20))
    assert len({source for _, source in made}) == len(made)
    for _, source in made:
        ast.parse(source)


def report(*records: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps({"event": "probe", "session": "probe", **each}).encode() for each in records)


def call(tree: str, value: int, *, given: str = "12345", near: int = 0, **more: Any) -> dict[str, Any]:
    outcome = ["value", ["i", hex(value)]]
    which = base64.b64encode(given.encode()).decode()
    return {
        "function": "a.limit",
        "call": which,
        "near": near,
        "tree": tree,
        "given": f"{given}+{near}",
        "outcome": outcome,
        **more,
    }


def seen(value: int) -> list[Any]:
    return ["value", ["i", hex(value)]]


FILES: Mapping[str, Instrumented] = instrument({"a.py": (OLD, NEW)}, b"seed", 100)[0]


def read(*records: dict[str, Any]) -> Probed:
    found = read_probed(report(*records), FILES, "5eed", 9)
    assert found is not None
    return found


def codes(probed: Probed, survivors: str = "inform", refactoring: bool = False) -> list[tuple[str, Weight]]:
    rulings = probe_rulings(CHECK, probed, survivors, refactoring)
    return [(ruling.reason.code, ruling.weight) for ruling in rulings]


def test_mutants_are_counted_and_survivors_named() -> None:
    numbers = [mutant.number for mutant in FILES["a.py"].mutants]
    first, second, third, *others = numbers
    probed = read(
        {"mutant": first, "outcome": "killed"},
        {"mutant": second, "outcome": "survived"},
        {"mutant": third, "outcome": "not_reached"},
        {"reached": sorted(FILES["a.py"].lines)[:2], "complete": True},
    )
    assert (probed.killed, probed.survived, probed.not_reached, probed.not_tried) == (1, 1, 1, len(others))
    assert probed.survivors[0].startswith("a.py:")
    assert (probed.changed_lines, probed.reached_lines) == (3, 2)
    assert from_document(to_document(probed)) == probed
    assert codes(probed) == []
    assert codes(probed, "ask") == [("MUTANTS_SURVIVED", Weight.ASK)]
    assert codes(probed, "refuse") == [("MUTANTS_SURVIVED", Weight.REFUSE)]


def test_where_not_all_tests_could_run_nothing_is_said_of_lines() -> None:
    assert read({"reached": [], "complete": False}).changed_lines == 0


def test_what_cannot_be_read_says_nothing() -> None:
    assert read_probed(b"no json", FILES, "5eed", 9) is None


def test_a_call_that_comes_out_otherwise_where_no_tests_run_asks() -> None:
    probed = read(call("head", 0, seen=seen(5)), call("base", 5, seen=seen(5)))
    assert codes(probed)[0] == ("DIFFERS_OUTSIDE_TESTS", Weight.ASK)


def test_what_is_otherwise_outside_on_the_base_too_says_nothing() -> None:
    assert codes(read(call("head", 0, seen=seen(5)), call("base", 0, seen=seen(5)))) == []


def test_a_fix_that_mends_only_while_tests_run_asks() -> None:
    base = [call("base", 0, seen=seen(5)), call("within", 0)]
    assert codes(read(call("head", 0, seen=seen(5)), *base))[0][0] == "DIFFERS_OUTSIDE_TESTS"


def test_what_depends_on_where_it_runs_says_nothing() -> None:
    base = [call("base", 3, seen=seen(5)), call("within", 4)]
    assert codes(read(call("head", 3, seen=seen(5)), *base)) == []


def test_an_answer_for_one_input_alone_asks() -> None:
    near = [call(tree, 1, near=n) for n in range(1, 6) for tree in ("head", "base")]
    probed = read(call("head", 5, seen=seen(5)), call("base", 1, seen=seen(5)), *near)
    assert ("ANSWER_COPIED", Weight.ASK) in codes(probed)


def test_a_mended_edge_case_is_no_copied_answer() -> None:
    near = [call(tree, 1, given="0", near=n) for n in range(1, 6) for tree in ("head", "base")]
    probed = read(call("head", 5, given="0", seen=seen(5)), call("base", 1, given="0", seen=seen(5)), *near)
    assert codes(probed) == []


def test_what_is_right_only_where_tests_look_asks() -> None:
    near = [call(tree, n * (tree == "head"), near=n) for n in range(1, 6) for tree in ("head", "base")]
    probed = read(call("head", 5, seen=seen(5)), call("base", 5, seen=seen(5)), *near)
    assert codes(probed) == [("DIFFERS_BEYOND_TESTS", Weight.ASK)]


def test_what_differs_where_tests_look_too_is_told_and_of_a_refactoring_asks() -> None:
    near = [call(tree, n * (tree == "head"), near=n) for n in range(1, 6) for tree in ("head", "base")]
    probed = read(call("head", 5, seen=seen(5)), call("base", 6, seen=seen(5)), *near)
    assert codes(probed) == [("BEHAVIOUR_DIFFERS", Weight.NOTE)]
    assert codes(probed, refactoring=True) == [("DIFFERS_BEYOND_TESTS", Weight.ASK)]
