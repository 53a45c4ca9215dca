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
from pathlib import Path
from typing import Any

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


async def measure(sandbox: Sandbox, small: Path, large: Path, rounds: int) -> dict[str, Any]:
    async def whole(base: Path) -> None:
        async with sandbox.open(base) as workspace:
            result = await workspace.run(TRUE, LIMITS)
            if result.exit_code != 0:
                raise SystemExit(f"true failed: {result}")

    async def only_open(base: Path) -> None:
        async with sandbox.open(base):
            pass

    # A tier that copies takes seconds for the large base: fewer rounds say as much.
    few = rounds if sandbox.tier == "namespaces" else 3
    found = {
        "open_run_close": await median_ms(lambda: whole(small), rounds),
        "open_run_close_large": await median_ms(lambda: whole(large), few),
        "open_close_large": await median_ms(lambda: only_open(large), few),
    }
    async with sandbox.open(large) as workspace:
        edits = [Edit(f"d{number}/f{number * 100}.py", b"changed\n") for number in range(20)]
        found["run"] = await median_ms(lambda: workspace.run(TRUE, LIMITS), rounds)
        found["apply_20_files"] = await median_ms(lambda: workspace.apply(edits), rounds)
        found["changes_large"] = await median_ms(workspace.changes, few)
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=50_000, help="in the large base")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    capabilities = await asyncio.to_thread(probe)
    with tempfile.TemporaryDirectory(prefix="autopack-benchmark-") as name:
        os.chmod(name, 0o755)
        directory = Path(name)
        small = await asyncio.to_thread(make_base, directory / "small", SMALL_BASE_FILES)
        large = await asyncio.to_thread(make_base, directory / "large", max(options.files, 2_000))
        bare = await median_ms(lambda: execute("/bin/true"), options.rounds)
        floors = {"bare_command": bare}
        if "namespaces" in capabilities.tiers:
            argv = bare_bubblewrap(directory / "bubblewrap")
            floors["bare_bubblewrap"] = await median_ms(lambda: execute(*argv), options.rounds)
        tiers = {}
        for tier in capabilities.tiers:
            sandbox = select(tier, capabilities, only=tier)
            tiers[tier] = await measure(sandbox, small, large, options.rounds)
            tiers[tier]["beyond_bare_command"] = round(tiers[tier]["open_run_close"] - bare, 2)
            await sandbox.close()
    print(
        json.dumps(
            {
                "schema": "benchmark/v1alpha1",
                "name": "sandbox",
                "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0]},
                "python": platform.python_version(),
                "facts": {fact.name: fact.detail for fact in capabilities.facts},
                "large_base_files": options.files,
                "floors_ms": floors,
                "medians_ms": tiers,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
