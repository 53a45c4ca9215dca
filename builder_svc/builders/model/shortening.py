"""Keeps a long conversation within bounds: the oldest results of tools are left out first."""

from collections.abc import Sequence
from dataclasses import replace

from autopack.chat.conversation import Results, Turn

LEFT_OUT = "(left out; ask again if you need it)"


def shortened(turns: Sequence[Turn], room: int) -> tuple[Turn, ...]:
    """The turns with results of at most `room` bytes, the newest kept; those of the last turn always are."""
    kept: list[Turn] = []
    for turn in reversed(turns):
        if isinstance(turn, Results):
            is_last = not any(isinstance(later, Results) for later in kept)
            size = sum(len(result.text.encode()) for result in turn.results)
            room -= size
            if room < 0 and not is_last:
                turn = Results(tuple(replace(result, text=LEFT_OUT) for result in turn.results))
        kept.append(turn)
    return tuple(reversed(kept))
