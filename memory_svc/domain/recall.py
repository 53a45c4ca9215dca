"""Chooses what to answer: two rankings become one, what counts now stands above what it superseded, and
whole passages fill the budget."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memory_svc.domain.documents import Passage, Trust

RANK_CONSTANT = 60
"""Of reciprocal rank fusion, as in the paper that proposed it (Cormack et al., 2009)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its score, comparable within one answer only."""

    score: float
    passage: Passage


def fuse(rankings: Iterable[Sequence[Passage]]) -> list[Hit]:
    """One ranking out of many, best first, by the sum of reciprocal ranks; ties by place and text."""
    scores: dict[Passage, float] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            scores[passage] = scores.get(passage, 0.0) + 1 / (RANK_CONSTANT + rank)
    return _sorted(Hit(score, passage) for passage, score in scores.items())


def missing_successors(hits: Iterable[Hit]) -> frozenset[str]:
    """Ids of entries that count instead of ones found, and were not found themselves."""
    hits = tuple(hits)
    return frozenset(hit.passage.successor for hit in hits if hit.passage.successor) - {
        hit.passage.entry_id for hit in hits
    }


def lift_successors(hits: Sequence[Hit], successors: Mapping[str, Passage]) -> list[Hit]:
    """The ranking with each superseded passage right below, or far below, what counts instead.

    `successors` has a passage for each entry that `missing_successors` named; one that is gone is left out.
    """
    owed: dict[str, float] = {}
    for hit in hits:
        if hit.passage.successor:
            owed[hit.passage.successor] = max(hit.score, owed.get(hit.passage.successor, 0.0))
    lifted = [Hit(max(hit.score, owed.get(hit.passage.entry_id, 0.0)), hit.passage) for hit in hits]
    return _sorted([*lifted, *(Hit(owed[entry_id], passage) for entry_id, passage in successors.items())])


def select(hits: Sequence[Hit], top_k: int, max_chars: int) -> tuple[Hit, ...]:
    """The best passages that fit, whole, at most `top_k`; one text is told once."""
    chosen: list[Hit] = []
    texts: set[str] = set()
    for hit in hits:
        text = hit.passage.text
        if len(chosen) < top_k and len(text) <= max_chars and text not in texts:
            chosen.append(hit)
            texts.add(text)
            max_chars -= len(text)
    return tuple(chosen)


def _sorted(hits: Iterable[Hit]) -> list[Hit]:
    def rank(hit: Hit) -> tuple[float, bool, str, int, str]:
        one = hit.passage
        return -hit.score, one.trust is Trust.SUPERSEDED, one.source, one.number, one.text

    return sorted(hits, key=rank)
