"""Medians of every git operation on the way of a phase, in milliseconds, beside the floor: starting git once.

python benchmarks/gitstore.py [FILES ...]        (default: 200 50000)
"""

import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pygit2

from autopack.api.git.v1 import git_service_pb2
from autopack.api.git.v1.git_service_pb2_grpc import GitServiceStub, add_GitServiceServicer_to_server
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.command import run_git
from autopack.gitstore.local_remote import LocalRemote
from autopack.gitstore.packs import make_pack, receive_pack
from autopack.gitstore.patch import parse_patch
from autopack.gitstore.replay import replay
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.gitstore.transfer import get_commits, put_commit
from autopack.gitstore.write_path import Edit, apply_edits, check_change
from autopack.policy.paths import PathRules
from autopack.rpc.channel import create_channel
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import AUTHOR

ROUNDS = 40
RULES = PathRules()


def show(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    print(f"  {name:<42}{statistics.median(ordered) * 1e3:9.2f} ms   worst {ordered[-1] * 1e3:9.2f}")


def measure(name: str, work: Callable[[int], object], rounds: int = ROUNDS) -> None:
    seconds = []
    for number in range(rounds):
        start = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - start)
    show(name, seconds)


async def measure_async(name: str, work: Callable[[int], Awaitable[object]]) -> None:
    seconds = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        await work(number)
        seconds.append(time.perf_counter() - start)
    show(name, seconds)


def git(path: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=path, check=True, capture_output=True)


def make_repository(path: Path, files: int) -> None:
    """Ten files a directory, a hundred directories in each above it, packed as a clone is."""
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    for number in range(files):
        file = path / f"d{number // 1000}" / f"e{number // 10 % 100}" / f"f{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"def f{number}() -> int:\n    return {number}\n" * 10)
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "base")
    git(path, "repack", "-adq")


def some_edits(number: int) -> list[Edit]:
    return [
        Edit("d0/e0/f1.py", b"changed %d\n" % number),
        Edit(f"d0/e1/new{number}.py", b"new %d\n" % number),
    ]


def run(directory: Path, files: int) -> None:
    repository = directory / "repository"
    make_repository(repository, files)
    store, other = GitStore.open(directory / "store.git"), GitStore.open(directory / "other.git")
    remote = LocalRemote(repository)
    measure("floor: git version", lambda _: run_git(["version"], git_dir=store.path))

    found = remote.resolve("main")
    assert found is not None
    base = found.commit
    measure("resolve a revision", lambda _: remote.resolve("main"))
    measure("notices", lambda _: found.notices, 3)
    measure("bring the base into an empty store", lambda _: remote.fetch(store, [base]), 1)
    measure("give it whole to another", lambda _: receive_pack(other, make_pack(store, [base], [])), 1)

    measure("apply_edits", lambda number: apply_edits(store, base, some_edits(number), RULES))
    trees = [apply_edits(store, base, some_edits(number), RULES) for number in range(ROUNDS)]
    heads = [
        store.commit(tree=tree, parents=[base], message=f"change {number}", author=AUTHOR)
        for number, tree in enumerate(trees)
    ]
    measure("diff", lambda number: store.diff(base, heads[number]))
    measure("check_change", lambda number: check_change(store, base, heads[number], RULES))
    measure("patch", lambda number: store.patch(base, heads[number], 100_000))
    diff = store.patch(base, heads[0], 100_000)
    measure("parse_patch", lambda _: parse_patch(store, base, diff))
    measure("make_pack", lambda number: list(make_pack(store, [heads[number]], [base])))
    packs = [b"".join(make_pack(store, [head], [base])) for head in heads]
    measure("receive_pack", lambda number: receive_pack(other, [packs[number]]))

    onto = apply_edits(store, base, [Edit("d0/e2/onto.py", b"1")], RULES)
    measure("replay without overlap", lambda number: replay(store, base, heads[number], onto))
    overlap = apply_edits(store, base, [Edit("d0/e1/new0.py", b"new 0\n")], RULES)
    measure("replay by git's merge", lambda _: replay(store, base, heads[0], overlap), 10)

    refs = [(f"refs/heads/a{number}", f"refs/autopack/b{number}") for number in range(ROUNDS)]
    measure(
        "update_refs, two refs",
        lambda number: store.update_refs([(ref, heads[number], "") for ref in refs[number]]),
    )
    branch = [f"refs/heads/autopack/run-{number}" for number in range(ROUNDS)]
    measure("push to a local repository", lambda n: remote.push(store, branch[n], heads[n], ""))
    measure(
        "move a checked-out branch", lambda _: remote.move_branch(store, "refs/heads/main", heads[0], base), 1
    )

    checkouts = Checkouts(directory / "checkouts", 10**9)
    measure("checkout, the first", lambda _: checkouts.get(store, base), 1)
    measure("checkout, like the last but two files", lambda number: checkouts.get(store, trees[number]), 10)
    asyncio.run(transfers(directory, store, base, heads))


async def transfers(directory: Path, owner: GitStore, base: str, heads: list[str]) -> None:
    async def nothing(*_: object) -> None:
        return

    servicer = GitServiceServicer(lambda _: owner, nothing, nothing)
    offered = Service(
        "autopack.api.git.v1.GitService",
        lambda server: add_GitServiceServicer_to_server(servicer, server),
        git_service_pb2.DESCRIPTOR,
    )
    store = GitStore.open(directory / "client.git")
    async with create_server(ServerSettings(f"unix:{directory}/git.sock"), [offered]) as server:
        channel = create_channel(server.address)
        stub = GitServiceStub(channel)
        await get_commits(store, stub, "project", [base], [])
        await measure_async(
            "get a commit", lambda number: get_commits(store, stub, "project", [heads[number]], [base])
        )
        changes = [
            store.commit(
                tree=apply_edits(store, base, [Edit("given", b"%d" % number)], RULES),
                parents=[base],
                message="given",
                author=AUTHOR,
            )
            for number in range(ROUNDS)
        ]
        await measure_async(
            "put_commit", lambda number: put_commit(store, stub, "project", changes[number], base, "r", "t")
        )
        await channel.close(None)


def main() -> None:
    version = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, {version}, libgit2 {pygit2.LIBGIT2_VERSION}")
    for files in map(int, sys.argv[1:] or ["200", "50000"]):
        print(f"{files} files")
        with tempfile.TemporaryDirectory() as directory:
            run(Path(directory), files)


if __name__ == "__main__":
    main()
