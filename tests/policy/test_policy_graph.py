"""The graph of phases: one deterministic order, and every fault told."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from autopack.policy.graph import faults, order


@dataclass(frozen=True)
class Node:
    id: str
    depends_on: tuple[str, ...] = ()


def codes(*phases: Node) -> list[str]:
    return [fault.reason.code for fault in faults([(phase.id, phase.depends_on) for phase in phases])]


@st.composite
def acyclic(draw: st.DrawFn) -> list[Node]:
    count = draw(st.integers(1, 12))
    nodes = [
        Node(f"p{i}", tuple(f"p{j}" for j in range(i) if draw(st.booleans()) and draw(st.booleans())))
        for i in range(count)
    ]
    return draw(st.permutations(nodes))


def test_ties_land_as_written() -> None:
    assert order([Node("c"), Node("a"), Node("b")]) == ("c", "a", "b")


def test_a_diamond_lands_between_its_ends() -> None:
    phases = [Node("end", ("right", "left")), Node("left", ("top",)), Node("right", ("top",)), Node("top")]
    assert order(phases) == ("top", "left", "right", "end")


def test_a_phase_lands_as_early_as_its_place_in_the_plan_allows() -> None:
    assert order([Node("a", ("c",)), Node("b"), Node("c")]) == ("b", "c", "a")


def test_a_cycle_is_printed() -> None:
    with pytest.raises(InvalidInput) as caught:
        order([Node("x"), Node("a", ("b",)), Node("b", ("c",)), Node("c", ("a",))])
    reason = caught.value.reasons[0]
    assert reason.code == "DEPENDENCY_CYCLE"
    assert "a -> b -> c -> a" in reason.message


def test_a_phase_that_depends_on_itself_is_a_cycle() -> None:
    assert codes(Node("a", ("a",))) == ["DEPENDENCY_CYCLE"]


def test_unknown_names_say_which_one_is_nearest() -> None:
    found = next(faults([("build", ()), ("docs", ("biuld",))]))
    assert (found.index, found.dependency, found.reason.code) == (1, 0, "UNKNOWN_DEPENDENCY")
    assert "`build`" in found.reason.fix


def test_duplicates_are_told() -> None:
    assert codes(Node("a"), Node("a")) == ["DUPLICATE_ID"]
    assert codes(Node("a"), Node("b", ("a", "a"))) == ["DUPLICATE_DEPENDENCY"]


def test_ten_thousand_phases_in_a_chain_are_ordered_without_recursion() -> None:
    chain = [Node("p0")] + [Node(f"p{i}", (f"p{i - 1}",)) for i in range(1, 10_000)]
    assert order(chain)[-1] == "p9999"
    assert codes(*chain[1:], Node("p0", ("p9999",))) == ["DEPENDENCY_CYCLE"]


@given(acyclic())
def test_the_order_respects_dependencies_and_is_the_same_every_time(phases: list[Node]) -> None:
    result = order(phases)
    assert sorted(result) == sorted(phase.id for phase in phases)
    for phase in phases:
        assert all(result.index(name) < result.index(phase.id) for name in phase.depends_on)
    assert order(phases) == result


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from("abcde"), max_size=3)), max_size=5)
)
def test_any_graph_either_has_an_order_or_a_fault(edges: list[tuple[str, list[str]]]) -> None:
    phases = [Node(name, tuple(names)) for name, names in edges]
    if codes(*phases):
        with pytest.raises(InvalidInput):
            order(phases)
    else:
        assert len(order(phases)) == len(phases)
