"""How much memory processes use together, measured where no control group counts it."""

import contextlib
import os
from collections.abc import Iterable

_PAGE = os.sysconf("SC_PAGE_SIZE")
_RESIDENT, _SHARED = 1, 2  # fields of /proc/PID/statm, in pages


def exceeds(processes: Iterable[int], limit: int) -> bool:
    """Whether they use more than `limit` bytes; what a fork shares with its parent counts once."""
    found = list(processes)
    # Cheap and never too little; the exact answer takes the kernel a walk over all pages.
    return sum(map(_private, found)) > limit and sum(map(_proportional, found)) > limit


def _private(process: int) -> int:
    """Bytes that no file backs, those shared with a parent included."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/statm") as file:
        fields = file.read().split()
        return (int(fields[_RESIDENT]) - int(fields[_SHARED])) * _PAGE
    return 0


def _proportional(process: int) -> int:
    """Bytes, those that several processes share divided among them."""
    with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
