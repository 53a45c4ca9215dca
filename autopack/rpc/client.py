"""What every outgoing call carries: the deadline, the API version and the trace."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc

from autopack.rpc.deadline import remaining_seconds
from autopack.rpc.tracing import CallSpan, client_span
from autopack.rpc.version import API_VERSION, API_VERSION_KEY

UNARY_SECONDS = 30.0
"""Deadline of a call without one; a Wait passes a longer one."""
STREAM_SECONDS = 3600.0
"""Deadline of a stream without one; who watches for longer calls again."""

Call = Any  # grpc.aio has one class for each of the four shapes and no common one that is public.
Continuation = Callable[[grpc.aio.ClientCallDetails, Any], Any]


async def _follow(
    continuation: Continuation, details: grpc.aio.ClientCallDetails, request: Any, default_seconds: float
) -> Call:
    """Makes the call with deadline, version and trace added; its span ends when it does."""
    metadata = grpc.aio.Metadata(*(details.metadata or ()))
    metadata.add(API_VERSION_KEY, API_VERSION)
    method = details.method
    span = client_span(method.decode() if isinstance(method, bytes) else method, metadata)
    timeout = default_seconds if details.timeout is None else details.timeout
    remaining = remaining_seconds()
    if remaining is not None:
        timeout = min(timeout, remaining)
        if not remaining:  # gRPC rounds a deadline up, and might still make the call
            span.end(grpc.StatusCode.DEADLINE_EXCEEDED)
            raise _late(span.path)
    try:
        call = await continuation(
            grpc.aio.ClientCallDetails(
                method, timeout, metadata, details.credentials, details.wait_for_ready
            ),
            request,
        )
    except asyncio.CancelledError:
        span.end(grpc.StatusCode.CANCELLED)
        raise
    call.add_done_callback(lambda ended: _end(span, ended))
    return call


def _late(path: str) -> grpc.aio.AioRpcError:
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, nothing, nothing, f"no time is left to call {path}", None
    )


def _end(span: CallSpan, call: Call) -> None:
    span.end(_result(call.code()) or grpc.StatusCode.UNKNOWN, _result(call.details()) or "")


def _result(coroutine: Any) -> Any:
    """What a coroutine that has nothing left to wait for returns: the call has ended.

    A task for it could be lost with the event loop, and the span with it.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    return None


# grpc.aio takes one interceptor for one shape, so there are four.
class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]  # untyped at run time
    async def intercept_unary_unary(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Call:
        return await _follow(continuation, client_call_details, request, UNARY_SECONDS)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[type-arg]
    async def intercept_unary_stream(
        self, continuation: Continuation, client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Call:
        return await _follow(continuation, client_call_details, request, STREAM_SECONDS)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):  # type: ignore[type-arg]
    async def intercept_stream_unary(
        self,
        continuation: Continuation,
        client_call_details: grpc.aio.ClientCallDetails,
        request_iterator: Any,
    ) -> Call:
        return await _follow(continuation, client_call_details, request_iterator, STREAM_SECONDS)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):  # type: ignore[type-arg]
    async def intercept_stream_stream(
        self,
        continuation: Continuation,
        client_call_details: grpc.aio.ClientCallDetails,
        request_iterator: Any,
    ) -> Call:
        return await _follow(continuation, client_call_details, request_iterator, STREAM_SECONDS)


def client_interceptors() -> Any:
    """The interceptors of every channel; the stubs have no type for them."""
    return [_UnaryUnary(), _UnaryStream(), _StreamUnary(), _StreamStream()]
