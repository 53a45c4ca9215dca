"""The client's side of moving objects between services: get what is lacking, give what was made."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import grpc

from autopack.api.git.v1.git_service_pb2 import GetPackRequest, PutPackHeader, PutPackRequest
from autopack.gitstore.packs import PackReceiver, make_pack
from autopack.gitstore.store import GitStore
from autopack.rpc.errors import to_exception

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.git.v1.git_service_pb2_grpc import GitServiceAsyncStub

CHUNK_BYTES = 512 * 1024
DEADLINE_SECONDS = 600.0
"""Of one transfer, where the call that it is made for does not end sooner."""

_locks: WeakValueDictionary[tuple[Path, str], asyncio.Lock] = WeakValueDictionary()


async def ensure_commit(
    store: GitStore, stub: "GitServiceAsyncStub", project_id: str, commit: str, haves: Sequence[str] = ()
) -> None:
    """Sees to it that the store has a commit with its whole tree; does nothing if it has.

    `haves` are commits that the store may have already: only what differs from them is moved.
    Raises what GetPack refuses with, and what `PackReceiver` refuses.
    """
    if await asyncio.to_thread(store.has, commit):
        return
    # Of callers that want one commit at once, the first gets it; if it gives up, the next does.
    lock = _locks.setdefault((store.path, commit), asyncio.Lock())
    async with lock:
        known = await asyncio.to_thread(lambda: [have for have in (commit, *haves) if store.has(have)])
        if commit in known:
            return
        request = GetPackRequest(project_id=project_id, wants=[commit], haves=known)
        with PackReceiver(store) as receiver:
            call = stub.GetPack(request, timeout=DEADLINE_SECONDS)
            try:
                async for response in call:
                    await receive(receiver, response.chunk)
            except grpc.aio.AioRpcError as error:
                raise to_exception(error) from error
            finally:
                call.cancel()
            await asyncio.to_thread(receiver.finish, commit)


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
    pack = await asyncio.to_thread(make_pack, store, [commit], [base])

    async def requests() -> AsyncIterator[PutPackRequest]:
        yield PutPackRequest(header=header)
        async for chunk in in_chunks(pack):
            yield PutPackRequest(chunk=chunk)

    try:
        response = await stub.PutPack(requests(), timeout=DEADLINE_SECONDS)
    except grpc.aio.AioRpcError as error:
        raise to_exception(error) from error
    return response.objects


async def receive(receiver: PackReceiver, chunk: bytes) -> None:
    """Adds a chunk, off the loop where it goes to disk."""
    if receiver.spools:
        await asyncio.to_thread(receiver.add, chunk)
    else:
        receiver.add(chunk)


async def in_chunks(pack: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A pack in messages of at most CHUNK_BYTES, made off the loop as fast as they are taken."""
    buffer = bytearray()

    def fill() -> None:
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
