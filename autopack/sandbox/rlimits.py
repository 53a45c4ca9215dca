"""The limits that the kernel keeps for each process."""

import math
import os

from autopack.sandbox.port import Limits

_MEGABYTE = 1 << 20
_EXTRA_PROCESSES = 2
"""The sandbox's own first process, and room for the one that a shell replaces itself with."""


def resource_limits(limits: Limits, memory_too: bool) -> dict[str, int]:
    """Hard limits for the command and all that it starts; memory (private data) where no cgroup limits it."""
    values = {
        "core": 0,
        # A wall clock ends the command; this is for what would survive it.
        "cpu": math.ceil(limits.seconds * (os.cpu_count() or 1)) + 1,
        "fsize": limits.file_size_mb * _MEGABYTE,
        "nofile": limits.open_files,
        "nproc": limits.processes + _EXTRA_PROCESSES,
    }
    if memory_too:
        values["data"] = limits.memory_mb * _MEGABYTE
    return values


def prlimit_arguments(values: dict[str, int]) -> list[str]:
    """The same for the program `prlimit`."""
    return [f"--{name}={value}:{value}" for name, value in values.items()]
