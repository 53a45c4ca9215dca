"""What one command leaves reaches neither the host nor the next one, by whatever the kernel shares."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from autopack.gitstore.write_path import Edit
from autopack.sandbox import Capabilities, Command, Limits, Result, Sandbox, Workspace

Run = Callable[..., Awaitable[Result]]

KEY = 0x4175_7070
IPC_CREATE = 0o1666
libc = ctypes.CDLL(None, use_errno=True)

LEAVES_SHARED_MEMORY = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print("MADE" if libc.shmget({KEY}, 4096, {IPC_CREATE}) >= 0 else "REFUSED")
"""


def shared_memory() -> int:
    """The id of the segment that a command may have left here; -1 for none."""
    return int(libc.shmget(KEY, 0, 0))


def without_a_sandbox(code: str) -> str:
    """What the same code prints there."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def exists(path: str) -> bool:
    return os.path.lexists(path)


def contents_and_status(directory: Path) -> dict[str, object]:
    """Everything about the files below a directory that a command could change."""
    found: dict[str, object] = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        contents = os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        found[str(path)] = contents, status.st_mode, status.st_nlink, status.st_ino, status.st_mtime_ns
    return found


async def test_shared_memory_stays_where_it_was_made(workspace: Workspace) -> None:
    remove = 0
    assert shared_memory() == -1
    await workspace.run(Command('python -c "$CODE"', {"CODE": LEAVES_SHARED_MEMORY}), Limits(20))
    assert shared_memory() == -1
    assert without_a_sandbox(LEAVES_SHARED_MEMORY) == "MADE\n"
    assert shared_memory() != -1
    assert libc.shmctl(shared_memory(), remove, None) == 0


async def test_temporary_files_reach_neither_the_host_nor_the_next_command(run: Run) -> None:
    names = ("/tmp", "/var/tmp", "/dev/shm", "$HOME", "$TMPDIR")
    await run("; ".join(f"echo left 2>/dev/null >{name}/autopack-left || true" for name in names))
    assert not [name for name in names[:3] if exists(f"{name}/autopack-left")]
    found = await run("; ".join(f"cat {name}/autopack-left 2>/dev/null || true" for name in names))
    assert found.output == b""


async def test_the_base_stays_as_it_is_whatever_is_done_to_its_files(
    sandbox: Sandbox, base: Path, run: Run
) -> None:
    """Work trees whose files are hard links to a cache's let one command change what all later ones see."""
    before = contents_and_status(base)
    await run(
        "chmod -R u+w . || true; ln README hard; echo attack >>hard; echo attack >>README; "
        "python -c 'import os; os.truncate(\"package/module.py\", 0)'; touch -d 2001-01-01 run.sh; "
        "chmod 777 run.sh; rm -f link; mv package moved"
    )
    assert contents_and_status(base) == before
    async with sandbox.open(base) as other:
        seen = await other.run(Command("cat README package/module.py; ls -A"), Limits(20))
    assert seen.output == b"read me\nvalue = 1\nREADME\nlink\npackage\nrun.sh\n"


async def test_no_workspace_gets_what_another_has_written(sandbox: Sandbox, base: Path) -> None:
    """Neither at the same time nor after it: no directory of an overlay is ever used twice."""
    for number in range(3):
        async with sandbox.open(base) as workspace:
            assert await workspace.changes() == ()
            found = await workspace.run(Command("cat README; ls -A; ls -A ~ $TMPDIR"), Limits(20))
            assert b"attack" not in found.output
            await workspace.apply([Edit(f"new-{number}", b"attack")])
            await workspace.run(
                Command("echo attack | tee README >~/attack; cp README $TMPDIR/attack"), Limits(20)
            )
            assert [edit.path for edit in await workspace.changes()] == ["README", f"new-{number}"]


async def test_what_is_read_only_stays_so_for_everybody(workspace: Workspace, tmp_path: Path) -> None:
    """An environment that is shared between checks, at a path in the work tree."""
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "tool").write_text("#!/bin/sh\necho tool\n")
    (environment / "bin" / "tool").chmod(0o777)
    for path in (tmp_path, environment, environment / "bin"):
        path.chmod(0o777)
    before = contents_and_status(environment)
    shown = {f"{workspace.root}/.venv": environment}
    attempts = (
        "echo attack >.venv/bin/tool",
        "chmod 700 .venv/bin/tool",
        "rm .venv/bin/tool",
        "touch .venv/bin/attack",
        "mv .venv/bin .venv/gone",
        "ln .venv/bin/tool hard && echo attack >hard",
        "cp -l .venv/bin/tool hard && echo attack >hard",
    )
    for line in attempts:
        ended = await workspace.run(Command(line, read_only=shown), Limits(20))
        assert ended.exit_code not in (0, None), line
    assert contents_and_status(environment) == before
    used = await workspace.run(Command(".venv/bin/tool", read_only=shown), Limits(20))
    assert used.output == b"tool\n"


FILL_AND_KEEP = """
import os, sys
kept = []
for number in range(8):
    file = os.memfd_create("x"); os.write(file, bytes(20_000_000)); kept.append(file)
for name in (os.environ["TMPDIR"], "/dev/shm", os.environ["HOME"]):
    try:
        with open(name + "/big", "wb") as file: file.write(bytes(60_000_000))
    except OSError: pass
print("FILLED")
"""


async def test_memory_in_files_is_limited_and_given_back(
    workspace: Workspace, capabilities: Capabilities
) -> None:
    """Under version 1 of control groups pages of a file outlive the process that has written them."""
    if not capabilities.fact("cgroup_memory").holds:
        pytest.skip("no control group for memory on this machine")
    before = shared_kilobytes()
    for _ in range(3):
        command = Command('python -c "$CODE"', {"CODE": FILL_AND_KEEP})
        ended = await workspace.run(command, Limits(20, memory_mb=128, disk_mb=200))
        assert ended.limit in ("memory", "disk")
        assert b"FILLED" not in ended.output or ended.limit == "disk"
    assert shared_kilobytes() - before < 60_000


def shared_kilobytes() -> int:
    """Memory in files and shared memory, of the whole machine."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Shmem:"))


async def test_no_core_reaches_the_host(run: Run) -> None:
    """A host may pipe cores to a program that it runs as root; only this one limit keeps it from that."""
    code = (
        "import os, resource, signal\n"
        "def limit(): return resource.getrlimit(resource.RLIMIT_CORE)[0]\n"
        "assert limit() == 1, limit()\n"
        "for wanted in ((0, 0), (0, 1), (2, 2), (resource.RLIM_INFINITY,) * 2):\n"
        "    try: resource.setrlimit(resource.RLIMIT_CORE, wanted)\n"
        "    except (OSError, ValueError): pass\n"
        "    try: resource.prlimit(0, resource.RLIMIT_CORE, wanted)\n"
        "    except (OSError, ValueError): pass\n"
        "    assert limit() == 1, limit()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (32, 32)\n"
        'print("SAME")'
    )
    assert (await run(f"python -c '{code}'; ulimit -c 0")).output == b"SAME\n"
