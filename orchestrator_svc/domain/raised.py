"""What a failed check complained of, as its output ends: exceptions, and where they were raised."""

import re
from collections.abc import Iterator

from autopack.errors import Reason

MOST = 3
"""Told of one check."""
LENGTH = 300
"""Characters of one message; the output is anybody's."""

# As Python prints it, with pytest's margin or without.
_RAISED = re.compile(
    r"^(?:E +)?((?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Failure|Interrupt|Timeout)(?::.*)?)$", re.MULTILINE
)
_PLACE = re.compile(r"^([\w][\w./-]*\.\w+):(\d+): ([A-Z]\w*)$", re.MULTILINE)


def raised(check: str, output: str) -> Iterator[Reason]:
    """A reason `CHECK_RAISED` for each exception of the output, with the project's file that raised it."""
    places = {name: (path, int(line)) for path, line, name in _PLACE.findall(output) if ".." not in path}
    for said in list(dict.fromkeys(found.strip() for found in _RAISED.findall(output)))[:MOST]:
        name = said.partition(":")[0].rpartition(".")[2]
        path, line = places.get(name, ("", 0))
        yield Reason("CHECK_RAISED", f"check {check}: {said[:LENGTH]}", "mend its cause", path, line)
