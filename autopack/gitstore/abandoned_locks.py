"""Takes away locks of refs that a killed process of ours has left in a repository."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path


def remove_abandoned(lock: Path, new: str) -> bool:
    """Removes the lock file of a ref if its maker is dead; whether it did.

    libgit2 has its lock open, and empty until it writes the id `new` and renames it: so one that no process
    of this user has open, and that says nothing else, is nobody's. The git binary closes its locks, while
    a hook runs for example, but those have another id in them.
    """
    try:
        file = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # Of two who find it, only one removes it: the other could meet the next lock of that name.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(file)
        ours = status.st_uid == os.geteuid() and os.read(file, 100).strip() in (b"", new.encode())
        if not ours or _openers(status) > 1 or not os.path.samestat(status, os.lstat(lock)):
            return False
        lock.unlink()
        return True
    except OSError:
        return False
    finally:
        os.close(file)


def _openers(status: os.stat_result) -> int:
    """How many descriptors of this user's processes are of that file, counting no more than two."""
    found = 0
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):  # it has ended, or is somebody else's
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    found += os.path.samestat(status, descriptor.stat())
                    if found > 1:
                        return found
    return found
