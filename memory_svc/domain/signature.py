"""The signature of a failure, by which it is known again: exceptions, test ids and code paths."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from autopack.errors import Reason

T = TypeVar("T")
MOST = 20
"""Parts of a signature that an entry holds."""

_EXCEPTION = re.compile(r"\b[A-Z][A-Za-z0-9]*(?:Error|Exception|Failure|Interrupt|Timeout)\b")
_PATH = r"(?:[\w.-]+/)*[\w-]+\.(?:py|pyi|js|jsx|ts|tsx|go|rs|rb|java|kt|c|cc|cpp|h|hpp|cs|php|sh|sql)\b"
_TEST = re.compile(rf"{_PATH}(?:::\w[\w.-]*)+")
_FILE = re.compile(_PATH)


def signature(text: str) -> frozenset[str]:
    """Every exception, test id and path that the text names; backslashes of Markdown do not count."""
    text = text.replace("\\", "")
    return frozenset((*_EXCEPTION.findall(text), *_TEST.findall(text), *_FILE.findall(text)))


def signature_of(reasons: Iterable[Reason], paths: Iterable[str]) -> tuple[str, ...]:
    """The signature of what was refused for these reasons, and of what mended it; sorted."""
    said = [part for reason in reasons for part in (reason.message, reason.path)]
    return tuple(sorted(signature("\n".join((*said, *paths)))))[:MOST]


def by_signature(query: str, passages: Iterable[T], text: Callable[[T], str]) -> Sequence[T]:
    """Those that show the query's failure again, the most alike first.

    Alike is the same test, or the same exception; a path alone is where a thing happened, not what.
    """
    wanted = signature(query)
    what = {part for part in wanted if "::" in part or "." not in part}
    if not what:
        return ()
    marked = ((signature(text(passage)), passage) for passage in passages)
    alike = [(len(wanted & marks), passage) for marks, passage in marked if what & marks]
    return [passage for _, passage in sorted(alike, key=lambda one: -one[0])]
