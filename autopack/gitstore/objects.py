"""The bytes of git trees and commits: parsing, writing, and the checks that fsck makes on them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

TREE_MODE = b"40000"
DIRECTORY = 0o040000
GITLINK = 0o160000
SYMLINK = 0o120000
REGULAR = 0o100644
EXECUTABLE = 0o100755

Entry = tuple[bytes, bytes, bytes]
"""Mode in octal digits, name, id as 20 bytes."""

_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0([\s\S]{20})")
_COMMIT = re.compile(
    rb"tree ([0-9a-f]{40})\n"
    rb"((?:parent [0-9a-f]{40}\n)*)"
    rb"author [^\n\0]*\n"  # old repositories have odd ones, and nothing here reads them
    rb"committer [^\n\0]*\n"
    rb"(?:[^\n\0]+\n)*"
    rb"\n"
)
_MODES = frozenset((b"40000", b"040000", b"100644", b"100755", b"100664", b"120000", b"160000"))
# Characters that HFS+ drops from names, in UTF-8: ".g\u200cit" is ".git" there.
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_DOT_GIT = re.compile(r"(?:\.git|git~\d+)[ .]*(?::.*)?", re.IGNORECASE | re.DOTALL)


class ObjectInvalid(Exception):
    """Bytes that are not a sound git object; the message says why."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit object says; ids in hexadecimal."""

    tree: str
    parents: tuple[str, ...]
    message: str


def parse_tree(data: bytes) -> list[Entry]:
    """Entries of a tree in their order. Raises ObjectInvalid."""
    entries = _ENTRY.findall(data)
    if sum(len(mode) + len(name) + 22 for mode, name, _ in entries) != len(data):
        raise ObjectInvalid("malformed tree")
    return entries


def is_tree(entry: Entry) -> bool:
    return entry[0] in (b"40000", b"040000")  # the second is what some old tools wrote


def sort_key(entry: Entry) -> bytes:
    """Git's order of the entries of a tree: directories as if their names ended in a slash."""
    return entry[1] + b"/" if is_tree(entry) else entry[1]


def serialize_tree(entries: Iterable[Entry]) -> bytes:
    return b"".join(b"%b %b\0%b" % entry for entry in sorted(entries, key=sort_key))


def parse_commit(data: bytes) -> Commit:
    """Raises ObjectInvalid."""
    match = _COMMIT.match(data)
    if match is None:
        raise ObjectInvalid("malformed commit")
    return Commit(
        match[1].decode(),
        tuple(line[7:].decode() for line in match[2].splitlines()),
        data[match.end() :].decode(errors="replace"),
    )


def is_dot_git(name: str) -> bool:
    """Whether some file system takes this name for `.git`: by case, HFS+ or NTFS rules."""
    plain = _HFS_IGNORED.sub("", name).replace("\\", "/")
    return any(_DOT_GIT.fullmatch(part) for part in plain.split("/"))


def check_tree(data: bytes) -> list[Entry]:
    """Parses a tree as strictly as `git fsck`: sound modes and names, in order, none twice.

    Raises ObjectInvalid.
    """
    entries = parse_tree(data)
    previous = b""
    names = set()
    for entry in entries:
        mode, name, oid = entry
        if mode not in _MODES:
            raise ObjectInvalid(f"tree entry {name!r} has mode {mode.decode()}")
        suspect = b"git" in name.lower() or not name.isascii()
        if name in (b".", b"..") or (suspect and is_dot_git(name.decode(errors="surrogateescape"))):
            raise ObjectInvalid(f"tree entry is named {name!r}")
        if oid == bytes(20):
            raise ObjectInvalid(f"tree entry {name!r} has the null id")
        key = sort_key(entry)
        if key <= previous:
            raise ObjectInvalid(f"tree entry {name!r} is out of order")
        previous = key
        names.add(name)
    if len(names) != len(entries):
        raise ObjectInvalid("two entries of a tree have one name")
    return entries
