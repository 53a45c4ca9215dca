"""How an answer is chosen: by both rankings, what counts now first, whole passages within the budget."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from memory_svc.domain.documents import Passage, Trust
from memory_svc.domain.recall import Hit, fuse, lift_successors, missing_successors, select

TIME = datetime(2026, 1, 31, tzinfo=UTC)


def passage(
    entry_id: str, text: str = "", trust: Trust = Trust.ACCEPTED, successor: str = "", number: int = 0
) -> Passage:
    return Passage(number, text or entry_id, "docs/x.md", entry_id, trust, TIME, "", successor)


def old(entry_id: str, successor: str) -> Passage:
    return passage(entry_id, trust=Trust.SUPERSEDED, successor=successor)


A, B, C = (passage(f"DEC-000{n}") for n in (1, 2, 3))


def names(hits: list[Hit]) -> list[str]:
    return [hit.passage.entry_id for hit in hits]


def test_what_both_rankings_know_beats_what_one_prefers() -> None:
    hits = fuse([[A, B], [C, B]])

    assert hits[0].passage == B
    assert hits[0].score == 2 / 62


def test_ties_are_broken_the_same_way_every_time() -> None:
    assert fuse([[A], [C]]) == fuse([[C], [A]])


def test_an_empty_ranking_leaves_the_other_one() -> None:
    assert names(fuse([[A, B], []])) == names(fuse([[], [A, B]])) == ["DEC-0001", "DEC-0002"]
    assert fuse([[], []]) == []


def test_a_successor_stands_above_what_it_supersedes() -> None:
    hits = fuse([[old("DEC-0009", "DEC-0003"), A, C]])

    assert missing_successors(hits) == frozenset()
    assert names(lift_successors(hits, {})) == ["DEC-0003", "DEC-0009", "DEC-0001"]


def test_a_successor_that_was_not_found_is_brought_in() -> None:
    hits = fuse([[old("DEC-0009", "DEC-0003"), A]])

    assert missing_successors(hits) == {"DEC-0003"}
    assert names(lift_successors(hits, {"DEC-0003": C})) == ["DEC-0003", "DEC-0009", "DEC-0001"]
    assert names(lift_successors(hits, {})) == ["DEC-0009", "DEC-0001"]


def test_whole_passages_fill_the_budget() -> None:
    hits = fuse([[passage("1", "a" * 60), passage("2", "b" * 60), passage("3", "c" * 40)]])

    assert [hit.passage.entry_id for hit in select(hits, top_k=3, max_chars=100)] == ["1", "3"]
    assert [hit.passage.entry_id for hit in select(hits, top_k=1, max_chars=100)] == ["1"]
    assert select(hits, top_k=3, max_chars=10) == ()


def test_the_same_text_is_told_once() -> None:
    hits = fuse([[passage("1", "same"), passage("2", "same"), passage("3", "other")]])

    assert [hit.passage.entry_id for hit in select(hits, 3, 100)] == ["1", "3"]


passages = st.lists(
    st.builds(passage, st.sampled_from("abcdefgh"), st.text(min_size=1, max_size=50)),
    unique=True,
    max_size=20,
)


@given(passages, passages, st.integers(0, 10), st.integers(0, 200))
def test_an_answer_keeps_to_its_limits(
    first: list[Passage], second: list[Passage], top_k: int, max_chars: int
) -> None:
    chosen = select(lift_successors(fuse([first, second]), {}), top_k, max_chars)

    assert len(chosen) <= top_k
    assert sum(len(hit.passage.text) for hit in chosen) <= max_chars
    assert [hit.score for hit in chosen] == sorted((hit.score for hit in chosen), reverse=True)
    assert {hit.passage for hit in chosen} <= {*first, *second}
