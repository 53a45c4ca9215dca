"""Deadlines reach the services further on; only calls that may be repeated are."""

import asyncio
import json
import time
from typing import Any

import grpc
import pytest

from autopack.api.git.v1 import git_service_pb2
from autopack.api.memory.v1 import memory_service_pb2
from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.rpc.channel import create_channel
from autopack.rpc.client import UNARY_SECONDS
from autopack.rpc.deadline import MARGIN_SECONDS, deadline_after, remaining_seconds
from autopack.rpc.errors import call
from autopack.rpc.transport import CHANNEL_OPTIONS, SERVER_OPTIONS

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")
WANTS = git_service_pb2.GetPackRequest(project_id="p", wants=["0" * 40])


# gRPC rounds what it tells a server up: to 10 ms below 10 s, to 100 ms and more above.
ROUNDING = 1.0


async def remaining_at(served: Any, **arguments: Any) -> float:
    """Seconds that the handler sees when called with the arguments."""
    seen: list[float] = []

    async def recall(request: Any, context: Any) -> Any:
        seen.append(context.time_remaining())
        return memory_service_pb2.RecallResponse()

    served.memory.recall = recall
    await call(served.recall(QUERY, **arguments))
    return seen[0]


async def test_a_call_without_a_deadline_gets_one(served: Any) -> None:
    assert UNARY_SECONDS - 5 < await remaining_at(served) <= UNARY_SECONDS + ROUNDING


async def test_a_call_may_ask_for_more_time(served: Any) -> None:
    assert 590 < await remaining_at(served, timeout=600) <= 600 + ROUNDING


async def test_a_nested_call_ends_before_the_call_that_it_serves(serve: Any) -> None:
    near, far = await serve(), await serve()
    seen: list[tuple[float, float]] = []

    async def recall(request: Any, context: Any) -> Any:
        there = await remaining_at(far, timeout=600)
        seen.append((context.time_remaining(), there))
        return memory_service_pb2.RecallResponse()

    near.memory.recall = recall
    await call(near.recall(QUERY, timeout=9))
    here, there = seen[0]
    assert there < 9 - MARGIN_SECONDS + 0.011
    assert abs(here - there) < 5


async def test_a_shorter_deadline_of_the_nested_call_holds(served: Any) -> None:
    with deadline_after(600):
        assert await remaining_at(served, timeout=5) <= 5 + ROUNDING


async def test_work_that_outlives_its_call_is_not_bound_by_it(served: Any) -> None:
    with deadline_after(1), deadline_after(None):
        assert remaining_seconds() is None
        assert await remaining_at(served) > 5


async def test_a_deadline_that_has_passed_ends_the_call_at_once(served: Any) -> None:
    with deadline_after(0), pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        await call(served.recall(QUERY))


async def test_a_handler_is_cancelled_at_its_deadline(served: Any) -> None:
    cancelled = asyncio.Event()

    async def recall(request: Any, context: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    served.memory.recall = recall
    with pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        await call(served.recall(QUERY, timeout=0.1))
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_unary_call_is_repeated_while_the_service_is_unavailable(served: Any) -> None:
    calls = 0

    async def recall(request: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise Unavailable(Reason("INDEX_LOADING", "not yet"))
        return memory_service_pb2.RecallResponse()

    served.memory.recall = recall
    await call(served.recall(QUERY))
    assert calls == 3


async def test_a_refusal_is_not_repeated(served: Any) -> None:
    calls = 0

    async def recall(request: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        raise InvalidInput(Reason("NO", "no"))

    served.memory.recall = recall
    with pytest.raises(InvalidInput):
        await call(served.recall(QUERY))
    assert calls == 1


async def test_a_stream_is_not_repeated(served: Any) -> None:
    served.git.refusal = Unavailable(Reason("LATER", "later"))
    with pytest.raises(Unavailable, match="LATER"):
        await call(served.get_pack(WANTS).read())
    assert served.git.calls == 1


async def test_a_service_that_is_not_there_is_unavailable_and_named(tmp_path: Any) -> None:
    async with create_channel(f"unix:{tmp_path}/none.sock") as channel:
        method = channel.unary_unary(
            "/autopack.api.memory.v1.MemoryService/Recall",
            memory_service_pb2.RecallRequest.SerializeToString,
            memory_service_pb2.RecallResponse.FromString,
        )
        before = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            await call(method(QUERY))
        assert time.monotonic() - before < 10
        assert caught.value.reasons[0].fix


def test_both_ends_agree_on_keepalive() -> None:
    client, server = dict(CHANNEL_OPTIONS), dict(SERVER_OPTIONS)
    allowed = server["grpc.http2.min_ping_interval_without_data_ms"]
    assert int(client["grpc.keepalive_time_ms"]) > int(allowed)
    assert client["grpc.keepalive_permit_without_calls"] == server["grpc.keepalive_permit_without_calls"]
    assert client["grpc.max_metadata_size"] == server["grpc.max_metadata_size"]


def test_only_unavailable_is_retried() -> None:
    config = json.loads(str(dict(CHANNEL_OPTIONS)["grpc.service_config"]))
    policies = [method["retryPolicy"] for method in config["methodConfig"] if "retryPolicy" in method]
    assert [policy["retryableStatusCodes"] for policy in policies] == [[grpc.StatusCode.UNAVAILABLE.name]]
