"""Proves a sandbox's limits by going over each, for the record of a verdict."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autopack.sandbox.capabilities import Fact
from autopack.sandbox.port import Command, Limits, Result, Sandbox
from autopack.sandbox.state_directory import temporary_directory

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Trial:
    """A command that goes over one limit, and how one sees that it was held."""

    name: str
    line: str
    limits: Limits
    held: Callable[[Result], bool]


def _python(code: str) -> str:
    return f"python -c '{code}'"


_TRIALS = (
    _Trial("limit_time", "sleep 30", Limits(0.2), lambda result: result.limit == "time"),
    _Trial(
        "limit_memory_of_a_process",
        _python("bytearray(300_000_000); print(1)"),
        Limits(_SECONDS, memory_mb=100),
        lambda result: result.output != b"1\n",
    ),
    _Trial(
        "limit_memory_of_all_processes",
        _python(
            "import os, time\nfor _ in range(4):\n  if os.fork() == 0:\n    x = bytearray(45_000_000)\n"
            "    time.sleep(3); os._exit(0)\n"
            "for _ in range(4): os.wait()\nprint(1)"
        ),
        Limits(_SECONDS, memory_mb=120),
        lambda result: result.limit == "memory",
    ),
    _Trial(
        "limit_processes",
        _python(
            "import os, time\nfor _ in range(100):\n  if os.fork() == 0: time.sleep(60); os._exit(0)\n"
            "print(1)"
        ),
        Limits(_SECONDS, processes=30),
        lambda result: result.output != b"1\n",
    ),
    _Trial(
        "limit_open_files",
        _python("f = [open('/dev/null') for _ in range(200)]; print(1)".replace("'", '"')),
        Limits(_SECONDS, open_files=64),
        lambda result: result.output != b"1\n",
    ),
    _Trial(
        "limit_file_size",
        "head -c 3000000 /dev/zero >f; echo 1",
        Limits(_SECONDS, file_size_mb=1),
        lambda result: result.output != b"1\n",
    ),
    _Trial(
        "limit_disk",
        "for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/zero >f$i; done; sleep 30",
        Limits(_SECONDS, disk_mb=2),
        lambda result: result.limit == "disk",
    ),
    _Trial(
        "limit_output",
        "yes autopack",
        Limits(_SECONDS, output_bytes=10_000),
        lambda result: result.limit == "output" and len(result.output) == 10_000,
    ),
    _Trial(
        "no_network",
        _python('import socket; socket.create_connection(("192.0.2.1", 9), 2)'),
        Limits(_SECONDS),
        lambda result: result.exit_code == 1 and b"timed out" not in result.output,
    ),
    _Trial(
        "no_host_files",
        'if cat "$OUTSIDE" || echo x >"$OUTSIDE" || cat /etc/shadow; then echo 1; fi',
        Limits(_SECONDS),
        lambda result: result.exit_code == 0 and not result.output.endswith(b"1\n"),
    ),
    _Trial(
        "no_privileges",
        "if unshare -Ur true || mount -t tmpfs x /tmp; then echo 1; fi",
        Limits(_SECONDS),
        lambda result: result.exit_code == 0 and not result.output.endswith(b"1\n"),
    ),
    _Trial(
        "no_survivors",
        "setsid sleep 30 >/dev/null 2>&1 & echo 1",
        Limits(_SECONDS),
        lambda result: result.exit_code == 0 and result.seconds < _SECONDS,
    ),
)


ESSENTIAL = ("limit_time", "no_network", "no_host_files", "no_privileges", "no_survivors")
"""Without one of these it is no sandbox; other limits may hold less than fully, as `doctor` says."""


async def prove_limits(sandbox: Sandbox) -> tuple[Fact, ...]:
    """One fact for each limit and denial, after a command that really tried; takes about a second."""
    with temporary_directory() as directory:
        base, outside = await asyncio.to_thread(_prepare, directory)
        return tuple(await asyncio.gather(*(_prove(sandbox, base, outside, trial) for trial in _TRIALS)))


def _prepare(directory: Path) -> tuple[Path, Path]:
    base, outside = directory / "base", directory / "outside"
    base.mkdir(mode=0o755)
    outside.write_text("1\n")
    return base, outside


async def _prove(sandbox: Sandbox, base: Path, outside: Path, trial: _Trial) -> Fact:
    async with sandbox.open(base) as workspace:
        result = await workspace.run(Command(trial.line, {"OUTSIDE": str(outside)}), trial.limits)
    ended = f"limit {result.limit}" if result.limit else f"exit code {result.exit_code}"
    said = result.output[-200:].decode(errors="replace").strip().rpartition("\n")[2]
    detail = f"a command that tried ended with {ended} after {result.seconds:.2f} s"
    if trial.held(result):
        return Fact(trial.name, True, detail)
    fix = "see the facts cgroup_memory and cgroup_processes" if "memory" in trial.name else "report this"
    return Fact(trial.name, False, f"{detail}: {said}" if said else detail, fix)
