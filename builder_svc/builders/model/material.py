"""What a model is shown, best first: scope, what scope imports, context, memory, and a little of the rest."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autopack.gitstore.store import GitStore, TreeEntry
from autopack.policy.paths import matches
from builder_svc.builders.model.imports import imported
from builder_svc.builders.model.prompt import Material, file_material, recalled_material
from builder_svc.domain.builder import RecalledText, Work

MAXIMUM_FILES = 2_000
"""Files of each rank that are tried for a place."""
MAXIMUM_REST_BYTES = 20_000
"""Of what nothing points at: most of it is beside the point, and a model with tools can ask for it."""
MAXIMUM_REST_FILES = 200
READ_BYTES = 1_000_000
"""A larger file is not looked into for its imports."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """The files of a base by rank; within one in the order of the plan's patterns, then by path."""

    scope: tuple[TreeEntry, ...]
    nearby: tuple[TreeEntry, ...]
    """What scope imports, then what the plan names as context."""
    rest: tuple[TreeEntry, ...]
    """Those that share most of their path with a file in scope first."""


def rank(work: Work, entries: Sequence[TreeEntry]) -> Ranked:
    """The same for the same inputs."""
    phase = work.task.phase.scope
    scope = _matching(entries, phase.paths)
    by_path = {entry.path: entry for entry in entries}
    wanted = dict.fromkeys(
        path
        for entry in scope[:MAXIMUM_FILES]
        for path in imported(entry.path, _text(work.store, entry, READ_BYTES) or "", by_path.keys())
    )
    nearby = dict.fromkeys([*(by_path[path] for path in wanted), *_matching(entries, phase.context)])
    taken = {*scope, *nearby}
    directories = {entry.path.rpartition("/")[0] for entry in scope[:MAXIMUM_FILES]}
    rest = sorted(
        (entry for entry in entries if entry not in taken),
        key=lambda entry: (-max((_shared(entry.path, each) for each in directories), default=0), entry.path),
    )
    in_scope = set(scope)
    return Ranked(
        tuple(scope[:MAXIMUM_FILES]),
        tuple(entry for entry in nearby if entry not in in_scope)[:MAXIMUM_FILES],
        tuple(rest[:MAXIMUM_REST_FILES]),
    )


def material(work: Work, ranked: Ranked, room: int) -> Iterator[Material]:
    """Everything worth showing, best first; a file over `room` bytes comes as its name alone."""
    for entry in ranked.scope:
        yield from _file(work.store, entry, room, editable=True)
    for entry in ranked.nearby:
        yield from _file(work.store, entry, room, editable=False)
    yield from map(recalled_material, _best_first(work.task.recalled))
    left = MAXIMUM_REST_BYTES
    for entry in ranked.rest:
        size = work.store.size(entry.oid)
        if size <= min(left, room):
            left -= size
            yield from _file(work.store, entry, room, editable=False)


def _matching(entries: Sequence[TreeEntry], patterns: Sequence[str]) -> list[TreeEntry]:
    """By the first pattern that matches; one counts only where the whole of them agrees."""
    found = []
    for entry in entries:
        if not patterns or not matches(tuple(patterns), entry.path):
            continue
        for number, pattern in enumerate(patterns):
            if matches((pattern,), entry.path):
                found.append((number, entry.path, entry))
                break
    return [entry for _, _, entry in sorted(found, key=lambda item: item[:2])]


def _shared(path: str, directory: str) -> int:
    """How many directories from the root both are in."""
    count = 0
    for one, other in zip(path.split("/")[:-1], directory.split("/"), strict=False):
        if one != other:
            break
        count += 1
    return count


def _file(store: GitStore, entry: TreeEntry, room: int, *, editable: bool) -> Iterator[Material]:
    """The file, or nothing where it is not text."""
    if store.size(entry.oid) > room:
        yield file_material(entry.path, None, editable=editable)
    elif (text := _text(store, entry, room)) is not None:
        yield file_material(entry.path, text, editable=editable)


def _text(store: GitStore, entry: TreeEntry, limit: int) -> str | None:
    if store.size(entry.oid) > limit:
        return None
    try:
        text = store.read_blob(entry.oid).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _best_first(recalled: Sequence[RecalledText]) -> list[RecalledText]:
    """Memory gives the best match first; what was accepted goes before what was not."""
    return sorted(recalled, key=lambda passage: passage.trust != "accepted")
