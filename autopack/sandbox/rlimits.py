"""The limits that the kernel keeps for each process."""

import math
import os
import resource

from autopack.sandbox.port import Limits

_MEGABYTE = 1 << 20
_EXTRA_PROCESSES = 2
"""The sandbox's own first process, and room for the one that a shell replaces itself with."""


def refuse_cores() -> None:
    """Have this process and all that it starts dump no core, not even into a program of the host.

    Where the kernel pipes cores to one (`/proc/sys/kernel/core_pattern`), 0 would not keep it from that, 1
    does. No command can set it (see `seccomp`). Does nothing where the limit was taken away for good.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (1 if hard == resource.RLIM_INFINITY else min(1, hard), hard))


def resource_limits(limits: Limits, memory_too: bool) -> dict[str, int]:
    """Hard limits for the command and all that it starts; memory (private data) where no cgroup limits it."""
    values = {
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
