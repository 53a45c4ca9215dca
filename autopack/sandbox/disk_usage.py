"""How much a sandbox has written, measured while it runs: no path that a command made is followed by name."""

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

_MAXIMUM_DEPTH = 200
"""Directories nested deeper count as over any limit: each level costs an open descriptor here."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BYTES_PER_ENTRY = 1024
"""What a file costs beyond its contents, so that a million empty ones count too."""


class TooDeep(Exception):
    """Directories are nested deeper than can be measured."""


def bytes_used(directories: Iterable[Path]) -> int:
    """Bytes on disk below the directories. Raises TooDeep."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for directory in directories:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(directory, _DIRECTORY)
            total += _measure(descriptor, seen, 0)
    return total


def _measure(descriptor: int, seen: set[tuple[int, int]], depth: int) -> int:
    """Bytes below an open directory, which it closes."""
    total = 0
    try:
        if depth > _MAXIMUM_DEPTH:
            raise TooDeep
        # What vanishes or is closed to us meanwhile is met again the next time.
        with contextlib.suppress(OSError), os.scandir(descriptor) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    total += _BYTES_PER_ENTRY
                    if stat.S_ISDIR(status.st_mode):
                        inner = os.open(entry.name, _DIRECTORY, dir_fd=descriptor)
                        total += _measure(inner, seen, depth + 1)
                    elif (identity := (status.st_dev, status.st_ino)) not in seen:
                        if status.st_nlink > 1:
                            seen.add(identity)
                        total += status.st_blocks * 512
    finally:
        os.close(descriptor)
    return total


def bytes_used_by_deleted_files(processes: Iterable[int], directories: tuple[str, ...]) -> int:
    """Bytes in files that processes hold open and that had a name below `directories` (as they see them)."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for process in processes:
        with contextlib.suppress(OSError), os.scandir(f"/proc/{process}/fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    name = os.readlink(entry.path)
                    if not name.endswith(" (deleted)") or not name.startswith(directories):
                        continue
                    status = os.stat(entry.path)
                    identity = (status.st_dev, status.st_ino)
                    if stat.S_ISREG(status.st_mode) and status.st_nlink == 0 and identity not in seen:
                        seen.add(identity)
                        total += status.st_blocks * 512
    return total
