"""A sandbox of each tier that works here, a base for it, and short ways to run a line in it."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from autopack.sandbox import Capabilities, Command, Limits, Result, Sandbox, Workspace, probe, select
from autopack.sandbox.tiers import create

Run = Callable[..., Awaitable[Result]]


@pytest.fixture(scope="session")
def capabilities() -> Capabilities:
    return probe()


@pytest.fixture
def state() -> Iterator[Path]:
    """Where sandboxes keep what is written; every test ends with nothing left in it."""
    with tempfile.TemporaryDirectory(prefix="sandbox-test-") as name:
        Path(name).chmod(0o711)
        yield Path(name)
        assert os.listdir(name) == []


# The second form of the landlock tier is that of Linux 6.7 to 6.11, which cannot confine signals. It is for
# ordinary users only (see test_other_circumstances): root starts commands as somebody else anyway.
TIERS = ["namespaces", "landlock", *(["landlock 4"] if os.geteuid() else [])]


@pytest.fixture(params=TIERS)
async def sandbox(
    request: pytest.FixtureRequest, capabilities: Capabilities, state: Path
) -> AsyncIterator[Sandbox]:
    tier, _, form = str(request.param).partition(" ")
    assert tier in capabilities.tiers, capabilities.fact(tier)
    if form == "copied":
        chosen = create("namespaces", state, overlay=False)
    elif form:
        chosen = create("landlock", state, landlock_version=int(form))
    else:
        chosen = select(tier, capabilities, only=tier, directory=state)
    try:
        yield chosen
    finally:
        await chosen.close()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    directory = tmp_path / "base"
    (directory / "package").mkdir(parents=True)
    (directory / "README").write_text("read me\n")
    (directory / "package" / "module.py").write_text("value = 1\n")
    (directory / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (directory / "run.sh").chmod(0o755)
    (directory / "link").symlink_to("README")
    return directory


@pytest.fixture
async def workspace(sandbox: Sandbox, base: Path) -> AsyncIterator[Workspace]:
    async with sandbox.open(base) as opened:
        yield opened


@pytest.fixture
def run(workspace: Workspace) -> Run:
    async def run_line(line: str, seconds: float = 20, **limits: int) -> Result:
        return await workspace.run(Command(line), Limits(seconds, **limits))

    return run_line
