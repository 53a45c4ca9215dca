"""The project's own code as passages, cut where its definitions begin."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from memory_svc.domain.chunks import chunk
from memory_svc.domain.documents import CODE, Passage, Trust
from memory_svc.domain.store import SourceFile

MOST = 5000
"""Passages of one project: a larger one is better served by the tools made for that."""
LANGUAGES = re.compile(
    r"\.(c|cc|clj|cpp|cs|dart|ex|erl|go|h|hpp|hs|java|jl|js|jsx|kt|lua|m|ml|php|pl|proto|ps1|py|pyi|r|rb|rs"
    r"|scala|sh|sql|svelte|swift|tf|ts|tsx|vue|zig)",
    re.IGNORECASE,
)
"""By suffix; the ledgers have the words, and data is no code."""

_DEFINITIONS = ("\ndef ", "\nasync def ", "\nclass ", "\nfunc ", "\nfn ", "\nfunction ", "\n\n", "\n", " ")
_UNDATED = datetime.min.replace(tzinfo=UTC)


def passages_of_code(files: Iterable[SourceFile], limit: int) -> Iterator[Passage]:
    """Passages of at most `limit` characters, each under its file's path; at most MOST."""
    left = MOST
    for file in files:
        if not LANGUAGES.fullmatch(PurePosixPath(file.path).suffix):
            continue
        for number, text in enumerate(chunk(file.path, file.text, limit, marks=_DEFINITIONS)):
            if left == 0:
                return
            left -= 1
            # Neither commit nor time: what did not change is not embedded again.
            yield Passage(number, text, file.path, "", Trust.ACCEPTED, _UNDATED, "", "", CODE)
