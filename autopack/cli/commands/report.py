"""`autopack report`: all of a run on one HTML page, for people who were not there."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.cli import outcome
from autopack.cli.session import Session
from autopack.errors import InvalidInput, NotFound, Reason

if TYPE_CHECKING:
    from autopack.api.orchestrator.v1.run_pb2 import Run, Span


def report(run_id: str, file: Path, server: str, as_json: bool) -> int:
    """Writes the page, whole or not at all."""
    session = Session(server, start=("orchestrator",))
    import grpc

    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.cli.documents import run_document
    from autopack.cli.driving import get_run, in_session
    from autopack.cli.page import page
    from autopack.cli.terminal import neutralise, output
    from autopack.rpc.errors import to_exception

    async def work(session: Session) -> "tuple[Run, dict[str, str], list[Span]]":
        stub = await session.orchestrator()
        run = await get_run(stub, run_id)
        diffs: dict[str, str] = {}
        try:
            for phase in run.phases:
                asked = messages.DiffPhaseRequest(run_id=run_id, phase_id=phase.phase_id)
                try:
                    data = b"".join([answer.chunk async for answer in stub.DiffPhase(asked)])
                except grpc.aio.AioRpcError as error:
                    if isinstance(to_exception(error), NotFound):
                        continue  # no builder has made a change
                    raise
                diffs[phase.phase_id] = data.decode("utf-8", "backslashreplace")
            trace = stub.GetTrace(messages.GetTraceRequest(run_id=run_id))
            return run, diffs, [answer.span async for answer in trace]
        except grpc.aio.AioRpcError as error:
            raise to_exception(error) from error

    run, diffs, spans = in_session(session, work)
    text = page(run_document(run, os.environ, server), diffs, spans)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        found = f"{file} cannot be written: {error.strerror or error}"
        raise InvalidInput(Reason("FILE_UNWRITABLE", found, "name another file with -o")) from error
    if as_json:
        outcome.print_json("report", {"run_id": run_id, "file": str(file)})
    else:
        output().print(f"wrote {neutralise(str(file), True)}")
    return outcome.DONE
