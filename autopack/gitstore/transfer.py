"""The client's side of moving objects between services: get what is lacking, give what was made."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import grpc

from autopack.api.git.v1.git_service_pb2 import GetPackRequest, PutPackHeader, PutPackRequest
from autopack.gitstore.packs import PackReceiver, make_pack
from autopack.gitstore.store import GitStore
from autopack.rpc.errors import to_exception

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.git.v1.git_service_pb2_grpc import GitServiceAsyncStub

CHUNK_BYTES = 512 * 1024
BROKEN_OFF = "Internal error from Core"
DEADLINE_SECONDS = 600.0
"""Of one transfer, where the call that it is made for does not end sooner."""


async def get_commits(
    store: GitStore,
    stub: "GitServiceAsyncStub",
    project_id: str,
    commits: Sequence[str],
    haves: Sequence[str],
) -> None:
    """Gets commits with their whole trees into the store, which has the commits `haves` already.

    Raises what GetPack refuses with, and what `PackReceiver` refuses.
    """
    request = GetPackRequest(project_id=project_id, wants=dict.fromkeys(commits), haves=haves)
    with PackReceiver(store) as receiver:
        call = stub.GetPack(request, timeout=DEADLINE_SECONDS)
        try:
            async for response in call:
                await receive(receiver, response.chunk)
        except grpc.aio.AioRpcError as error:
            raise to_exception(error) from error
        finally:
            call.cancel()
        await asyncio.to_thread(receiver.finish, *commits)


async def put_commit(
    store: GitStore,
    stub: "GitServiceAsyncStub",
    project_id: str,
    commit: str,
    base: str,
    request_id: str,
    upload_token: str,
) -> int:
    """Gives a commit to the owner of the repository, who has `base`; returns the number of objects.

    Raises what PutPack refuses with.
    """
    header = PutPackHeader(
        request_id=request_id, project_id=project_id, commit=commit, upload_token=upload_token
    )

    async def requests() -> AsyncIterator[PutPackRequest]:
        yield PutPackRequest(header=header)
        async for chunk in in_chunks(lambda: make_pack(store, [commit], [base])):
            yield PutPackRequest(chunk=chunk)

    for again in (True, False):
        try:
            response = await stub.PutPack(requests(), timeout=DEADLINE_SECONDS)
        except grpc.aio.AioRpcError as error:
            # An answer that comes while the next chunk is being written can be lost in gRPC itself.
            if again and error.details() == BROKEN_OFF:
                continue
            raise to_exception(error) from error
        break
    return response.objects


async def receive(receiver: PackReceiver, chunk: bytes) -> None:
    """Adds a chunk, off the loop where it goes to disk."""
    if receiver.spools:
        await asyncio.to_thread(receiver.add, chunk)
    else:
        receiver.add(chunk)


async def in_chunks(make: Callable[[], Iterator[bytes]]) -> AsyncIterator[bytes]:
    """A pack in messages of at most CHUNK_BYTES, made off the loop as fast as they are taken."""
    buffer = bytearray()
    pack: Iterator[bytes] | None = None

    def fill() -> None:
        nonlocal pack
        if pack is None:
            pack = make()
        while len(buffer) < CHUNK_BYTES and (part := next(pack, None)) is not None:
            buffer.extend(part)

    while True:
        await asyncio.to_thread(fill)
        if not buffer:
            return
        last = len(buffer) < CHUNK_BYTES
        for start in range(0, len(buffer), CHUNK_BYTES):
            yield bytes(buffer[start : start + CHUNK_BYTES])
        buffer.clear()
        if last:
            return
