"""Follows a run to its next stop, and says how it came out and what to do next."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import grpc

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli import outcome
from autopack.cli.documents import command_line, run_document
from autopack.cli.live import RunView
from autopack.cli.session import Session
from autopack.cli.summary import print_run
from autopack.errors import AutopackError, Reason, Unavailable
from autopack.rpc.errors import call, to_exception

if TYPE_CHECKING:
    from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

T = TypeVar("T")

POLL_SECONDS = 1.0
"""Between looks at a run that waits for somebody else's approval."""
AWAY_SECONDS = 30.0
"""How long a server may be away while a run is watched."""

_EXIT_CODES: dict[int, int] = {
    run_pb2.RUN_STATE_SUCCEEDED: outcome.DONE,
    run_pb2.RUN_STATE_FAILED: outcome.REFUSED,
    run_pb2.RUN_STATE_CANCELLED: outcome.REFUSED,
    run_pb2.RUN_STATE_WAITING_APPROVAL: outcome.WAITING,
    run_pb2.RUN_STATE_RUNNING: outcome.INFRASTRUCTURE,
}


async def drive(session: Session, run: run_pb2.Run, wait: bool, as_json: bool, repo: str = "") -> int:
    """Follows a submitted run to its next stop, prints how it stands, and returns the exit code."""
    run = await follow(session, run, wait)
    if as_json:
        outcome.print_json("run", run_document(run, os.environ, session.server))
    else:
        print_run(run, session.server, repo)
    return run_exit_code(run)


def run_exit_code(run: run_pb2.Run) -> int:
    """The contract's exit code of a run that stands like this."""
    return _EXIT_CODES.get(run.state, outcome.INFRASTRUCTURE)


async def follow(session: Session, run: run_pb2.Run, wait: bool) -> run_pb2.Run:
    """Shows the run's events until its next stop, and returns it as it then stands."""
    stub = await session.orchestrator()
    try:
        return await _to_the_next_stop(session, stub, run, wait)
    except asyncio.CancelledError:
        line = command_line("resume", run.run_id, server=session.server)
        note = Reason("INTERRUPTED", f"run {run.run_id} is kept as it stands", f"go on with: {line}")
        outcome.print_reasons([note], "note")
        raise


async def _to_the_next_stop(
    session: Session, stub: "OrchestratorServiceAsyncStub", run: run_pb2.Run, wait: bool
) -> run_pb2.Run:
    began = time.time()
    starting = asyncio.create_task(session.started())
    with RunView(run, began) as view:
        watching = asyncio.create_task(_watch(session, stub, run.run_id, wait, view))
        try:
            # A service that cannot start would only be missed much later.
            await asyncio.wait({starting, watching}, return_when=asyncio.FIRST_EXCEPTION)
            for task in (starting, watching):
                if task.done():
                    task.result()
            await watching
        finally:
            for task in (starting, watching):
                task.cancel()
    return await get_run(stub, run.run_id)


async def _watch(
    session: Session, stub: "OrchestratorServiceAsyncStub", run_id: str, wait: bool, view: RunView
) -> None:
    """Returns at the run's next stop: it has ended, waits for a person, or nobody can drive it."""
    seen, away_since = 0, 0.0
    while True:
        try:
            request = messages.WatchRunRequest(run_id=run_id, after_sequence=seen)
            async for response in stub.WatchRun(request):
                seen = response.event.sequence
                away_since = 0.0
                view.show(response.event)
            run = await get_run(stub, run_id)
        except (grpc.aio.AioRpcError, Unavailable) as error:
            away_since = away_since or time.monotonic()
            said = error if isinstance(error, Unavailable) else to_exception(error)
            _raise_unless_temporary(session, said, away_since)
        else:
            if run.state == run_pb2.RUN_STATE_RUNNING:
                if run.reasons and not run.driven:
                    return
            elif run.state != run_pb2.RUN_STATE_WAITING_APPROVAL or not wait:
                return
        await asyncio.sleep(POLL_SECONDS)


def _raise_unless_temporary(session: Session, error: AutopackError, away_since: float) -> None:
    away = time.monotonic() - away_since
    if isinstance(error, Unavailable) and not session.host_gone and away < AWAY_SECONDS:
        return
    raise error


async def get_run(stub: "OrchestratorServiceAsyncStub", run_id: str) -> run_pb2.Run:
    """The run as it stands. Raises NotFound RUN_NOT_FOUND."""
    return (await call(stub.GetRun(messages.GetRunRequest(run_id=run_id)))).run


def in_session(session: Session, work: Callable[[Session], Awaitable[T]]) -> T:
    """Runs a command's work within its session."""

    async def main() -> T:
        async with session:
            return await work(session)

    return asyncio.run(main())
