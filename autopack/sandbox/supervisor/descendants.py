"""Finds the processes that another one has started, directly or not."""

import os


def descendants(ancestor: int) -> list[int]:
    """Process ids below `ancestor`, parents first; those that left the tree are not among them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat_fields(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = list(children.get(ancestor, ()))
    for process in found:
        found.extend(children.get(process, ()))
    return found


def stat_fields(process: int) -> list[str]:
    """What /proc/PID/stat has after the command's name: state, parent, group, session ...; [] if it ended."""
    try:
        with open(f"/proc/{process}/stat", errors="replace") as file:
            text = file.read()
    except OSError:
        return []
    # The name may hold anything, parentheses too.
    return text[text.rindex(")") + 2 :].split()


def signal_all(processes: list[int], number: int) -> None:
    """Send a signal to each that is still there."""
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue
