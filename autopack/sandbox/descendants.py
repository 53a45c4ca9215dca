"""Finds the processes that another one has started, directly or not."""

import contextlib
import os
from collections import defaultdict
from pathlib import Path


def descendants(ancestor: int) -> list[int]:
    """Process ids below `ancestor`, parents first; those that left the tree are not among them."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                stat = Path(f"/proc/{entry.name}/stat").read_text(errors="replace")
                # After the command's name, which may hold anything: state, parent.
                children[int(stat[stat.rindex(")") + 2 :].split(maxsplit=2)[1])].append(int(entry.name))
    found = list(children[ancestor])
    for process in found:
        found.extend(children[process])
    return found


def signal_all(processes: list[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)
