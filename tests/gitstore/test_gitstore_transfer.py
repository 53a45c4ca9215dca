"""Objects move between services over GitService, with the real server and client around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from autopack.api.git.v1 import git_service_pb2
from autopack.api.git.v1.git_service_pb2 import GetPackRequest, PutPackHeader, PutPackRequest
from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub, add_GitServiceServicer_to_server
from autopack.errors import InvalidInput, NotFound, PermissionDenied, Reason, ResourceExhausted
from autopack.gitstore import transfer
from autopack.gitstore.packs import make_pack
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import get_commits, put_commit
from autopack.rpc.channel import create_channel
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import make_commit

if TYPE_CHECKING:
    from autopack.api.git.v1.git_service_pb2_grpc import GitServiceAsyncStub


@dataclass
class Owner:
    """The one who owns the repository, and what it was asked."""

    store: GitStore
    received: list[str] = field(default_factory=list)
    servicer: GitServiceServicer = field(init=False)

    def __post_init__(self) -> None:
        self.servicer = GitServiceServicer(self.find, self.authorize, self.note, limit_bytes=3_000_000)

    def find(self, project_id: str) -> GitStore:
        if project_id != "project":
            raise NotFound(Reason("PROJECT_NOT_FOUND", "no such project"))
        return self.store

    async def authorize(self, header: PutPackHeader) -> None:
        if header.upload_token != "token":
            raise PermissionDenied(Reason("UPLOAD_REFUSED", "no such token"))

    async def note(self, header: PutPackHeader, store: GitStore) -> None:
        assert store.has(header.commit)
        self.received.append(header.request_id)


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    return Owner(GitStore.open(tmp_path / "owner.git"))


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


@asynccontextmanager
async def connected(owner: Owner) -> "AsyncIterator[GitServiceAsyncStub]":
    offered = Service(
        "autopack.api.git.v1.GitService",
        lambda server: add_GitServiceServicer_to_server(owner.servicer, server),
        git_service_pb2.DESCRIPTOR,
    )
    async with create_server(ServerSettings("127.0.0.1:0"), [offered]) as server:
        channel = create_channel(server.address)
        try:
            yield GitServiceStub(channel)
        finally:
            await channel.close(None)


async def test_a_commit_is_got_once_and_only_what_differs(owner: Owner, store: GitStore) -> None:
    base = make_commit(owner.store, {f"d{number}/f": b"%d" % number for number in range(40)})
    head = make_commit(owner.store, {**{f"d{n}/f": b"%d" % n for n in range(40)}, "new": b"1"}, base)
    async with connected(owner) as stub:
        await get_commits(store, stub, "project", [base], [])
        await get_commits(store, stub, "project", [head], [base, "1" * 40])

    assert store.read(head, "new") == b"1"
    assert len(list(store.entries(head))) == 41


async def test_what_is_large_comes_in_chunks_of_half_a_mebibyte(owner: Owner, store: GitStore) -> None:
    noise = b"".join(b"%d" % (number * number) for number in range(700_000))
    commit = make_commit(owner.store, {"a": noise, "b": b"1"})
    async with connected(owner) as stub:
        sizes = [
            len(response.chunk)
            async for response in stub.GetPack(GetPackRequest(project_id="project", wants=[commit]))
        ]
        await get_commits(store, stub, "project", [commit], [])

    assert len(sizes) > 3
    assert max(sizes) == transfer.CHUNK_BYTES
    assert store.read(commit, "a") == noise


async def test_what_is_not_there_is_refused(owner: Owner, store: GitStore) -> None:
    async with connected(owner) as stub:
        with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
            await get_commits(store, stub, "project", ["1" * 40], [])
        with pytest.raises(NotFound, match="PROJECT_NOT_FOUND"):
            await get_commits(store, stub, "other", ["1" * 40], [])


async def test_a_commit_is_given_and_may_be_given_again(owner: Owner, store: GitStore) -> None:
    base = make_commit(owner.store, {"a": b"1", "d/b": b"1"})
    async with connected(owner) as stub:
        await get_commits(store, stub, "project", [base], [])
        head = make_commit(store, {"a": b"2", "d/b": b"1"}, base)
        for _ in range(2):
            assert await put_commit(store, stub, "project", head, base, "r1", "token") == 3

    assert owner.store.read(head, "a") == b"2"
    assert owner.received == ["r1", "r1"]


async def test_who_has_no_token_gives_nothing(owner: Owner, store: GitStore) -> None:
    head = make_commit(store, {"a": b"1"})
    async with connected(owner) as stub:
        with pytest.raises(PermissionDenied, match="UPLOAD_REFUSED"):
            await put_commit(store, stub, "project", head, "1" * 40, "r1", "guess")

    assert not owner.store.has(head)
    assert owner.received == []


async def test_a_pack_over_the_limit_is_refused(owner: Owner, store: GitStore) -> None:
    noise = b"".join(b"%d" % (number * number) for number in range(900_000))
    head = make_commit(store, {"a": noise})
    async with connected(owner) as stub:
        with pytest.raises(ResourceExhausted, match="PACK_TOO_LARGE"):
            await put_commit(store, stub, "project", head, "1" * 40, "r1", "token")

    assert not owner.store.has(head)
    assert not list(owner.store.path.glob("incoming-*"))


def header(commit: str) -> PutPackRequest:
    return PutPackRequest(
        header=PutPackHeader(request_id="r", project_id="project", commit=commit, upload_token="token")
    )


async def test_requests_that_are_no_upload_are_refused(owner: Owner, store: GitStore) -> None:
    commit, other = make_commit(store, {"a": b"1"}), make_commit(store, {"a": b"2"})
    pack = b"".join(make_pack(store, [commit], []))
    chunk = PutPackRequest(chunk=pack)
    cases: list[list[PutPackRequest]] = [
        [],
        [chunk],
        [header(commit)],
        [header(commit), header(commit), chunk],
        [header(commit), PutPackRequest(chunk=b"nonsense")],
        [header(commit), PutPackRequest(chunk=pack[:-1])],
        [header(other), chunk],
    ]
    async with connected(owner) as stub:
        for requests in cases:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.PutPack(iter(requests))
            assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert "PACK_INVALID" in str(caught.value.details())

    assert not owner.store.has(commit)
    assert owner.received == []


async def test_an_upload_that_breaks_off_leaves_nothing_behind(owner: Owner, store: GitStore) -> None:
    commit = make_commit(store, {"a": b"1"})
    begun = asyncio.Event()

    async def requests() -> AsyncIterator[PutPackRequest]:
        yield header(commit)
        yield PutPackRequest(chunk=b"PACK" + bytes(900_000))
        begun.set()
        await asyncio.Event().wait()

    async with connected(owner) as stub:
        call = stub.PutPack(requests())
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert not list(owner.store.path.glob("incoming-*"))


async def test_what_comes_from_the_owner_is_checked_too(owner: Owner, store: GitStore) -> None:
    blob = bytes.fromhex(owner.store.write_blob(b"x"))
    tree = owner.store.write_tree(b"100644 .git\0" + blob).hex()
    commit = owner.store.write_object(
        1, b"tree %b\nauthor a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nm\n" % tree.encode()
    ).hex()
    async with connected(owner) as stub:
        with pytest.raises(InvalidInput, match="PACK_INVALID"):
            await get_commits(store, stub, "project", [commit], [])

    assert not store.has(commit)
