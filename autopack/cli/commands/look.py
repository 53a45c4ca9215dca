"""`runs`, `status`, `show` and `diff`: how runs stand; nothing is driven by looking."""

import os
import sys

from autopack.cli import outcome
from autopack.cli.session import Session

PAGE = 1000


def runs(limit: int, server: str, as_json: bool) -> int:
    """Lists runs, newest first."""
    session = Session(server, start=("orchestrator",))
    from rich.table import Table
    from rich.text import Text

    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.api.orchestrator.v1 import run_pb2
    from autopack.cli.documents import run_state
    from autopack.cli.driving import in_session
    from autopack.cli.live import style_of
    from autopack.cli.terminal import neutralise, output
    from autopack.rpc.errors import call

    async def work(session: Session) -> list[run_pb2.Run]:
        stub = await session.orchestrator()
        found: list[run_pb2.Run] = []
        token = ""
        while len(found) < limit:
            request = messages.ListRunsRequest(page_size=min(PAGE, limit - len(found)), page_token=token)
            page = await call(stub.ListRuns(request))
            found += page.runs
            token = page.next_page_token
            if not token:
                break
        return found

    found = in_session(session, work)
    if as_json:
        listed = [
            {
                "run_id": run.run_id,
                "state": run_state(run),
                "plan_name": run.plan_name,
                "base": run.base,
                "head": run.head,
                "submit_time": run.submit_time.ToJsonString(),
                "trace_id": run.trace_id,
            }
            for run in found
        ]
        outcome.print_json("runs", {"runs": listed})
        return outcome.DONE
    table = Table(box=None, pad_edge=False, show_header=False)
    for run in found:
        state = run_state(run)
        submitted = run.submit_time.ToDatetime().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(run.run_id, Text(state, style_of(state)), submitted, neutralise(run.plan_name, True))
    output().print(table if found else "no runs yet: autopack run PLAN.yaml")
    return outcome.DONE


def status(run_id: str, server: str, as_json: bool) -> int:
    """A run's state and its phases'."""
    return _look(run_id, server, as_json, attempts=False)


def show(run_id: str, server: str, as_json: bool) -> int:
    """A run with attempts, verdicts and reasons."""
    return _look(run_id, server, as_json, attempts=True)


def _look(run_id: str, server: str, as_json: bool, attempts: bool) -> int:
    session = Session(server, start=("orchestrator",))
    from autopack.api.orchestrator.v1 import run_pb2
    from autopack.cli.documents import run_document
    from autopack.cli.driving import get_run, in_session
    from autopack.cli.summary import print_attempts, print_run

    async def work(session: Session) -> run_pb2.Run:
        return await get_run(await session.orchestrator(), run_id)

    run = in_session(session, work)
    if as_json:
        outcome.print_json("run", run_document(run, os.environ, server))
        return outcome.DONE
    if attempts:
        print_attempts(run)
    print_run(run, server)
    return outcome.DONE


def diff(run_id: str, phase_id: str, server: str, raw: bool) -> int:
    """A phase's last change as a unified diff."""
    session = Session(server, start=("orchestrator",))
    import grpc

    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.cli.driving import in_session
    from autopack.cli.summary import print_diff
    from autopack.rpc.errors import to_exception

    async def work(session: Session) -> bytes:
        stub = await session.orchestrator()
        request = messages.DiffPhaseRequest(run_id=run_id, phase_id=phase_id)
        try:
            return b"".join([response.chunk async for response in stub.DiffPhase(request)])
        except grpc.aio.AioRpcError as error:
            raise to_exception(error) from error

    data = in_session(session, work)
    if raw:
        sys.stdout.buffer.write(data)
    else:
        print_diff(data.decode("utf-8", "backslashreplace"))
    return outcome.DONE
