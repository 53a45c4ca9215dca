"""Tells a full disk from everything else that can go wrong with a file."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pygit2

from autopack.errors import Reason, ResourceExhausted
from autopack.gitstore.command import GitFailed

_MARGIN_BYTES = 100_000
_SIGNS = ("No space left on device", "Disk quota exceeded")


@contextmanager
def reporting_full_disk() -> Iterator[None]:
    """Raises ResourceExhausted `DISK_FULL` for it, whether Python, libgit2 or git met it."""
    try:
        yield
    except (OSError, pygit2.GitError, GitFailed) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        if not full and not any(sign in str(error) for sign in _SIGNS):
            raise
        fix = "free some space on the disk that holds the state directory, then resume"
        raise ResourceExhausted(Reason("DISK_FULL", str(error), fix)) from None


def raise_if_full(directory: Path, wanted_bytes: int) -> None:
    """Raises OSError if the disk has not room for so many bytes and the odd directory."""
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < wanted_bytes + _MARGIN_BYTES or (
        found.f_files and not found.f_favail
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))
