"""Renders changes as a git diff for people; `patch.parse_patch` reads it back."""

from collections.abc import Callable, Sequence

import pygit2

from autopack.gitstore.objects import GITLINK
from autopack.gitstore.records import FileChange, from_path

FILE_LIMIT = 1_000_000
"""Bytes of a file up to which its lines are compared."""


def render(read_blob: Callable[[str, int], bytes], changes: Sequence[FileChange], limit: int) -> bytes:
    """A unified diff that ends after about `limit` bytes with a line that says so."""
    parts: list[bytes] = []
    size = 0
    for change in changes:
        if size > limit:
            parts.append(b"# ... cut after %d bytes: %d files in all\n" % (limit, len(changes)))
            break
        parts.append(_file(read_blob, change)[: limit + 1])
        size += len(parts[-1])
    return b"".join(parts)


def _file(read_blob: Callable[[str, int], bytes], change: FileChange) -> bytes:
    path = from_path(change.path)
    old_name, new_name = quote(b"a/" + path), quote(b"b/" + path)
    lines = [b"diff --git %b %b" % (old_name, new_name)]
    if not change.old_mode:
        lines.append(b"new file mode %06o" % change.new_mode)
    elif not change.new_mode:
        lines.append(b"deleted file mode %06o" % change.old_mode)
    elif change.old_mode != change.new_mode:
        lines += [b"old mode %06o" % change.old_mode, b"new mode %06o" % change.new_mode]
    header = b"\n".join(lines) + b"\n"
    if change.old_oid == change.new_oid:
        return header
    old = _contents(read_blob, change.old_mode, change.old_oid)
    new = _contents(read_blob, change.new_mode, change.new_oid)
    if old is None or new is None or b"\0" in old[:8000] or b"\0" in new[:8000]:
        return header + b"Binary files %b and %b differ\n" % (
            old_name if change.old_mode else b"/dev/null",
            new_name if change.new_mode else b"/dev/null",
        )
    diff = pygit2.Patch.create_from(old, new, flag=pygit2.enums.DiffOption.FORCE_TEXT).data
    start = diff.find(b"@@ ")
    if start < 0:
        return header
    header += b"--- %b\n" % (_stamped(old_name) if change.old_mode else b"/dev/null")
    header += b"+++ %b\n" % (_stamped(new_name) if change.new_mode else b"/dev/null")
    return header + diff[start:]


def _contents(read_blob: Callable[[str, int], bytes], mode: int, oid: str) -> bytes | None:
    """What is compared; None for what is too large."""
    if not mode:
        return b""
    if mode == GITLINK:
        return b"Subproject commit %b\n" % oid.encode()
    data = read_blob(oid, 10**9)
    return data if len(data) <= FILE_LIMIT else None


def _stamped(name: bytes) -> bytes:
    """A name with a blank in it is ended by a tab, as git and patch want it."""
    return name + b"\t" if b" " in name and not name.startswith(b'"') else name


_ESCAPES = {7: b"a", 8: b"b", 9: b"t", 10: b"n", 11: b"v", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}


def quote(name: bytes) -> bytes:
    """A name as git writes it: in C quotes if it has anything but plain printable ASCII."""
    if all(0x20 <= c < 0x7F and c not in (34, 92) for c in name):
        return name
    quoted = b"".join(
        b"\\" + _ESCAPES[c] if c in _ESCAPES else bytes([c]) if 0x20 <= c < 0x7F else b"\\%03o" % c
        for c in name
    )
    return b'"' + quoted + b'"'
