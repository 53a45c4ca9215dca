"""Every limit stops what goes over it, and whatever ends a command, nothing of it goes on."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from autopack.errors import Unavailable
from autopack.sandbox import Capabilities, Command, Limits, Result, Sandbox, Workspace
from autopack.sandbox.cgroups import Cgroup, find_site

Run = Callable[..., Awaitable[Result]]


def processes_with(marker: str) -> list[int]:
    """Processes of this machine whose arguments hold `marker`."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if marker in Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace"):
                    found.append(int(entry))
            except OSError:
                continue
    return found


def wait_for_processes(marker: str, count: int) -> None:
    while len(processes_with(marker)) < count:
        time.sleep(0.01)


def workspaces_in(state: Path) -> list[Path]:
    return list(state.rglob("workspace-*"))


def cgroups_left() -> list[Path]:
    return [
        path
        for top in ("memory", "pids", "unified")
        for path in Path(f"/sys/fs/cgroup/{top}").rglob(f"autopack-{os.getpid()}-*")
    ]


async def test_time_ends_the_command_and_keeps_its_output(run: Run) -> None:
    result = await run("echo started; sleep 1000", seconds=0.5)
    assert (result.exit_code, result.limit) == (None, "time")
    assert result.output.startswith(b"started\n")
    assert 0.5 <= result.seconds < 5


async def test_sigterm_comes_first_so_that_a_command_can_tidy_up(run: Run) -> None:
    result = await run("trap 'echo tidied; exit 0' TERM; echo up; while :; do sleep 0.05; done", seconds=1)
    assert result.limit == "time"
    assert result.output.endswith(b"tidied\n")


async def test_ignoring_sigterm_does_not_help(run: Run) -> None:
    result = await run(
        "trap '' TERM INT HUP; setsid sh -c 'trap \"\" TERM; sleep 4711.1' & sleep 4711.1", 0.3
    )
    assert result.limit == "time"
    assert result.seconds < 5
    assert processes_with("4711.1") == []


async def test_a_stopped_command_ends_too(run: Run) -> None:
    assert (await run("kill -STOP $$", seconds=0.3)).limit == "time"


@pytest.mark.parametrize(
    "line",
    [
        "sleep 4712.2 &",
        "setsid sleep 4712.2 >/dev/null 2>&1 </dev/null &",
        "(setsid sh -c '(setsid sleep 4712.2 &)' >/dev/null 2>&1 </dev/null &)",
        "python -c 'import os,time\nif not os.fork():\n os.setsid()\n if not os.fork():\n"
        '  os.closerange(0, 100); os.execvp("sleep", ["sleep", "4712.2"])\'',
    ],
)
async def test_children_do_not_outlive_the_command(run: Run, line: str) -> None:
    result = await run(line)
    assert result.exit_code == 0, result.output
    assert result.seconds < 5
    assert processes_with("4712.2") == []


async def test_cancelling_kills_the_whole_tree(workspace: Workspace, run: Run) -> None:
    task = asyncio.ensure_future(run("setsid sleep 4713.3 & sleep 4713.3", seconds=60))
    await asyncio.to_thread(wait_for_processes, "sleep\x004713.3", 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert processes_with("4713.3") == []
    assert cgroups_left() == []
    assert (await run("echo again")).output == b"again\n"


async def test_cancelling_at_any_moment_leaves_nothing(sandbox: Sandbox, base: Path, state: Path) -> None:
    async def once() -> None:
        async with sandbox.open(base) as opened:
            await opened.run(Command("sleep 4714.4"), Limits(60))

    await asyncio.wait([asyncio.ensure_future(once())], timeout=0.5)  # what is made only once
    for delay in (0, 0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.05):
        task = asyncio.ensure_future(once())
        await asyncio.wait((task,), timeout=delay)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    for other in asyncio.all_tasks() - {asyncio.current_task()}:
        if other.get_coro().__qualname__.endswith("once"):  # type: ignore[union-attr]  # a coroutine of ours
            other.cancel()
            await asyncio.wait((other,))
    assert processes_with("4714.4") == []
    assert workspaces_in(state) == []
    assert cgroups_left() == []


async def test_the_event_loop_is_never_held_up(run: Run) -> None:
    longest, last, ended = 0.0, time.monotonic(), False

    async def tick() -> None:
        nonlocal longest, last
        while not ended:
            await asyncio.sleep(0)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()

    ticking = asyncio.ensure_future(tick())
    await run("yes | head -c 30000000; sleep 0.2")
    ended = True
    await ticking
    assert longest < 0.1


async def test_endless_output_is_cut_to_its_end(run: Run) -> None:
    result = await run("seq 1 200000; echo the end", output_bytes=20_000)
    assert result.exit_code == 0
    assert result.output_truncated
    assert len(result.output) == 20_000
    assert result.output.endswith(b"200000\nthe end\n")


async def test_a_gigabyte_of_output_ends_the_command(run: Run) -> None:
    result = await run("yes autopack | head -c 1000000000", output_bytes=50_000)
    assert result.limit == "output"
    assert len(result.output) == 50_000


async def test_memory_is_limited(run: Run, capabilities: Capabilities) -> None:
    result = await run("python -c 'x = bytearray(400_000_000); print(len(x))'", memory_mb=100)
    assert b"400000000" not in result.output
    if capabilities.fact("cgroup_memory").holds:
        assert result.limit == "memory"
    assert (result.peak_memory_mb or 0) <= 110


async def test_memory_of_many_processes_counts_together(run: Run) -> None:
    line = (
        "for i in 1 2 3 4; do python -c 'import time; x = bytearray(60_000_000); time.sleep(9)' & done; wait"
    )
    result = await run(line, memory_mb=150)
    assert result.limit == "memory"
    assert result.seconds < 9


async def test_memory_that_a_fork_shares_counts_once(run: Run) -> None:
    code = (
        "import os, time\nx = bytearray(60_000_000)\nfor _ in range(4):\n"
        "  if os.fork() == 0: time.sleep(0.6); os._exit(0)\nfor _ in range(4): os.wait()"
    )
    assert (await run(f"python -c '{code}'", memory_mb=150)).exit_code == 0


async def test_files_in_memory_count_as_memory(run: Run) -> None:
    memory_file = (
        'python -c \'import os, time\nf = os.memfd_create("x")\n'
        "for i in range(150): os.write(f, bytes(1_000_000))\ntime.sleep(9)'"
    )
    assert (await run(memory_file, memory_mb=100)).limit == "memory"


async def test_temporary_files_cannot_fill_memory(run: Run, sandbox: Sandbox) -> None:
    if sandbox.tier == "landlock":
        pytest.skip("temporary files are on disk there, and counted as disk")
    for directory in ("$TMPDIR", "$HOME", "/dev/shm"):
        result = await run(f"head -c 300000000 /dev/zero >{directory}/f", memory_mb=200)
        assert result.exit_code != 0
        assert result.limit in (None, "memory")


async def test_a_fork_bomb_is_stopped(run: Run) -> None:
    result = await run("f() { f | f & }; f; sleep 1; echo survived", processes=40, seconds=10)
    assert result.seconds < 15
    assert processes_with("survived") == []


async def test_processes_beyond_the_limit_cannot_start(run: Run) -> None:
    line = (
        "python -c 'import os, time\nn = 0\ntry:\n while n < 300:\n"
        "  if os.fork() == 0: time.sleep(60)\n  n += 1\nexcept OSError: pass\n"
        "print(n, flush=True); os._exit(0)'"
    )
    result = await run(line, processes=50)
    assert 20 <= int(result.output) <= 52


async def test_threads_count_as_processes(run: Run) -> None:
    line = (
        "python -c 'import threading, time, os\nn = 0\ntry:\n while n < 300:\n"
        "  threading.Thread(target=time.sleep, args=(60,)).start(); n += 1\n"
        "except RuntimeError: pass\nprint(n, flush=True); os._exit(0)'"
    )
    result = await run(line, processes=50)
    assert 20 <= int(result.output) <= 52


async def test_open_files_are_limited(run: Run) -> None:
    line = (
        "python -c 'f = []\ntry:\n while True: f.append(open(\"/dev/null\"))\nexcept OSError: print(len(f))'"
    )
    assert int((await run(line, open_files=64)).output) <= 64


async def test_file_size_is_limited(run: Run) -> None:
    result = await run("exec head -c 30000000 /dev/zero >big", file_size_mb=10)
    assert result.limit == "file_size" or result.exit_code != 0
    result = await run("test $(stat -c %s big) -le 10485760")
    assert result.exit_code == 0


@pytest.mark.parametrize(
    "line",
    [
        "for i in $(seq 1 1000); do head -c 1000000 /dev/zero >f$i; sleep 0.01; done",
        "for i in $(seq 1 1000); do head -c 1000000 /dev/zero >$AUTOPACK_REPORTS/f$i; sleep 0.01; done",
        'python -c \'import os, time\nk = []\nfor i in range(1000):\n f = open("x", "wb"); os.unlink("x")\n'
        " f.write(bytes(1_000_000)); f.flush(); k.append(f); time.sleep(0.01)'",
        "python -c 'import os\nfor i in range(10**7): open(str(i), \"w\").close()'",
    ],
)
async def test_disk_is_limited(run: Run, line: str) -> None:
    result = await run(line, disk_mb=5, seconds=30)
    assert result.limit == "disk"
    assert result.seconds < 20


async def test_no_core_is_dumped(workspace: Workspace, run: Run) -> None:
    await run("ulimit -c unlimited || true; sh -c 'kill -ABRT $$' || true")
    assert await workspace.changes() == ()


async def test_no_limit_can_be_raised_again(run: Run) -> None:
    for letter in ("n", "f"):
        assert (await run(f"ulimit -{letter} 999999999")).exit_code != 0


async def test_control_groups_go_with_the_command(run: Run) -> None:
    await run("sleep 0.05 & true")
    assert cgroups_left() == []


async def test_many_at_once_do_not_disturb_each_other(sandbox: Sandbox, base: Path) -> None:
    async def one(number: int) -> Result:
        async with sandbox.open(base) as opened:
            line = f"echo {number} >README; sleep 0.1; kill -9 -1 2>/dev/null || true; cat README"
            first = await opened.run(Command(line), Limits(60))
            assert first.signal == 9 or first.output == b"%d\n" % number
            return await opened.run(Command("cat README"), Limits(60))

    results = await asyncio.gather(*(one(number) for number in range(24)))
    assert [result.output for result in results] == [b"%d\n" % number for number in range(24)]


async def test_what_cannot_join_its_control_groups_does_not_run(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run("true")
    if sandbox.tier != "namespaces" or not joining_refused(monkeypatch):
        pytest.skip("nothing is joined from outside here")

    with pytest.raises(Unavailable, match="SANDBOX_FAILED"):
        await run("echo ran >&2")

    assert not processes_with("echo ran >&2")
    assert not cgroups_left()
    monkeypatch.undo()
    assert (await run("true")).exit_code == 0


def joining_refused(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Has joining refused from now on; False where there is nothing to join."""

    def refused(self: Cgroup, process: int) -> None:
        raise PermissionError(13, "refused")

    monkeypatch.setattr(Cgroup, "take", refused)
    return bool(find_site().parents)
