"""The one server interceptor: trace, deadline, limit, version, validation, errors, drain.

One for all, because each alone would wrap the four shapes of a call anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, NoReturn, TypeAlias

import grpc

from autopack.errors import AutopackError, Internal, Reason, ResourceExhausted, Unavailable
from autopack.rpc.deadline import MARGIN_SECONDS, deadline_after
from autopack.rpc.errors import STATUS_KEY, status_code, to_exception, to_status
from autopack.rpc.tracing import INFRASTRUCTURE, CallSpan, server_span
from autopack.rpc.validation import validate
from autopack.rpc.version import check_version
from autopack.telemetry.context import current_trace_id, serving_as

logger = logging.getLogger(__name__)

OVERLOAD_RETRY_SECONDS = 1.0

# In quotes: generic in the stubs, not at run time.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_HANDLER_OF_SHAPE: dict[tuple[bool, bool], Callable[..., Handler]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # not generic at run time
    """Stands around every call of one server."""

    def __init__(self, service: str, maximum_concurrent_rpcs: int) -> None:
        self._service = service
        self._maximum = maximum_concurrent_rpcs
        self._running: set[asyncio.Task[Any]] = set()
        self._probes: set[asyncio.Task[Any]] = set()
        self._interrupted: set[asyncio.Task[Any]] = set()

    async def drain(self, seconds: float) -> None:
        """Ends watching probes at once, and after so many seconds what then still runs.

        Who is cut off is told to call again: by then another instance may answer.
        """
        self._interrupt(self._probes)
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        self._interrupt(self._running)

    def _interrupt(self, tasks: set[asyncio.Task[Any]]) -> None:
        self._interrupted |= tasks
        for task in tasks:
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler: Handler | None = await continuation(handler_call_details)
        if handler is None:
            return None  # type: ignore[return-value]  # an unknown method: gRPC answers UNIMPLEMENTED
        path = handler_call_details.method
        ours = not path.startswith(INFRASTRUCTURE)
        around = self._serve if ours else self._probe
        shape = (handler.request_streaming, handler.response_streaming)
        method = getattr(handler, "_".join("stream" if streams else "unary" for streams in shape))

        async def behaviour(request: Any, context: Context) -> Any:
            async def run() -> Any:
                if ours and handler.request_streaming:
                    answer = method(_validated(request), context)
                else:
                    if ours:
                        validate(request)
                    answer = method(request, context)
                return await (_write_all(answer, context) if handler.response_streaming else answer)

            return await around(path, context, run)

        return _HANDLER_OF_SHAPE[shape](behaviour, handler.request_deserializer, handler.response_serializer)

    async def _probe(self, path: str, context: Context, run: Callable[[], Awaitable[Any]]) -> Any:
        with _member(self._probes) as task:
            try:
                return await run()
            except asyncio.CancelledError:
                if task in self._interrupted:
                    await _abort(context, _stopping(path))
                raise
            finally:
                self._interrupted.discard(task)

    async def _serve(self, path: str, context: Context, run: Callable[[], Awaitable[Any]]) -> Any:
        metadata = context.invocation_metadata()
        with (
            serving_as(self._service),
            deadline_after(context.time_remaining()),
            server_span(path, metadata) as span,
            _member(self._running) as task,
        ):
            try:
                self._admit()
                check_version(metadata)
                answer = await run()
            except asyncio.CancelledError:
                if task in self._interrupted:
                    await _abort(context, _stopping(path), span)
                remaining = context.time_remaining()
                # The client's clock ends the call a little before the server's does.
                late = remaining is not None and remaining < MARGIN_SECONDS
                span.end(grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED)
                raise
            except grpc.aio.AbortError:
                span.end(_code(context), context.details())
                raise
            except AutopackError as error:
                await _abort(context, error, span)
            except grpc.aio.AioRpcError as error:
                await _abort(context, to_exception(error), span)
            except Exception:
                logger.exception("%s failed", path)
                await _abort(context, _internal(path), span)
            finally:
                self._interrupted.discard(task)
            span.end(_code(context), context.details())
            return answer

    def _admit(self) -> None:
        if len(self._running) > self._maximum:
            raise ResourceExhausted(
                Reason("OVERLOADED", f"{self._maximum} calls are being served", "Try again later."),
                retry_after_seconds=OVERLOAD_RETRY_SECONDS,
            )


@contextmanager
def _member(tasks: set[asyncio.Task[Any]]) -> Iterator[asyncio.Task[Any]]:
    """Has the current task in the set for as long as the block runs."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    tasks.add(task)
    try:
        yield task
    finally:
        tasks.discard(task)


async def _validated(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        validate(request)
        yield request


async def _write_all(answer: Any, context: Context) -> None:
    """Streams what the handler yields.

    Not as a generator of our own: one that a client drops is closed later in another
    context, where the trace cannot be put back, and the handler's clean-up would wait too.
    """
    if not hasattr(answer, "__aiter__"):
        await answer
        return
    async with aclosing(answer):
        async for response in answer:
            await context.write(response)


async def _abort(context: Context, error: AutopackError, span: CallSpan | None = None) -> NoReturn:
    code, status = status_code(error), to_status(error, current_trace_id())
    if span is not None:
        span.end(code, status.message, error.reasons[0].code)
    await context.abort(code, status.message, ((STATUS_KEY, status.SerializeToString()),))


def _stopping(path: str) -> Unavailable:
    return Unavailable(Reason("SERVICE_STOPPING", f"{path} was cut off: the service stops", "Call again."))


def _internal(path: str) -> Internal:
    trace_id = current_trace_id() or "none"
    return Internal(
        Reason("INTERNAL", f"{path} failed unexpectedly (trace {trace_id})", "See the service's log.")
    )


def _code(context: Context) -> grpc.StatusCode:
    """The status that a handler set by itself; gRPC has 0 or None where it set none."""
    code: Any = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return next((known for known in grpc.StatusCode if known.value[0] == code), grpc.StatusCode.OK)
