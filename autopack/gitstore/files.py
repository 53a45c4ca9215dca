"""Writes the files of a tree into a directory, byte for byte: no attributes, no filters."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from autopack.gitstore.objects import GITLINK, SYMLINK
from autopack.gitstore.records import TreeEntry, from_path
from autopack.gitstore.symlinks import stays_inside

MAXIMUM_FILE_BYTES = 1_000_000_000
TIME = 946684800
"""Seconds since 1970 of every file written: builds must not depend on when it was (2000-01-01)."""


def write_files(
    entries: Iterable[TreeEntry], read_blob: Callable[[str, int], bytes], destination: Path
) -> int:
    """Writes entries, sorted by path, below the empty directory `destination`; returns the bytes written.

    Symbolic links that leave the tree are left out; a submodule is an empty directory.
    """
    root = os.fsencode(destination) + b"/"
    os.makedirs(root, exist_ok=True)
    parent = b""
    written = 0
    for entry in entries:
        path = from_path(entry.path)
        directory = path[: path.rfind(b"/") + 1]
        if directory != parent:
            os.makedirs(root + directory, exist_ok=True)
            parent = directory
        if entry.mode == GITLINK:
            os.makedirs(root + path, exist_ok=True)
            continue
        data = read_blob(entry.oid, MAXIMUM_FILE_BYTES)
        written += len(data)
        if entry.mode == SYMLINK:
            if stays_inside(path, data):
                os.symlink(data, root + path)
            continue
        mode = 0o755 if entry.mode & 0o100 else 0o644
        descriptor = os.open(root + path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            os.fchmod(descriptor, mode)
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.utime(descriptor, (TIME, TIME))
        finally:
            os.close(descriptor)
    return written
