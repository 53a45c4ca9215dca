"""Writes the files of a tree into a directory, byte for byte: no attributes, no filters."""

import os
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from autopack.gitstore.objects import GITLINK, SYMLINK
from autopack.gitstore.records import TreeEntry, from_path
from autopack.gitstore.symlinks import stays_inside

MAXIMUM_FILE_BYTES = 1_000_000_000
TIME = 946684800
"""Seconds since 1970 of every file written: builds must not depend on when it was (2000-01-01)."""


def write_files(
    entries: Iterable[TreeEntry],
    read_blob: Callable[[str, int], bytes],
    destination: Path,
    like: Path | None = None,
    unlike: Container[str] = (),
) -> int:
    """Writes entries, sorted by path, below the empty directory `destination`; returns the bytes written.

    Files that are not in `unlike` are hard links to those of the checkout `like`, where one is given.
    Symbolic links that leave the tree are left out; a submodule is an empty directory.
    """
    root = os.fsencode(destination) + b"/"
    source = os.fsencode(like) + b"/" if like else b""
    os.makedirs(root, exist_ok=True)
    made = {b""}
    written = 0
    for entry in entries:
        path = from_path(entry.path)
        _make_directories(root, path[: max(path.rfind(b"/"), 0)], made)
        if entry.mode == GITLINK:
            os.mkdir(root + path)
        elif entry.mode == SYMLINK:
            target = read_blob(entry.oid, MAXIMUM_FILE_BYTES)
            if stays_inside(path, target):
                os.symlink(target, root + path)
        elif not source or entry.path in unlike or not _link(source + path, root + path):
            data = read_blob(entry.oid, MAXIMUM_FILE_BYTES)
            _write(root + path, data, bool(entry.mode & 0o100))
            written += len(data)
    return written


def _make_directories(root: bytes, directory: bytes, made: set[bytes]) -> None:
    missing = []
    while directory not in made:
        missing.append(directory)
        directory = directory[: max(directory.rfind(b"/"), 0)]
    for name in reversed(missing):
        os.mkdir(root + name)
    made.update(missing)


def _link(source: bytes, destination: bytes) -> bool:
    """A file can have 65,000 links on some file systems: then it is written anew."""
    try:
        os.link(source, destination)
    except OSError:
        return False
    return True


def _write(path: bytes, data: bytes, executable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        os.fchmod(descriptor, 0o755 if executable else 0o644)  # whatever the umask
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.utime(descriptor, (TIME, TIME))
    finally:
        os.close(descriptor)
