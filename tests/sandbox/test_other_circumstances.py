"""The same for an ordinary user, without user namespaces, without control groups, and after a crash."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autopack.sandbox import Capabilities, Fact, select
from autopack.sandbox.identity import may_mount

HERE = Path(__file__).parent
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not may_mount(), reason="only root can make these circumstances"
)

PROBE = """
import dataclasses, json
from autopack.errors import Unavailable
from autopack.sandbox import probe, select
found = probe()
report = {fact.name: dataclasses.asdict(fact) for fact in found.facts} | {"tiers": found.tiers}
try:
    select("namespaces", found)
except Unavailable as error:
    report["refusal"] = dataclasses.asdict(error.reasons[0])
print(json.dumps(report))
"""


def python(circumstances: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        return subprocess.run(
            [sys.executable, HERE / "in_other_circumstances.py", *circumstances, "--", *arguments],
            cwd=HERE.parents[1],
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1]), "TMPDIR": directory},
            capture_output=True,
            text=True,
            timeout=280,
        )


def probed(*circumstances: str) -> dict[str, Any]:
    result = python(list(circumstances), "-c", PROBE)
    assert result.returncode == 0, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return report


@needs_root
def test_an_ordinary_user_is_as_well_protected() -> None:
    chosen = (
        "(test_attacks or test_escapes or test_nothing_is_left or cancelling_kills or cannot_start)"
        " and (namespaces or 4) and not copied"
    )
    result = python(["ordinary-user"], "-m", "pytest", str(HERE), "-k", chosen)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_root
def test_where_user_namespaces_are_refused_landlock_carries_the_work() -> None:
    for circumstances in (["no-user-namespaces"], ["ordinary-user", "no-user-namespaces"]):
        report = probed(*circumstances)
        assert report["tiers"] == ["landlock"]
        assert not report["namespaces"]["holds"]
        assert report["namespaces"]["fix"]
        assert report["refusal"]["code"] == "SANDBOX_UNAVAILABLE"
        assert report["refusal"]["fix"] == report["namespaces"]["fix"]
        assert report["refusal"]["message"].startswith("no sandbox of tier 'namespaces' works here: ")
    contract = str(HERE / "test_workspace_contract.py")
    chosen = "landlock and not 4 and (applied or changes_are or our_python)"
    result = python(["ordinary-user", "no-user-namespaces"], "-m", "pytest", contract, "-k", chosen)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_root
def test_without_control_groups_limits_are_each_process_s_own() -> None:
    report = probed("read-only-cgroups")
    assert report["tiers"] == ["namespaces", "landlock"]
    assert not report["cgroup_memory"]["holds"]
    assert not report["cgroup_processes"]["holds"]
    chosen = "namespaces and (memory_is or files_in_memory or cannot_start or temporary)"
    limits = str(HERE / "test_limits_and_endings.py")
    result = python(["read-only-cgroups"], "-m", "pytest", limits, "-k", chosen)
    assert result.returncode == 0, result.stdout + result.stderr


CRASHING = """
import asyncio, sys
from pathlib import Path
from autopack.sandbox import Command, Limits, probe, select

async def main():
    sandbox = select(sys.argv[1], probe(), only=sys.argv[1], directory=Path(sys.argv[2]))
    async with sandbox.open(Path(sys.argv[3])) as workspace:
        await workspace.run(Command("setsid sleep 4731.1 & echo; sleep 4731.1"), Limits(60))

asyncio.run(main())
"""


@contextlib.contextmanager
def crashing(tier: str, state: Path, base: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", CRASHING, tier, str(state), str(base)])
    try:
        wait_until(lambda: len(sleepers()) == 2)
        yield process
    finally:
        process.kill()
        process.wait()


def sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == b"sleep\x004731.1\x00":
                found.append(str(path))
    return found


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
def test_commands_die_with_us_however_we_die_and_the_next_start_tidies_up(
    tier: str, base: Path, state: Path, capabilities: Capabilities
) -> None:
    with crashing(tier, state, base) as process:
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: not sleepers())
    assert os.listdir(state)
    select(tier, capabilities, directory=state)
    assert not os.listdir(state)


def test_a_living_process_keeps_its_directories(base: Path, state: Path, capabilities: Capabilities) -> None:
    with crashing("namespaces", state, base):
        select("namespaces", capabilities, directory=state)
        assert os.listdir(state)
    select("namespaces", capabilities, directory=state)


def test_a_tier_that_is_too_weak_or_unknown_is_never_given() -> None:
    from autopack.errors import Unavailable

    weak = Capabilities(("landlock",), (Fact("namespaces", False, "refused here", "sysctl such"),))
    for minimum, only in (("namespaces", None), ("namespaces", "landlock"), ("chroot", None)):
        with pytest.raises(Unavailable, match="SANDBOX_UNAVAILABLE") as refused:
            select(minimum, weak, only=only)
        assert refused.value.reasons[0].fix
    with pytest.raises(Unavailable) as refused:
        select("namespaces", weak)
    assert refused.value.reasons[0].fix == "sysctl such"
