"""Reads what an agent says of itself: the tokens that it spent and how it ended; anything may be in it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder_svc.builders.agent.adapter import Report


@dataclass(frozen=True, slots=True)
class Said:
    """What a report has."""

    input_tokens: int | None
    """None: it does not say."""
    output_tokens: int | None
    ended_well: bool
    end: str
    """What it says of its end, for people."""


def read_report(report: Report, content: bytes | None) -> Said:
    """A report that is missing or unreadable says nothing, which is no good end where one is asked for."""
    documents = list(_documents(report, content or b""))
    ends = [value for document in documents for value in _at(document, report.end)] if report.end else []
    return Said(
        _sum(documents, report.input_tokens),
        _sum(documents, report.output_tokens),
        not report.end or bool(ends and any(_same(ends[-1], good) for good in report.accepted)),
        json.dumps(ends[-1])[:500] if ends else "nothing",
    )


def _documents(report: Report, content: bytes) -> Iterator[Any]:
    for text in content.splitlines() if report.format == "json-lines" else [content]:
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            continue


def _at(document: Any, place: str) -> Iterator[Any]:
    found = [document]
    for key in place.split("."):
        found = [inner for outer in found for inner in _inside(outer, key)]
    yield from found


def _inside(value: Any, key: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values()) if key == "*" else [value[key]] if key in value else []
    return list(value) if isinstance(value, list) and key == "*" else []


def _sum(documents: list[Any], places: tuple[str, ...]) -> int | None:
    numbers = [
        value
        for document in documents
        for place in places
        for value in _at(document, place)
        if type(value) is int and 0 <= value < 2**53
    ]
    return sum(numbers) if numbers else None


def _same(value: Any, accepted: str | bool) -> bool:
    """`1` is not `true`."""
    return type(value) is type(accepted) and bool(value == accepted)
