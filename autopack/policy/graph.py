"""The graph of a plan's phases: its faults, and the one order in which they land."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Protocol

from autopack.errors import InvalidInput, Reason


class Dependent(Protocol):
    """Anything with an id that names what it depends on."""

    @property
    def id(self) -> str: ...
    @property
    def depends_on(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the phase at `index`, and with which element of its `depends_on`, if one."""

    index: int
    dependency: int | None
    reason: Reason


def order(phases: Sequence[Dependent]) -> tuple[str, ...]:
    """Ids in topological order, ties as written. Raises InvalidInput with every fault."""
    if found := tuple(faults([(phase.id, phase.depends_on) for phase in phases])):
        raise InvalidInput(*(fault.reason for fault in found))
    return tuple(phases[index].id for index in _ready_first([(p.id, p.depends_on) for p in phases]))


def faults(phases: Sequence[tuple[str, tuple[str, ...]]]) -> Iterator[Fault]:
    """Duplicate ids, unknown dependencies and, where there are none of these, cycles."""
    first: dict[str, int] = {}
    clean = True
    for index, (phase_id, _) in enumerate(phases):
        if first.setdefault(phase_id, index) != index:
            clean = False
            yield Fault(
                index,
                None,
                Reason(
                    "DUPLICATE_ID", f"the phase id `{phase_id}` is taken", "give every phase an id of its own"
                ),
            )
    for index, (phase_id, depends_on) in enumerate(phases):
        for position, name in enumerate(depends_on):
            if name not in first:
                clean = False
                nearest = get_close_matches(name, first, n=1, cutoff=0.0)
                fix = f"did you mean `{nearest[0]}`?" if nearest else "name a phase of this plan"
                message = f"phase `{phase_id}` depends on `{name}`, which is no phase of this plan"
                yield Fault(index, position, Reason("UNKNOWN_DEPENDENCY", message, fix))
            elif name in depends_on[:position]:
                clean = False
                message = f"phase `{phase_id}` names `{name}` twice in depends_on"
                yield Fault(index, position, Reason("DUPLICATE_DEPENDENCY", message, "name it once"))
    if clean and len(_ready_first(phases)) < len(phases):
        index, cycle = _a_cycle(phases, first)
        path = " -> ".join([*cycle, cycle[0]] if len(cycle) <= 12 else [*cycle[:11], "...", cycle[0]])
        yield Fault(
            index,
            None,
            Reason(
                "DEPENDENCY_CYCLE",
                f"phases depend on each other: {path}",
                "take one of these dependencies out",
            ),
        )


def _ready_first(phases: Sequence[tuple[str, tuple[str, ...]]]) -> list[int]:
    waiting = [len(depends_on) for _, depends_on in phases]
    followers: dict[str, list[int]] = {}
    for index, (_, depends_on) in enumerate(phases):
        for name in depends_on:
            followers.setdefault(name, []).append(index)
    ready = [index for index, count in enumerate(waiting) if count == 0]
    ordered = []
    while ready:
        index = heapq.heappop(ready)
        ordered.append(index)
        for follower in followers.get(phases[index][0], ()):
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, follower)
    return ordered


def _a_cycle(phases: Sequence[tuple[str, tuple[str, ...]]], first: dict[str, int]) -> tuple[int, list[str]]:
    done = set(_ready_first(phases))
    index = next(index for index in range(len(phases)) if index not in done)
    seen: dict[int, int] = {}
    walk: list[int] = []
    while index not in seen:
        seen[index] = len(walk)
        walk.append(index)
        index = next(first[name] for name in phases[index][1] if first[name] not in done)
    cycle = walk[seen[index] :]
    return min(cycle), [phases[member][0] for member in cycle]
