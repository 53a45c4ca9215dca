"""What a change does, file by file, as plain facts for the rules that look at it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SYMLINK = 0o120000
SUBMODULE = 0o160000


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One path that differs between base and head; mode 0 where it is absent."""

    path: str
    old_mode: int
    new_mode: int
    old: bytes | None
    """Contents on the base; None where absent, a submodule, or too large to be looked at."""
    new: bytes | None
    """Contents on the head; None as above."""

    @property
    def deleted(self) -> bool:
        return self.new_mode == 0

    @property
    def added(self) -> bool:
        return self.old_mode == 0

    @property
    def has_text(self) -> bool:
        """Whether the head has a file here that looks like text."""
        return self.new_mode not in (0, SYMLINK, SUBMODULE) and self.new is not None and not _binary(self.new)


@dataclass(frozen=True, slots=True)
class LineCounts:
    """Lines that one version has and the other does not; a line that only moved counts in neither."""

    added: int
    deleted: int


UNREAD_LINES = 1001
"""What counts as gone from a file that is too large to be looked at: more than any step of the risk."""


def count_lines(file: ChangedFile) -> LineCounts:
    """How much of a text file is new and gone; nothing for a binary one."""
    if file.old is None and file.old_mode not in (0, SUBMODULE):
        return LineCounts(added=0, deleted=UNREAD_LINES)
    old, new = (b"" if each is None or _binary(each) else each for each in (file.old, file.new))
    before, after = Counter(old.splitlines()), Counter(new.splitlines())
    return LineCounts(added=(after - before).total(), deleted=(before - after).total())


def net_deletion(files: Sequence[ChangedFile]) -> int:
    """Lines by which files became shorter, together: one that grew makes up for none of them.

    What went from one file and came to another has only moved.
    """
    unread = sum(file.old is None and file.old_mode not in (0, SUBMODULE) for file in files)
    pairs = [(_text(file.old), _text(file.new)) for file in files]
    gone, come = [old - new for old, new in pairs], [new - old for old, new in pairs]
    moved = sum(gone, Counter[bytes]()) & sum(come, Counter[bytes]())
    lost, gained = _without(gone, moved.copy()), _without(come, moved)
    return UNREAD_LINES * unread + sum(max(0, less - more) for less, more in zip(lost, gained, strict=True))


def _without(counts: list[Counter[bytes]], moved: Counter[bytes]) -> list[int]:
    """How many lines of each are left when those that moved are taken out, each once."""
    left = []
    for count in counts:
        taken = count & moved
        moved -= taken
        left.append(count.total() - taken.total())
    return left


def _text(contents: bytes | None) -> Counter[bytes]:
    """Lines without their indentation; none of what is no text."""
    if contents is None or _binary(contents):
        return Counter()
    return Counter(line.strip() for line in contents.splitlines())


def _binary(data: bytes) -> bool:
    return b"\0" in data[:8000]
