"""What a command left behind and git would not add: new files that the tree's .gitignore files name."""

from collections.abc import Callable, Sequence

from pathspec import GitIgnoreSpec

from autopack.errors import InvalidInput
from autopack.gitstore.write_path import Edit
from builder_svc.domain.builder import Work

MAXIMUM_IGNORE_BYTES = 1_000_000


def without_ignored(edits: Sequence[Edit], read: Callable[[str], bytes | None]) -> tuple[Edit, ...]:
    """The edits without new files that are ignored; `read` gives the base's files, which never are.

    Formatters and type checkers leave caches in the work tree; like `git add` we pass them over.
    """
    rules = _Rules(edits, read)
    return tuple(
        edit
        for edit in edits
        if edit.contents is None or read(edit.path) is not None or not rules.ignore(edit.path)
    )


class _Rules:
    """The .gitignore files of the tree that the edits make."""

    def __init__(self, edits: Sequence[Edit], read: Callable[[str], bytes | None]) -> None:
        self._edited = {edit.path: edit.contents for edit in edits}
        self._read = read
        self._specs: dict[str, GitIgnoreSpec] = {}

    def ignore(self, path: str) -> bool:
        """Whether the file or a directory that it is in is ignored; the deepest rule that speaks decides."""
        parts = path.split("/")
        for end in range(1, len(parts) + 1):
            tail = "" if end == len(parts) else "/"
            verdict = None
            for start in range(end):
                spec = self._spec("".join(part + "/" for part in parts[:start]))
                said = spec.check_file("/".join(parts[start:end]) + tail).include
                verdict = verdict if said is None else said
            if verdict:
                return True
        return False

    def _spec(self, directory: str) -> GitIgnoreSpec:
        if directory not in self._specs:
            name = directory + ".gitignore"
            contents = (self._edited[name] if name in self._edited else self._read(name)) or b""
            lines = contents[:MAXIMUM_IGNORE_BYTES].decode(errors="replace").splitlines()
            self._specs[directory] = _lenient(lines)
        return self._specs[directory]


def _lenient(lines: Sequence[str]) -> GitIgnoreSpec:
    """Git passes over a pattern that means nothing, where the library refuses all of them."""
    meant: list[str] = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        meant.append(line)
    return GitIgnoreSpec.from_lines(meant)


def base_file(work: Work, path: str) -> bytes | None:
    """What the base has at a path; a link or submodule counts as there."""
    try:
        return work.store.read(work.task.base, path)
    except InvalidInput:
        return b""
