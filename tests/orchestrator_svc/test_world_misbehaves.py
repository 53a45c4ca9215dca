"""Remote, disk and database misbehave under a run: it lands, or halts or fails with a code, and can go on."""

import asyncio
import errno
import os
import resource
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.database import database
from autopack.errors import Reason, Unavailable
from autopack.rpc.errors import call
from autopack.testing.postgres import create_database, start_postgres
from orchestrator_svc import moved_target
from orchestrator_svc.domain.run import Run
from orchestrator_svc.projects import Project
from tests.crash.scene import git_server
from tests.orchestrator_svc.conftest import Client, a_plan, an_orchestrator, git
from tests.orchestrator_svc.doubles import ACCEPT, Script, doubles

MOUNT_BYTES = 24_000_000


@asynccontextmanager
async def orchestrator_in(
    directory: Path, script: Script, repository: Path, url: str = ""
) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, repository.parent / "doubles"))
        yield await stack.enter_async_context(
            an_orchestrator(directory, addresses, url, repository, patience_seconds=1.0, lease_seconds=1.5)
        )


async def resumed(client: Client) -> run_pb2.Run:
    await call(client.stub.ResumeRun(messages.ResumeRunRequest(request_id="again", run_id="r1")))
    return await client.stopped()


def codes(run: run_pb2.Run) -> list[str]:
    return [reason.code for reason in run.reasons]


async def submit_by_url(client: Client, url: str, plan: plan_pb2.Plan) -> None:
    request = messages.SubmitRunRequest(
        request_id="r1", run_id="r1", plan=plan, repository=run_pb2.Repository(url=url)
    )
    await call(client.stub.SubmitRun(request))


async def test_a_remote_that_refuses_the_push_is_named(
    tmp_path: Path, script: Script, repository: Path
) -> None:
    hook = repository / ".git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no pushes today >&2\nexit 1\n")
    hook.chmod(0o755)
    with git_server(tmp_path) as url:
        async with orchestrator_in(tmp_path / "o", script, repository) as client:
            await submit_by_url(client, f"{url}/project", a_plan("one"))
            refused = await client.stopped()
            hook.unlink()
            run = await resumed(client)

    assert refused.state == run_pb2.RUN_STATE_RUNNING
    assert codes(refused)[0] == "PUSH_REFUSED"
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed() == ["one"]


async def test_a_remote_that_is_away_when_all_has_landed_does_not_fail_the_run(
    script: Script, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "checkout", "-q", "--detach")
    move, calls = moved_target._move, 0

    def away_at_first(project: Project, run: Run, branch: str) -> tuple[Reason, ...]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Unavailable(Reason("REMOTE_UNREACHABLE", "no route to host", ""))
        return move(project, run, branch)

    monkeypatch.setattr(moved_target, "_move", away_at_first)
    async with orchestrator_in(tmp_path / "o", script, repository) as client:
        run = await client.run(a_plan("one", landing=plan_pb2.LANDING_FAST_FORWARD))

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert git(repository, "rev-parse", "main") == run.head


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of its own with little room."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MOUNT_BYTES}", "tmpfs", str(directory)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65_536))
        except OSError:
            return filler


async def test_a_run_goes_on_by_itself_when_a_full_disk_has_room_again(
    tmp_path: Path, script: Script, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fillers: list[Path] = []

    def full(phase: str, attempt: int, approved: bool) -> int:
        if not fillers:
            fillers.append(fill(tmp_path / "disk"))
        return ACCEPT

    script.decide = full  # type: ignore[assignment]  # the enum's own type is known to type checkers only
    with small_disk(tmp_path / "disk") as disk:
        async with orchestrator_in(disk / "o", script, repository) as client:
            await client.submit(a_plan("one"))
            await said(caplog, "DISK_FULL")
            before = client.landed() if git(repository, "branch", "--list", "autopack/r1") else []
            fillers[0].unlink()
            run = await ended(client)

    assert before == []
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed() == ["one"]


async def test_a_run_goes_on_by_itself_when_a_locked_database_is_free_again(
    tmp_path: Path,
    script: Script,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    holder: list[sqlite3.Connection] = []

    def lock(phase: str, attempt: int, approved: bool) -> int:
        if not holder:
            path = tmp_path / "o" / "orchestrator.db"
            holder.append(sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False))
            holder[0].execute("BEGIN IMMEDIATE")
        return ACCEPT

    script.decide = lock  # type: ignore[assignment]  # as above
    async with orchestrator_in(tmp_path / "o", script, repository) as client:
        await client.submit(a_plan("one"))
        await said(caplog, "DATABASE_BUSY")
        holder[0].close()
        run = await ended(client)

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(script.builds) == 1


async def test_a_run_goes_on_by_itself_when_a_database_that_was_gone_is_back(
    tmp_path: Path, script: Script, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Scaled down: it is gone for longer than patience and lease last."""
    script.hold_gate["one"] = asyncio.Event()
    async with AsyncExitStack() as stack:
        with start_postgres(tmp_path / "pg") as url:
            client = await stack.enter_async_context(
                orchestrator_in(tmp_path / "o", script, repository, create_database(url))
            )
            await client.submit(a_plan("one"))
            await script.until(lambda: bool(script.gates))
        script.hold_gate["one"].set()
        await said(caplog, "DATABASE_UNAVAILABLE")
        with start_postgres(tmp_path / "pg"):
            run = await ended(client)
            await stack.aclose()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(script.builds) == 1


async def test_without_file_descriptors_a_run_halts_and_goes_on_when_there_are_some(
    tmp_path: Path, script: Script, repository: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowered: list[int] = []

    def exhausted(phase: str, attempt: int, approved: bool) -> int:
        if not lowered:
            lowered.append(len(os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowered[0] - 1, hard))
        return ACCEPT

    script.decide = exhausted  # type: ignore[assignment]  # as above
    try:
        async with orchestrator_in(tmp_path / "o", script, repository) as client:
            await client.submit(a_plan("one"))
            halted = await client.stopped()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            run = await ended(client)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert codes(halted)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EAGAIN, "OUT_OF_PROCESSES"), (errno.EMFILE, "OUT_OF_FILES")]
)
async def test_what_the_machine_cannot_give_is_named(
    tmp_path: Path, script: Script, repository: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    """As starting git fails where no process, or no pipe to one, is left."""
    with monkeypatch.context() as patch:
        refused = OSError(number, os.strerror(number))
        patch.setattr(Project, "land", Mock(side_effect=refused))
        async with orchestrator_in(tmp_path / "o", script, repository) as client:
            await client.submit(a_plan("one"))
            halted = await client.stopped()
            patch.undo()
            run = await ended(client)

    assert codes(halted) == [code]
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED


async def said(caplog: pytest.LogCaptureFixture, code: str) -> None:
    """Returns when the orchestrator has met the fault."""
    async with asyncio.timeout(30):
        while code not in caplog.text:  # noqa: ASYNC110  # no event of ours can tell
            await asyncio.sleep(0.05)


async def ended(client: Client) -> run_pb2.Run:
    """The run when it has ended, whoever drives it by then and whatever halted it before."""
    async with asyncio.timeout(40):
        while True:
            try:
                run = await client.get()
            except Unavailable:
                continue
            if run.HasField("end_time"):
                return run
            await asyncio.sleep(0.05)
