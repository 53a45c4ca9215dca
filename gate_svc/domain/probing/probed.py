"""What probing a change has shown, read from what the sandbox reported of it."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from gate_svc.domain.blinding.compare import Opaque, read
from gate_svc.domain.evidence import EvidenceError
from gate_svc.domain.probing.mutants import Instrumented, Mutant
from gate_svc.domain.reports.records import read_probe
from gate_svc.domain.text import one_line

LISTED = 10
"""Survivors and calls that are told one by one."""
SAID_LIMIT = 200
"""Characters of what is said on one of them."""
NEIGHBOURS = 4
"""Other arguments that it takes to say anything of a function."""
_DIFFERING, _DIFFERING_PART = 3, 0.2
"""Calls like the tests' own, and part of them, that come out otherwise where it is more than an odd case."""
_TELLING = 4
"""Characters, digits or items of arguments that nobody comes to by chance."""


@dataclass(frozen=True, slots=True)
class Probed:
    """One change, probed by one check."""

    seed: str
    """Hex; by it the mutants were drawn."""
    possible: int
    """Mutants that there could be."""
    killed: int = 0
    survived: int = 0
    not_reached: int = 0
    """Mutants of lines that no test comes to."""
    not_tried: int = 0
    """Mutants for which time did not suffice."""
    survivors: tuple[str, ...] = ()
    changed_lines: int = 0
    """Changed lines of functions on which a statement begins; 0 where not all tests could run."""
    reached_lines: int = 0
    outside: tuple[str, ...] = ()
    """Calls that come out otherwise where no tests run, and did not on the base."""
    copied: tuple[str, ...] = ()
    """Calls that come out otherwise than on the base, where none that is like them does."""
    unseen: tuple[str, ...] = ()
    """Functions that do as on the base where tests look, and otherwise elsewhere, and not only at times."""
    different: tuple[str, ...] = ()
    """Other calls that come out otherwise than on the base."""


@dataclass(slots=True)
class _Call:
    """A call that tests make, or one that is like it."""

    function: str
    given: str
    near: bool
    seen: Any = None
    """What came of it while tests ran."""
    outcome: dict[str, Any] = field(default_factory=dict)
    """By tree."""

    @property
    def differs(self) -> bool | None:
        """Between base and head; None where that cannot be said."""
        base, head = self.outcome.get("base"), self.outcome.get("head")
        if not _is_certain(base) or not _is_certain(head) or base[0] == head[0] == "raised":
            return None
        return not _alike(base, head)


def read_probed(report: bytes, files: Mapping[str, Instrumented], seed: str, possible: int) -> Probed | None:
    """What the report says; None where it says nothing that can be read."""
    try:
        records = list(read_probe(report))
    except EvidenceError:
        return None
    mutants = {mutant.number: mutant for each in files.values() for mutant in each.mutants}
    lines = {number for each in files.values() for number in each.lines}
    outcomes: dict[int, str] = {}
    reached: set[int] = set()
    complete = False
    for record in records:
        if record.get("mutant") in mutants and isinstance(record.get("outcome"), str):
            outcomes[record["mutant"]] = record["outcome"]
        elif isinstance(numbers := record.get("reached"), list):
            reached |= {number for number in numbers if number in lines}
            complete = complete or record.get("complete") is True
    counts = Counter(outcomes.values())
    calls = _calls(records)
    every = [each for group in calls.values() for each in group]
    by_function: dict[str, list[list[_Call]]] = defaultdict(list)
    for (name, _), group in calls.items():
        by_function[name].append(group)
    survivors = [mutants[number] for number in sorted(outcomes) if outcomes[number] == "survived"]
    return Probed(
        seed=seed,
        possible=possible,
        killed=counts["killed"],
        survived=counts["survived"],
        not_reached=counts["not_reached"],
        not_tried=len(mutants) - counts["killed"] - counts["survived"] - counts["not_reached"],
        survivors=tuple(_told(each) for each in survivors[:LISTED]),
        changed_lines=len(lines) if complete else 0,
        reached_lines=len(reached) if complete else 0,
        outside=_listed(_said(each) for each in every if _is_other_outside(each)),
        copied=_listed(_said(group[0]) for group in calls.values() if _is_copied(group)),
        unseen=_listed(name for name, groups in by_function.items() if _is_unseen(groups)),
        different=_listed(_said(each) for each in every if each.near and each.differs),
    )


def _told(mutant: Mutant) -> str:
    return one_line(f"{mutant.path}:{mutant.line}: {mutant.before} -> {mutant.after}", SAID_LIMIT)


def _calls(records: Iterable[dict[str, Any]]) -> dict[tuple[str, str], list[_Call]]:
    """By function and the tests' call, that call first, then those like it."""
    found: dict[tuple[str, str, int], _Call] = {}
    for record in records:
        name, call, near = record.get("function"), record.get("call"), record.get("near")
        tree, outcome = record.get("tree"), record.get("outcome")
        if (
            isinstance(name, str)
            and isinstance(call, str)
            and isinstance(near, int)
            and isinstance(tree, str)
            and isinstance(outcome, list)
            and outcome
        ):
            made = found.setdefault((name, call, near), _Call(name, str(record.get("given")), near > 0))
            made.outcome[tree] = outcome
            made.seen = record.get("seen", made.seen)
    grouped: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    for (name, call, _), made in sorted(found.items(), key=lambda item: item[0]):
        grouped[name, call].append(made)
    return grouped


def _listed(said: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one_line(each, SAID_LIMIT) for each in said))[:LISTED]


def _said(call: _Call) -> str:
    return f"{call.function}({call.given})"


def _is_other_outside(call: _Call) -> bool:
    head, base, within = (call.outcome.get(tree) for tree in ("head", "base", "within"))
    if call.near or not _is_certain(call.seen) or not _is_certain(head) or _alike(call.seen, head):
        return False
    if base is None:
        return True
    # What makes it come out otherwise may be the time, or the place: then it does so to the base's as well.
    usual = within if _is_certain(within) else call.seen
    return _is_certain(base) and _alike(base, usual)


def _is_copied(group: list[_Call]) -> bool:
    first, *near = group
    telling = sum(character.isalnum() for character in first.given) >= _TELLING
    known = [each.differs for each in near if each.differs is not None]
    return (
        not first.near and first.differs is True and telling and len(known) >= NEIGHBOURS and not any(known)
    )


def _is_unseen(groups: list[list[_Call]]) -> bool:
    looked_at = [group[0].differs for group in groups if not group[0].near]
    near = [each.differs for group in groups for each in group if each.near and each.differs is not None]
    return (
        False in looked_at
        and True not in looked_at
        and len(near) >= NEIGHBOURS
        and near.count(True) >= max(_DIFFERING, len(near) * _DIFFERING_PART)
    )


def _is_certain(outcome: Any) -> TypeGuard[list[Any]]:
    return isinstance(outcome, list) and bool(outcome) and outcome[0] in ("value", "raised")


def _alike(first: list[Any], second: list[Any]) -> bool:
    """Whether two calls came out the same, as far as that can be said; all that raise are alike."""
    if first[0] != second[0]:
        return False
    if first[0] == "raised" or first == second:
        return True
    try:
        return bool([_readable(each) for each in first] == [_readable(each) for each in second])
    except Opaque:
        return True


def _readable(shown: Any) -> Any:
    """A value; of an object that is no built-in one, its class and what it holds. Raises Opaque."""
    match shown:
        case ["o", str(name), list(state), _]:
            return name, {str(key): _readable(each) for key, each in state}
        case ["n", str(name)]:
            return name
        case ["l" | "t", list(values)]:
            return [_readable(each) for each in values]
        case str():
            return shown
    return read(shown)


def to_document(probed: Probed) -> bytes:
    """As it is stored."""
    return json.dumps({name: getattr(probed, name) for name in Probed.__dataclass_fields__}).encode()


def from_document(document: bytes) -> Probed:
    """As it was stored."""
    values: dict[str, Any] = json.loads(document)
    known: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in values.items()
    }
    return Probed(**known)


def names(files: Mapping[str, Instrumented]) -> Iterator[str]:
    """What a test that comes to these files is likely to name."""
    for path, each in files.items():
        stem = path.rpartition("/")[2].removesuffix(".py")
        yield path.split("/")[-2] if stem == "__init__" and "/" in path else stem
        yield from each.called
