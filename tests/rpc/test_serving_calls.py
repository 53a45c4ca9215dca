"""What every served call goes through: validation, errors, limits, version, streams."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn

import grpc
import pytest

from autopack.api.git.v1 import git_service_pb2
from autopack.api.memory.v1 import memory_service_pb2
from autopack.errors import (
    AutopackError,
    FailedPrecondition,
    Internal,
    InvalidInput,
    NotFound,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from autopack.rpc.errors import call, to_exception

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")
WANTS = git_service_pb2.GetPackRequest(project_id="p", wants=["0" * 40])


def raises(error: Exception) -> Callable[[Any, Any], Awaitable[NoReturn]]:
    async def recall(request: Any, context: Any) -> NoReturn:
        raise error

    return recall


async def drained(stream: Any) -> list[Any]:
    try:
        return [message async for message in stream]
    except grpc.aio.AioRpcError as error:
        raise to_exception(error) from error


async def test_an_answer_comes_through(served: Any) -> None:
    assert await call(served.recall(QUERY)) == memory_service_pb2.RecallResponse()


async def test_a_refusal_arrives_with_all_its_reasons(served: Any) -> None:
    reasons = (
        Reason("ONE", "first", "mend it", "a.py", 3),
        Reason("TWO", "zwei\x00\n\r\x1b[2J \N{PARTY POPPER}"),
    )
    served.memory.recall = raises(NotFound(*reasons))
    with pytest.raises(NotFound) as caught:
        await call(served.recall(QUERY))
    assert caught.value.reasons == reasons


async def test_reasons_of_hundreds_of_kilobytes_arrive(served: Any) -> None:
    reasons = tuple(Reason("LINE_BAD", "x" * 1000, path=str(number)) for number in range(200))
    served.memory.recall = raises(InvalidInput(*reasons))
    with pytest.raises(InvalidInput) as caught:
        await call(served.recall(QUERY))
    assert caught.value.reasons == reasons


async def test_a_request_that_breaks_rules_never_reaches_the_service(served: Any) -> None:
    served.memory.recall = raises(AssertionError("reached"))
    with pytest.raises(InvalidInput) as caught:
        await call(served.recall(memory_service_pb2.RecallRequest(top_k=1000)))
    assert {(reason.code, reason.path) for reason in caught.value.reasons} == {
        ("REQUEST_INVALID", "project_id"),
        ("REQUEST_INVALID", "query"),
        ("REQUEST_INVALID", "top_k"),
    }


async def test_a_broken_rule_names_the_element_at_fault(served: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await drained(
            served.get_pack(git_service_pb2.GetPackRequest(project_id="p", wants=["0" * 40, "HEAD"]))
        )
    assert [reason.path for reason in caught.value.reasons] == ["wants[1]"]


async def test_every_message_of_a_request_stream_is_validated(served: Any) -> None:
    async def requests() -> AsyncIterator[git_service_pb2.PutPackRequest]:
        yield git_service_pb2.PutPackRequest(chunk=b"fine")
        yield git_service_pb2.PutPackRequest()

    with pytest.raises(InvalidInput, match="REQUEST_INVALID"):
        await call(served.put_pack(requests()))
    assert served.git.received == [b"fine"]


async def test_an_unexpected_exception_is_internal_and_keeps_its_secrets(
    served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    served.memory.recall = raises(ZeroDivisionError("password=hunter2"))
    with caplog.at_level(logging.ERROR), pytest.raises(Internal) as caught:
        await call(served.recall(QUERY))
    assert caught.value.reasons[0].code == "INTERNAL"
    assert "hunter2" not in str(caught.value)
    assert "hunter2" in caplog.text


async def test_the_refusal_of_a_service_further_on_is_passed_on(serve: Any) -> None:
    near, far = await serve(), await serve()
    far.memory.recall = raises(Unavailable(Reason("INDEX_LOADING", "not yet"), retry_after_seconds=3))

    async def recall(request: Any, context: Any) -> Any:
        return await far.recall(request)

    near.memory.recall = recall
    with pytest.raises(Unavailable, match="INDEX_LOADING") as caught:
        await call(near.recall(QUERY))
    assert caught.value.retry_after_seconds == 3


async def test_a_handler_may_abort_by_itself(served: Any) -> None:
    async def recall(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.NOT_FOUND, "gone")

    served.memory.recall = recall
    with pytest.raises(NotFound, match="gone"):
        await call(served.recall(QUERY))


async def test_a_stream_that_fails_midway_delivers_what_came_before_and_the_reason(served: Any) -> None:
    served.git.failure = NotFound(Reason("OBJECT_NOT_FOUND", "no"))
    stream = served.get_pack(WANTS)
    assert (await stream.read()).chunk == b"one"
    with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
        await drained(stream)


async def test_a_dropped_stream_is_cleaned_up_at_once(served: Any) -> None:
    stream = served.get_pack(WANTS)
    assert (await stream.read()).chunk == b"one"
    await served.git.sent.wait()
    stream.cancel()
    await asyncio.wait_for(served.git.cleaned.wait(), 5)


async def test_a_cancelled_call_cancels_its_handler(served: Any) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def recall(request: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    served.memory.recall = recall
    running = asyncio.create_task(call(served.recall(QUERY)))
    await begun.wait()
    running.cancel()
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_calls_over_the_limit_are_told_when_to_try_again(serve: Any) -> None:
    served = await serve(maximum_concurrent_rpcs=1)
    begun, go = asyncio.Event(), asyncio.Event()

    async def recall(request: Any, context: Any) -> Any:
        begun.set()
        await go.wait()
        return memory_service_pb2.RecallResponse()

    served.memory.recall = recall
    running = asyncio.create_task(call(served.recall(QUERY)))
    await begun.wait()
    with pytest.raises(ResourceExhausted, match="OVERLOADED") as caught:
        await call(served.recall(QUERY))
    assert caught.value.retry_after_seconds
    go.set()
    await running
    assert await call(served.recall(QUERY)) == memory_service_pb2.RecallResponse()


async def _version(served: Any, version: str | None) -> None:
    """Calls without our interceptors, as a stranger's client does."""
    metadata = [] if version is None else [("autopack-api-version", version)]
    async with grpc.aio.insecure_channel(served.server.address) as channel:
        method = channel.unary_unary(
            "/autopack.api.memory.v1.MemoryService/Recall",
            memory_service_pb2.RecallRequest.SerializeToString,
            memory_service_pb2.RecallResponse.FromString,
        )
        await call(method(QUERY, metadata=metadata))


@pytest.mark.parametrize("version", ["v1", None])
async def test_a_client_of_this_version_or_of_none_is_served(served: Any, version: str | None) -> None:
    await _version(served, version)


async def test_a_client_of_another_version_is_refused(served: Any) -> None:
    with pytest.raises(FailedPrecondition, match=r"API_VERSION_MISMATCH.*v2"):
        await _version(served, "v2")


async def test_a_method_that_the_server_lacks_is_a_matter_of_versions(served: Any) -> None:
    method = served.channel.unary_unary("/autopack.api.memory.v1.MemoryService/Dream", bytes, bytes)
    with pytest.raises(FailedPrecondition) as caught:
        await call(method(b""))
    assert caught.value.reasons[0].code == "UNIMPLEMENTED"
    assert "version" in caught.value.reasons[0].fix


async def test_a_message_over_four_megabytes_is_refused(served: Any) -> None:
    async def requests() -> AsyncIterator[git_service_pb2.PutPackRequest]:
        yield git_service_pb2.PutPackRequest(chunk=bytes(5 << 20))

    with pytest.raises(AutopackError):
        await call(served.put_pack(requests()))
    assert served.git.received == []
