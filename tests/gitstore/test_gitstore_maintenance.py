"""maintain: many files become one, and nothing is lost."""

import shutil
import threading
from pathlib import Path

import pytest

from autopack.gitstore.maintenance import Upkeep, maintain
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import make_commit


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    return GitStore.open(tmp_path / "store.git")


def loose(store: GitStore) -> int:
    return len(list(store.path.glob("objects/??/*")))


def test_loose_objects_become_a_pack_and_stay_readable(store: GitStore) -> None:
    commit = make_commit(store, {"a": b"1", "d/b": b"2"}, "1" * 40)
    lonely = store.write_blob(b"no ref or tree has it")
    other = GitStore.open(store.path)
    assert other.has(commit)

    assert maintain(store, at_least=1) == 6
    assert loose(store) == 0
    for place in (store, other, GitStore.open(store.path)):
        assert place.read(commit, "d/b") == b"2"
        assert place.read_blob(lonely) == b"no ref or tree has it"
    assert maintain(store, at_least=1) == 0


def test_few_objects_stay_as_they_are(store: GitStore) -> None:
    make_commit(store, {"a": b"1"})

    assert maintain(store) == 0
    assert loose(store) == 3


def test_others_read_and_write_meanwhile(store: GitStore) -> None:
    commits = [make_commit(store, {f"d{number}/f": b"%d" % number}) for number in range(50)]
    done = threading.Event()
    faults: list[Exception] = []

    def work() -> None:
        own = GitStore.open(store.path)
        number = 0
        while not done.is_set():
            number += 1
            try:
                assert own.read(commits[number % 50], f"d{number % 50}/f") == b"%d" % (number % 50)
                own.read(make_commit(own, {"x": b"%d" % number}), "x")
            except Exception as error:
                faults.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        maintain(store, at_least=1)
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []


def test_what_killed_transfers_left_is_removed_after_a_day(store: GitStore) -> None:
    rest = store.path / "incoming-abc"
    rest.mkdir()
    (rest / "pack").touch()

    maintain(store, clock=lambda: rest.stat().st_mtime + 86_000)
    assert rest.exists()
    maintain(store, clock=lambda: rest.stat().st_mtime + 87_000)
    assert not rest.exists()


async def test_a_store_is_maintained_after_so_many_commits_came(store: GitStore) -> None:
    upkeep = Upkeep(commits_between=2, at_least=1)
    for number in range(2):
        make_commit(store, {"a": b"%d" % number})
        upkeep.came(store)
    await upkeep.close()

    assert loose(store) == 0
    assert len(list(store.objects_directory.glob("pack/*.pack"))) == 1


async def test_maintenance_that_fails_stops_nobody(store: GitStore, caplog: pytest.LogCaptureFixture) -> None:
    upkeep = Upkeep(commits_between=1)
    shutil.rmtree(store.path)
    upkeep.came(store)
    (store.path / "incoming-x").parent.mkdir()
    (store.path / "incoming-x").symlink_to("nowhere")
    await upkeep.close()

    assert "was not maintained" in caplog.text
