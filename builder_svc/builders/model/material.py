"""What a model is shown: files in scope first, then context, then passages from memory."""

from collections.abc import Iterator, Sequence

from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.store import GitStore, TreeEntry
from autopack.policy.paths import matches
from builder_svc.builders.model.prompt import Material, file_material, recalled_material
from builder_svc.domain.builder import RecalledText, Work

MAXIMUM_FILES = 2_000
"""Files tried for a place in the prompt, by rank."""


def ranked_material(work: Work, room: int) -> Iterator[Material]:
    """Everything worth showing, best first; a file over `room` bytes comes as its name alone.

    The order follows the plan's patterns, then the path, so it is the same for the same inputs.
    """
    scope, context = work.task.phase.scope.paths, work.task.phase.scope.context
    ranked: list[tuple[int, TreeEntry]] = []
    for entry in work.store.entries(work.task.base):
        if entry.mode in (REGULAR, EXECUTABLE) and (rank := _rank(entry.path, scope, context)) is not None:
            ranked.append((rank, entry))
    ranked.sort(key=lambda item: (item[0], item[1].path))
    for rank, entry in ranked[:MAXIMUM_FILES]:
        yield from _material(work.store, entry, room, editable=rank < len(scope))
    yield from map(recalled_material, _best_first(work.task.recalled))


def _rank(path: str, scope: Sequence[str], context: Sequence[str]) -> int | None:
    """Number of the first pattern that matches; scope counts only where the whole of it agrees."""
    for number, pattern in enumerate(scope):
        if matches((pattern,), path) and matches(tuple(scope), path):
            return number
    for number, pattern in enumerate(context):
        if matches((pattern,), path) and matches(tuple(context), path):
            return len(scope) + number
    return None


def _material(store: GitStore, entry: TreeEntry, room: int, *, editable: bool) -> Iterator[Material]:
    """The file, or nothing where it is not text."""
    if store.size(entry.oid) > room:
        yield file_material(entry.path, None, editable=editable)
        return
    try:
        text = store.read_blob(entry.oid).decode()
    except UnicodeDecodeError:
        return
    if "\0" not in text:
        yield file_material(entry.path, text, editable=editable)


def _best_first(recalled: Sequence[RecalledText]) -> list[RecalledText]:
    """Memory gives the best match first; what was accepted goes before what was not."""
    return sorted(recalled, key=lambda passage: passage.trust != "accepted")
