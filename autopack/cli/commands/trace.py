"""`autopack trace`: where the time of a run went, shown or sent on."""

from typing import TYPE_CHECKING

from autopack.cli import outcome
from autopack.cli.session import Session

if TYPE_CHECKING:
    from autopack.api.orchestrator.v1.run_pb2 import Span


def trace(run_id: str, otlp: str, calls: bool, server: str, as_json: bool) -> int:
    """Prints the spans as a waterfall, or sends them to a collector."""
    session = Session(server, start=("orchestrator",))
    import grpc

    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.cli.driving import in_session
    from autopack.cli.waterfall import print_waterfall, span_document
    from autopack.rpc.errors import to_exception

    async def work(session: Session) -> "list[Span]":
        stub = await session.orchestrator()
        try:
            return [
                response.span async for response in stub.GetTrace(messages.GetTraceRequest(run_id=run_id))
            ]
        except grpc.aio.AioRpcError as error:
            raise to_exception(error) from error

    spans = in_session(session, work)
    if otlp:
        from autopack.cli.otlp import send

        send(otlp, spans)
    if as_json:
        outcome.print_json("trace", {"run_id": run_id, "spans": [span_document(span) for span in spans]})
    elif otlp:
        from autopack.cli.terminal import output

        output().print(f"sent {len(spans)} spans to {otlp}")
    else:
        print_waterfall(spans, calls)
    return outcome.DONE
