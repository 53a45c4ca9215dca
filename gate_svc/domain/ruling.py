"""One thing said on a change, and how much it weighs."""

from dataclasses import dataclass
from enum import IntEnum

from autopack.errors import Reason


class Weight(IntEnum):
    """What a reason does to the verdict; the heaviest decides."""

    NOTE = 0
    """Worth knowing."""
    ASK = 1
    """A person must approve."""
    REFUSE = 2
    """May not land, whoever approves."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A reason with its weight."""

    weight: Weight
    reason: Reason
    harness: bool = False
    """Whether a change of category test_harness may do this once it is approved."""


def note(reason: Reason) -> Ruling:
    """Worth knowing, also where the change is accepted."""
    return Ruling(Weight.NOTE, reason)


def ask(reason: Reason) -> Ruling:
    """A person must approve exactly this change."""
    return Ruling(Weight.ASK, reason)


def refuse(reason: Reason, harness: bool = False) -> Ruling:
    """May not land."""
    return Ruling(Weight.REFUSE, reason, harness)
