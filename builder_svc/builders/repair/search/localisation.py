"""Where the fault may be: lines that failing tests run and passing ones do not (Ochiai's coefficient)."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from .judging import Observation
from .source import Source

Suspicion = dict[tuple[str, int], float]


def suspicion(observations: Sequence[Observation], sources: Mapping[str, Source]) -> Suspicion:
    """By path and line, from 0 to 1; every line of a statement counts as its first does.

    Empty where no failing test was seen to run a line in scope.
    """
    failing: dict[tuple[str, int], int] = defaultdict(int)
    passing: dict[tuple[str, int], int] = defaultdict(int)
    total = 0
    for observation in observations:
        if observation.outcome == "skipped":
            continue
        failed = observation.outcome != "passed"
        total += failed
        counts = failing if failed else passing
        for path, lines in observation.lines.items():
            for line in lines:
                counts[path, line] += 1
    found = {
        place: count / math.sqrt(total * (count + passing.get(place, 0))) for place, count in failing.items()
    }
    for path, source in sources.items():
        _spread(path, source, found)
    return found


def _spread(path: str, source: Source, found: Suspicion) -> None:
    """To lines that Python does not name (the rest of a statement), and to those just beside code that ran.

    A missing statement stands on no line: it belongs to what is next to it.
    """
    ran = {line: value for (known, line), value in found.items() if known == path}
    if not ran:
        return
    for line in range(1, source.line_of(len(source.text)) + 2):
        if line not in ran:
            above = max((ran.get(line - step, 0.0) for step in (1, 2)), default=0.0)
            below = ran.get(line + 1, 0.0)
            if near := max(above, below):
                found[path, line] = 0.9 * near
