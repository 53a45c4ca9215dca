"""Measures what a sandbox costs beyond the bare command: `python -m benchmarks.sandbox [--files N]`.

Prints one JSON document: machine, versions, the floors measured in the same run, medians and what they add.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from autopack.gitstore.write_path import Edit
from autopack.sandbox import Command, Limits, Sandbox, probe, select
from autopack.sandbox.bubblewrap import find_bubblewrap
from autopack.sandbox.tiers import machine

LIMITS = Limits(60)
TRUE = Command("true")
SMALL_BASE_FILES = 20


async def median_ms(work: Callable[[], Awaitable[object]], rounds: int) -> float:
    """Of that many runs, after one that does not count."""
    await work()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        times.append((time.perf_counter() - started) * 1000)
    return round(statistics.median(times), 2)


async def side_by_side(works: dict[str, Callable[[], Awaitable[object]]], rounds: int) -> dict[str, float]:
    """Medians in ms, each round running every work once, so that all meet the same load of the machine."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            started = time.perf_counter()
            await work()
            if number:
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: round(statistics.median(taken), 2) for name, taken in times.items()}


async def execute(*argv: str) -> None:
    process = await asyncio.create_subprocess_exec(*argv, stdin=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit(f"{argv} failed")


def make_base(directory: Path, files: int) -> Path:
    """`files` small files, a hundred in each directory."""
    for number in range(files):
        parent = directory / f"d{number // 100}"
        if number % 100 == 0:
            parent.mkdir(parents=True)
        (parent / f"f{number}.py").write_text(f"value = {number}\n")
    return directory


def bare_bubblewrap(directory: Path) -> list[str]:
    """The least bubblewrap that runs `true` with namespaces of its own, as the same user as our sandboxes."""
    identity, _ = machine()
    found = find_bubblewrap(directory)
    argv = [
        str(found.path),
        "--unshare-all",
        "--unshare-user",
        "--ro-bind",
        "/usr",
        "/usr",
        "--proc",
        "/proc",
    ]
    for name in ("/bin", "/lib", "/lib64"):
        if os.path.islink(name):
            argv += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            argv += ["--ro-bind", name, name]
    argv += ["--dev", "/dev", "/bin/true"]
    if identity.switched:
        user = [f"--reuid={identity.uid}", f"--regid={identity.gid}", "--clear-groups"]
        argv = ["setpriv", *user, "--", *argv]
    return argv


async def whole(sandbox: Sandbox, base: Path) -> None:
    async with sandbox.open(base) as workspace:
        result = await workspace.run(TRUE, LIMITS)
        if result.exit_code != 0:
            raise SystemExit(f"true failed: {result}")


async def on_large_base(sandbox: Sandbox, large: Path, rounds: int) -> dict[str, float]:
    async def only_open() -> None:
        async with sandbox.open(large):
            pass

    # A tier that copies takes seconds for the large base: fewer rounds say as much.
    few = rounds if sandbox.tier == "namespaces" else 3
    found = {
        "open_run_close": await median_ms(lambda: whole(sandbox, large), few),
        "open_close": await median_ms(only_open, few),
    }
    async with sandbox.open(large) as workspace:
        edits = [Edit(f"d{number}/f{number * 100}.py", b"changed\n") for number in range(20)]
        found["run"] = await median_ms(lambda: workspace.run(TRUE, LIMITS), rounds)
        found["apply_20_files"] = await median_ms(lambda: workspace.apply(edits), rounds)
        found["changes"] = await median_ms(workspace.changes, few)
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=50_000, help="in the large base, 2,000 at least")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    capabilities = await asyncio.to_thread(probe)
    with tempfile.TemporaryDirectory(prefix="autopack-benchmark-") as name:
        os.chmod(name, 0o755)
        directory = Path(name)
        small = await asyncio.to_thread(make_base, directory / "small", SMALL_BASE_FILES)
        large = await asyncio.to_thread(make_base, directory / "large", max(options.files, 2_000))
        works: dict[str, Callable[[], Awaitable[object]]] = {"bare_command": lambda: execute("/bin/true")}
        if "namespaces" in capabilities.tiers:
            argv = await asyncio.to_thread(bare_bubblewrap, directory / "bubblewrap")
            works["bare_bubblewrap"] = lambda: execute(*argv)
        sandboxes = {tier: select(tier, capabilities, only=tier) for tier in capabilities.tiers}
        for tier, sandbox in sandboxes.items():
            works[tier] = partial(whole, sandbox, small)
        medians = await side_by_side(works, options.rounds)
        on_large = {}
        for tier, sandbox in sandboxes.items():
            on_large[tier] = await on_large_base(sandbox, large, options.rounds)
            await sandbox.close()
    beyond = {tier: round(medians[tier] - medians["bare_command"], 2) for tier in capabilities.tiers}
    print(
        json.dumps(
            {
                "schema": "benchmark/v1alpha1",
                "name": "sandbox",
                "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]},
                "python": platform.python_version(),
                "facts": {fact.name: fact.detail for fact in capabilities.facts},
                "open_run_close_ms": medians,
                "beyond_bare_command_ms": beyond,
                "large_base_files": options.files,
                "large_base_ms": on_large,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
