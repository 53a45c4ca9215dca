"""The files of the base with what the model has changed of them so far."""

from collections.abc import Iterator, Sequence

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.store import TreeEntry
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import canonical_path
from builder_svc.builders.model.answer import ProposedEdit
from builder_svc.builders.model.resolution import resolve
from builder_svc.domain.builder import Work


class Files:
    """Reads what is in git and nothing else of this machine."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._entries = {entry.path: entry for entry in work.store.entries(work.task.base) if _is_file(entry)}
        self._changed: dict[str, Edit] = {}

    @property
    def entries(self) -> Sequence[TreeEntry]:
        """The base's files, by path."""
        return tuple(self._entries.values())

    @property
    def edits(self) -> tuple[Edit, ...]:
        """All changes so far."""
        return tuple(self._changed.values())

    def below(self, directory: str) -> Iterator[str]:
        """Paths in a directory (the empty one: the root), sorted. Raises InvalidInput as `canonical_path`."""
        start = "" if directory in ("", ".", "/") else canonical_path(directory).rstrip("/") + "/"
        gone = {path for path, edit in self._changed.items() if edit.contents is None}
        there = {*self._entries, *self._changed} - gone
        yield from sorted(path for path in there if path.startswith(start))

    def size(self, path: str) -> int:
        """Bytes of a file that is there."""
        if path in self._changed:
            return len(self._changed[path].contents or b"")
        return self._work.store.size(self._entries[path].oid)

    def text(self, path: str) -> str:
        """A file's text. Raises InvalidInput: NO_SUCH_FILE, NOT_TEXT, and as `canonical_path`."""
        contents = self._read(canonical_path(path))
        if contents is None:
            raise InvalidInput(Reason("NO_SUCH_FILE", "there is no such file", "use `list` to see", path))
        try:
            text = contents.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise InvalidInput(Reason("NOT_TEXT", "the file is not UTF-8 text", "leave it alone", path))
        return text

    def edit(self, proposed: Sequence[ProposedEdit]) -> tuple[str, ...]:
        """Applies edits, all or none; the paths. Raises InvalidInput with what `resolve` refuses."""
        made = resolve(proposed, self._work.rules, self._read)
        for edit in made:
            self._changed[edit.path] = edit
            if edit.contents is None and edit.path not in self._entries:
                del self._changed[edit.path]  # made and taken back
        return tuple(edit.path for edit in made)

    def accepted(self) -> tuple[Edit, ...]:
        """All changes, as the one write path would take them.

        Raises InvalidInput with what it refuses, which is taken back.
        """
        try:
            apply_edits(self._work.store, self._work.task.base, self.edits, self._work.rules)
        except InvalidInput as error:
            for reason in error.reasons:
                self._changed.pop(reason.path, None)
            raise
        return self.edits

    def _read(self, path: str) -> bytes | None:
        if path in self._changed:
            return self._changed[path].contents
        return self._work.store.read(self._work.task.base, path)


def _is_file(entry: TreeEntry) -> bool:
    return entry.mode in (REGULAR, EXECUTABLE)
