"""A service's copies of the projects' objects: asked for once, by what differs, over a real GitService."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autopack.api.git.v1 import git_service_pb2
from autopack.api.git.v1.git_service_pb2_grpc import add_GitServiceServicer_to_server
from autopack.errors import NotFound
from autopack.gitstore import service
from autopack.gitstore.copies import MAXIMUM_HAVES, MAXIMUM_KNOWN, Copies
from autopack.gitstore.packs import make_pack
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import make_commit


@dataclass
class Owner:
    """Who owns the project "p", and what was asked of it: wants and haves of each GetPack."""

    store: GitStore
    address: str = ""
    asked: list[tuple[list[str], list[str]]] = field(default_factory=list)


@pytest.fixture
async def owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Owner]:
    owner = Owner(GitStore.open(tmp_path / "owner.git"))

    def noted(source: GitStore, wants: Sequence[str], haves: Sequence[str]) -> Iterator[bytes]:
        owner.asked.append((list(wants), list(haves)))
        return make_pack(source, wants, haves)

    async def anything(*_: object) -> None:
        return

    monkeypatch.setattr(service, "make_pack", noted)
    servicer = GitServiceServicer(lambda _: owner.store, anything, anything)
    offered = Service(
        "autopack.api.git.v1.GitService",
        lambda server: add_GitServiceServicer_to_server(servicer, server),
        git_service_pb2.DESCRIPTOR,
    )
    async with create_server(ServerSettings(f"unix:{tmp_path}/git.sock"), [offered]) as server:
        owner.address = server.address
        yield owner


@pytest.fixture
async def copies(tmp_path: Path) -> AsyncIterator[Copies]:
    copies = Copies(tmp_path / "copies", None)
    yield copies
    await copies.close()


async def test_what_is_lacking_is_asked_for_in_one_call(owner: Owner, copies: Copies) -> None:
    base = make_commit(owner.store, {"a": b"1"})
    head = make_commit(owner.store, {"a": b"2"}, base)

    store = await copies.with_commits("p", owner.address, base, head, base)

    assert store.read(head, "a") == b"2"
    assert owner.asked == [([base, head], [])]


async def test_what_is_there_is_not_asked_for(owner: Owner, copies: Copies) -> None:
    commit = make_commit(owner.store, {"a": b"1"})
    await copies.with_commits("p", owner.address, commit)

    await copies.with_commits("p", "unix:/nobody/listens", commit)

    assert len(owner.asked) == 1


async def test_only_what_differs_from_the_last_commits_is_asked_for(owner: Owner, copies: Copies) -> None:
    commits = [make_commit(owner.store, {"a": b"0"})]
    for number in range(MAXIMUM_HAVES + 2):
        commits.append(make_commit(owner.store, {"a": b"%d" % number}, commits[-1]))
        await copies.with_commits("p", owner.address, commits[0], commits[-1])

    assert owner.asked[1] == ([commits[2]], [commits[0], commits[1]])
    assert owner.asked[-1][1] == [*commits[2:-2], commits[0], commits[-2]][-MAXIMUM_HAVES:]


async def test_after_a_restart_only_what_differs_is_asked_for(
    owner: Owner, copies: Copies, tmp_path: Path
) -> None:
    base = make_commit(owner.store, {"a": b"1"})
    await copies.with_commits("p", owner.address, base)
    head = make_commit(owner.store, {"a": b"2"}, base)

    restarted = Copies(tmp_path / "copies", None)
    try:
        await restarted.with_commits("p", owner.address, head)
    finally:
        await restarted.close()

    assert owner.asked[-1] == ([head], [base])


async def test_what_is_known_without_looking_stays_bounded(owner: Owner, copies: Copies) -> None:
    first = make_commit(owner.store, {"a": b"0"})
    others = [make_commit(owner.store, {"a": b"%d" % n}, first) for n in range(MAXIMUM_KNOWN)]
    await copies.with_commits("p", owner.address, first)
    await copies.with_commits("p", owner.address, *others)

    await copies.with_commits("p", owner.address, first)

    assert len(owner.asked) == 2


async def test_many_who_want_one_commit_at_once_get_it_once(owner: Owner, copies: Copies) -> None:
    commit = make_commit(owner.store, {"a": b"1"})

    stores = await asyncio.gather(*(copies.with_commits("p", owner.address, commit) for _ in range(20)))

    assert len(owner.asked) == 1
    assert all(store.has(commit) for store in stores)


async def test_one_who_gives_up_does_not_keep_the_others_from_it(
    owner: Owner, copies: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = make_commit(owner.store, {"a": b"1"})
    asked, answer = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(source: GitStore, wants: Sequence[str], haves: Sequence[str]) -> Iterator[bytes]:
        loop.call_soon_threadsafe(asked.set)
        answer.wait(20)
        return make_pack(source, wants, haves)

    monkeypatch.setattr(service, "make_pack", slow)
    first = asyncio.create_task(copies.with_commits("p", owner.address, commit))
    await asked.wait()
    second = asyncio.create_task(copies.with_commits("p", owner.address, commit))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    answer.set()

    assert (await second).has(commit)


async def test_what_nobody_has_is_refused_and_asked_for_again(owner: Owner, copies: Copies) -> None:
    for _ in range(2):
        with pytest.raises(NotFound, match="OBJECT_NOT_FOUND"):
            await copies.with_commits("p", owner.address, "1" * 40)

    assert len(owner.asked) == 2


async def test_beside_the_owner_nothing_is_copied(owner: Owner, tmp_path: Path) -> None:
    base = make_commit(owner.store, {"a": b"1"})
    copies = Copies(tmp_path / "copies", None, owners=tmp_path)

    store = await copies.with_commits("owner", "unix:/nobody/listens", base)
    head = make_commit(store, {"a": b"2"}, base)
    await copies.give("owner", "unix:/nobody/listens", head, base, "request", "token")

    assert owner.store.read(head, "a") == b"2"
    assert not (tmp_path / "copies").exists()
    await copies.close()


@pytest.mark.parametrize("project_id", ["other", "../owner", "."])
async def test_what_the_owner_has_not_beside_us_is_copied(
    owner: Owner, tmp_path: Path, project_id: str
) -> None:
    commit = make_commit(owner.store, {"a": b"1"})
    copies = Copies(tmp_path / "copies", None, owners=tmp_path)

    store = await copies.with_commits(project_id, owner.address, commit)

    assert store.path.parent == tmp_path / "copies"
    assert len(owner.asked) == 1
    await copies.close()
