"""Reads unified and git diffs into records, without looking at any file; line numbers are those of the diff.

Nothing is guessed: a hunk has the lines that its header counts, and a name is what both headers agree on."""

import re
from dataclasses import dataclass, field

from autopack.errors import InvalidInput, Reason
from autopack.gitstore import binary_patch

_HUNK = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
_NO_NEWLINE = b"\\ "
_NULL = b"/dev/null"
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_UNESCAPED = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


@dataclass(slots=True)
class Hunk:
    """Lines, with their line ends, that are replaced by others."""

    number: int
    """Line of the diff that it starts at."""
    old_start: int
    """Line of the old file that it starts at, from 1; of an insertion, the line before it."""
    old: list[bytes] = field(default_factory=list)
    new: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class FilePatch:
    """What a diff does to one file; paths as they are in the repository."""

    number: int
    """Line of the diff that it starts at."""
    old_path: bytes | None = None
    """None for a new file."""
    new_path: bytes | None = None
    """None for a deleted file."""
    old_mode: int | None = None
    new_mode: int | None = None
    copy: bool = False
    """Whether the old path stays, where the paths differ."""
    old_oid: bytes = b""
    """Id of the old contents, or the start of it, where the diff says it."""
    hunks: list[Hunk] = field(default_factory=list)
    binary: "binary_patch.BinaryPatch | None" = None


def invalid(message: str, number: int, fix: str = "make it anew, with `git diff` if you can") -> InvalidInput:
    return InvalidInput(Reason("PATCH_INVALID", f"line {number} of the patch: {message}", fix))


def parse(diff: bytes) -> list[FilePatch]:
    """The files of a diff, in its order. Raises InvalidInput `PATCH_INVALID`, `PATCH_BINARY`."""
    patches = _Parser(diff).parse()
    if not patches:
        raise InvalidInput(
            Reason(
                "PATCH_INVALID", "no file header in the patch", "start it with `--- a/FILE` and `+++ b/FILE`"
            )
        )
    return patches


class _Parser:
    def __init__(self, diff: bytes) -> None:
        lines = diff.split(b"\n")
        if not lines[-1]:
            lines.pop()
        if lines and all(line.endswith(b"\r") for line in lines):
            # The diff itself was carried with these line ends; a diff of such a file has plain headers.
            lines = [line[:-1] for line in lines]
        self._lines = lines
        self._position = 0
        self._patches: list[FilePatch] = []

    def _peek(self, ahead: int = 0) -> bytes:
        position = self._position + ahead
        return self._lines[position] if position < len(self._lines) else b""

    def _next(self) -> bytes:
        self._position += 1
        return self._lines[self._position - 1]

    def parse(self) -> list[FilePatch]:
        after_hunk = False
        while self._position < len(self._lines):
            line = self._peek()
            if line.startswith(b"diff --git "):
                self._git_file()
                after_hunk = True
            elif line.startswith(b"--- ") and self._peek(1).startswith(b"+++ "):
                self._plain_file()
                after_hunk = True
            elif line.startswith((b"diff --cc ", b"diff --combined ")):
                raise invalid("a combined diff of a merge", self._position + 1, "diff against one parent")
            elif line.startswith(b"@@ "):
                raise invalid("a hunk without a file header before it", self._position + 1)
            elif line.startswith(b"Binary files ") and line.endswith(b" differ"):
                raise _binary(self._position + 1)
            elif after_hunk and line.startswith((b"+", b"-", b" ")) and line.rstrip() != b"--":
                raise invalid("more lines than the hunk's header counts", self._position + 1)
            else:
                after_hunk = after_hunk and not line
                self._position += 1
        return self._patches

    def _git_file(self) -> None:
        patch = FilePatch(self._position + 1)
        self._patches.append(patch)
        header = _split_header(self._next()[len(b"diff --git ") :])
        kind = ""
        source = target = None
        while self._position < len(self._lines):
            key, value = _extended_header(self._peek())
            if not key:
                break
            self._position += 1
            if key in ("old mode", "new mode", "deleted file mode", "new file mode"):
                self._mode(patch, key, value)
                kind = {"deleted file mode": "deleted", "new file mode": "new"}.get(key, kind)
            elif key in ("rename from", "copy from"):
                source, patch.copy = _unquote(value), key == "copy from"
            elif key in ("rename to", "copy to"):
                target = _unquote(value)
            elif key == "index":
                patch.old_oid = value.split(b"..")[0].strip()
                mode = re.search(rb" ([0-7]{6})$", value)
                if mode:
                    self._mode(patch, "old mode", mode[1])
        names = self._names()
        if source is not None and target is not None:
            patch.old_path, patch.new_path = source, target
        elif names is not None and _NULL not in names:
            patch.old_path, patch.new_path = _strip(*names, patch.number)
        elif header is not None:
            patch.old_path, patch.new_path = _strip(*header, patch.number)
        elif names is not None:
            patch.old_path, patch.new_path = (_strip_letter(name) for name in names)
        else:
            raise invalid("the file's name cannot be told from the header", patch.number)
        if kind == "new" or (names and names[0] == _NULL):
            patch.old_path = None
        if kind == "deleted" or (names and names[1] == _NULL):
            patch.new_path = None
        if self._peek() == b"GIT binary patch":
            self._position += 1
            patch.binary, self._position = binary_patch.parse(self._lines, self._position)
        elif self._peek().startswith(b"Binary files "):
            raise _binary(self._position + 1)
        elif names is not None:
            self._hunks(patch)

    def _mode(self, patch: FilePatch, key: str, value: bytes) -> None:
        if not re.fullmatch(rb"[0-7]{6}", value.strip()):
            raise invalid("a mode that is none", self._position)
        if key in ("old mode", "deleted file mode"):
            patch.old_mode = int(value, 8)
        else:
            patch.new_mode = int(value, 8)

    def _names(self) -> tuple[bytes, bytes] | None:
        """What follows `---` and `+++`, taken where both are next."""
        if not (self._peek().startswith(b"--- ") and self._peek(1).startswith(b"+++ ")):
            return None
        return _name(self._next()[4:]), _name(self._next()[4:])

    def _plain_file(self) -> None:
        patch = FilePatch(self._position + 1)
        self._patches.append(patch)
        names = self._names()
        assert names is not None  # the caller looked
        old, new = names
        if old == new == _NULL:
            raise invalid("neither side names a file", patch.number)
        if _NULL in names:
            patch.old_path, patch.new_path = (None if n == _NULL else _strip_letter(n) for n in names)
        else:
            patch.old_path, patch.new_path = _strip(old, new, patch.number)
            if patch.old_path != patch.new_path:
                raise invalid("two names, but no `rename from`", patch.number)
        self._hunks(patch)

    def _hunks(self, patch: FilePatch) -> None:
        while self._peek().startswith(b"@@ "):
            patch.hunks.append(self._hunk())
        if not patch.hunks:
            raise invalid("no hunk after the file header", self._position)

    def _hunk(self) -> Hunk:
        match = _HUNK.match(self._peek())
        if match is None:
            raise invalid("a hunk header that is none", self._position + 1)
        hunk = Hunk(self._position + 1, int(match[1]))
        old, new = (1 if count is None else int(count) for count in (match[2], match[4]))
        self._position += 1
        while old or new or self._peek().startswith(_NO_NEWLINE):
            if self._position >= len(self._lines):
                raise invalid(f"it ends {max(old, new)} lines too early", self._position)
            line = self._next()
            mark, text = line[:1], line[1:] + b"\n"
            if mark == b"\\":
                self._drop_newline(hunk)
            elif mark == b"-" and old:
                hunk.old.append(text)
                old -= 1
            elif mark == b"+" and new:
                hunk.new.append(text)
                new -= 1
            elif (mark == b" " or line in (b"", b"\r")) and old and new:
                # Some editors take the blank off lines that are empty.
                text = text if mark == b" " else line + b"\n"
                hunk.old.append(text)
                hunk.new.append(text)
                old, new = old - 1, new - 1
            else:
                raise invalid("no line of the hunk, or more than its header counts", self._position)
        return hunk

    def _drop_newline(self, hunk: Hunk) -> None:
        """What a line that starts with a backslash says of the line before it."""
        mark = self._lines[self._position - 2][:1]
        for lines, marks in ((hunk.old, b"- "), (hunk.new, b"+ ")):
            if mark in (bytes([m]) for m in marks) and lines:
                lines[-1] = lines[-1].removesuffix(b"\n")


def _binary(number: int) -> InvalidInput:
    message = f"line {number} of the patch: a binary file, without its contents"
    return InvalidInput(Reason("PATCH_BINARY", message, "use `git diff --binary`, or whole-file contents"))


def _extended_header(line: bytes) -> tuple[str, bytes]:
    """Key and value of one of git's own header lines; no key if it is none."""
    match = re.match(
        rb"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|"
        rb"similarity index|dissimilarity index|index) (.*)",
        line.rstrip(b"\r"),
        re.DOTALL,
    )
    return (match[1].decode(), match[2]) if match else ("", b"")


def _name(text: bytes) -> bytes:
    """A name after `---` or `+++`: quoted, or up to a tab, which `diff -u` puts before the time."""
    text = text.rstrip(b"\r")
    return _unquote(text) if text.startswith(b'"') else text.split(b"\t")[0]


def _unquote(text: bytes) -> bytes:
    match = re.match(rb'"((?:[^"\\]|\\.)*)"', text)
    if match is None:
        return text
    return _ESCAPE.sub(
        lambda m: bytes([int(m[1], 8) & 255]) if len(m[1]) == 3 else bytes([_UNESCAPED[m[1][0]]]), match[1]
    )


def _split_header(text: bytes) -> tuple[bytes, bytes] | None:
    """Both names of a `diff --git` line; None where blanks leave it open."""
    text = text.rstrip(b"\r")
    if text.startswith(b'"') or text.endswith(b'"'):
        match = re.fullmatch(rb'("(?:[^"\\]|\\.)*"|[^" ]+) ("(?:[^"\\]|\\.)*"|[^"]+)', text)
        return (_unquote(match[1]), _unquote(match[2])) if match else None
    for match in re.finditer(rb" ", text):
        left, right = text[: match.start()], text[match.end() :]
        if left == right or left.partition(b"/")[2] == right.partition(b"/")[2] != b"":
            return left, right
    return None


def _strip(old: bytes, new: bytes, number: int) -> tuple[bytes, bytes]:
    """The two names of one file without the prefixes that tell the sides apart (`a/`, `b/`)."""
    if old == new:
        return old, new
    left, right = old.partition(b"/")[2], new.partition(b"/")[2]
    if left == right and left:
        return left, right
    raise invalid(f"it names both {old!r} and {new!r}", number)


def _strip_letter(name: bytes) -> bytes:
    return name[2:] if re.match(rb"[abciow]/", name) else name
