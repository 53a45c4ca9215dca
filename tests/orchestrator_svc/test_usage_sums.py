"""What attempts have spent, added up: an unknown price stays unknown."""

import itertools

import pytest

from orchestrator_svc.domain.run import Usage

PATCH = Usage(1.0)
KNOWN = Usage(1.0, 10, 5, 0.25)
FREE = Usage(1.0, 10, 5, 0.0)
UNKNOWN = Usage(1.0, 10, 5)


@pytest.mark.parametrize(
    ("used", "usd"),
    [
        ((PATCH, PATCH), None),
        ((PATCH, KNOWN), 0.25),
        ((FREE, PATCH), 0.0),
        ((KNOWN, KNOWN, FREE), 0.5),
        ((KNOWN, UNKNOWN), None),
        ((KNOWN, UNKNOWN, KNOWN, PATCH), None),
    ],
)
def test_dollars_are_known_where_all_of_them_are(used: tuple[Usage, ...], usd: float | None) -> None:
    for order in itertools.permutations(used):
        assert sum(order, Usage()).usd == usd
