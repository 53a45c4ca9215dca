"""Slots, shared work, stored results and the lines by which checks are run, each by itself."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.database.database import Database
from autopack.errors import Reason
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.store import GitStore
from autopack.policy.plan import Check
from autopack.policy.policy import Environment, SandboxRules
from autopack.testing.repositories import make_commit, make_tree
from gate_svc.__main__ import MIGRATIONS
from gate_svc.config import Config
from gate_svc.domain.commands import invocation
from gate_svc.domain.evidence import CheckRun, Ended, Evidence, Outcome
from gate_svc.domain.keys import check_key, environment_digest
from gate_svc.domain.text import one_line, output_tail
from gate_svc.shared_work import SharedWork
from gate_svc.slots import FairSlots
from gate_svc.storage.check_results import CheckResults
from gate_svc.trees import EDITS_LIMIT, PreparedTree, Trees

# Slots.


async def test_owners_take_turns_and_one_with_many_checks_does_not_starve_the_others() -> None:
    slots, order = FairSlots(1), list[str]()

    async def check(owner: str) -> None:
        async with slots.slot(owner):
            order.append(owner)
            await asyncio.sleep(0)

    await asyncio.gather(*(check("many") for _ in range(5)), check("one"), check("other"))
    assert order == ["many", "many", "one", "other", "many", "many", "many"]


async def test_no_more_than_the_slots_are_held_and_cancelled_waiters_give_theirs_up() -> None:
    slots, held, most = FairSlots(2), 0, 0
    release = asyncio.Event()

    async def check() -> None:
        nonlocal held, most
        async with slots.slot("owner"):
            held += 1
            most = max(most, held)
            try:
                await release.wait()
            finally:
                held -= 1

    tasks = [asyncio.create_task(check()) for _ in range(6)]
    await asyncio.sleep(0)
    for task in (tasks[2], tasks[0]):
        task.cancel()
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 2
    async with slots.slot("owner"), slots.slot("other"):
        pass  # both are free again


# Shared work.


async def test_work_under_one_key_is_done_once_for_all_who_wait() -> None:
    shared, begun = SharedWork[int](), 0

    async def work() -> int:
        nonlocal begun
        begun += 1
        await asyncio.sleep(0)
        return 7

    assert await asyncio.gather(*(shared.result("key", work) for _ in range(3))) == [7, 7, 7]
    assert begun == 1
    assert await shared.result("key", work) == 7
    assert begun == 2


async def test_work_stops_when_the_last_one_has_gone_and_not_before() -> None:
    shared, begun, stopped = SharedWork[None](), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            stopped.set()

    first, second = (asyncio.create_task(shared.result("key", work)) for _ in range(2))
    await begun.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert not stopped.is_set()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert stopped.is_set()


async def test_a_failure_reaches_all_who_wait() -> None:
    shared = SharedWork[None]()

    async def work() -> None:
        raise ValueError("no")

    results = await asyncio.gather(*(shared.result("key", work) for _ in range(2)), return_exceptions=True)
    assert [str(result) for result in results] == ["no", "no"]


# Stored results.


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)
    yield opened
    await opened.close()


RUN = CheckRun(
    Ended(exit_code=1),
    Evidence({"a": Outcome.FAILED, "ü": Outcome.PASSED}, ("b",), ("c",), runner_failed=True),
    Reason("EVIDENCE_CONTRADICTS", "why", "fix"),
    1.5,
    "output",
)


@pytest.mark.parametrize("run", [RUN, CheckRun(Ended(exit_code=0), None, None, 0.1, "")])
async def test_a_result_comes_back_as_it_was_stored(database: Database, run: CheckRun) -> None:
    results = CheckResults(database, lambda: 1.0)
    assert await results.get("key") is None
    await results.put("key", run)
    assert await results.get("key") == run


async def test_a_later_result_takes_the_place_of_an_earlier_one(database: Database) -> None:
    results = CheckResults(database, lambda: 1.0)
    await results.put("key", RUN)
    later = CheckRun(Ended(exit_code=0), None, None, 2.0, "")
    await asyncio.gather(*(results.put("key", later) for _ in range(4)))
    assert await results.get("key") == later


async def test_what_is_not_used_for_long_is_forgotten(database: Database) -> None:
    now = 0.0
    results = CheckResults(database, lambda: now)
    await results.put("used", RUN)
    await results.put("unused", RUN)
    now = 2 * 24 * 3600.0
    assert await results.get("used")
    await results.prune(1.0)
    assert await results.get("used") == RUN
    assert await results.get("unused") is None


# Lines.


def check(reports: str, run: str = "true") -> Check:
    return Check("tests", run, reports)


REPORTERS = {"pytest": "/reporters/pytest", "unittest": "/reporters/unittest"}


@pytest.mark.parametrize("reports", ["pytest", "unittest", "none"])
def test_the_checks_own_line_is_run_as_it_is_where_nothing_else_is_needed(reports: str) -> None:
    assert invocation(check(reports, "a && b"), REPORTERS, ()).line == "a && b"


@pytest.mark.parametrize(
    ("reports", "run", "status"),
    [
        ("junit:a b/'$(touch evil)'.xml", "mkdir 'a b'; echo x >\"a b/'\\$(touch evil)'.xml\"; exit 3", 3),
        ("junit:-rf", "echo x >./-rf", 0),
        ("tap", "echo x; exit 4", 4),
    ],
)
def test_reports_are_collected_whatever_their_names_and_the_status_is_kept(
    tmp_path: Path, reports: str, run: str, status: int
) -> None:
    how = invocation(check(reports, run), REPORTERS, ())
    (tmp_path / "tree").mkdir()
    environment = {**how.environment, "AUTOPACK_REPORTS": str(tmp_path), "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(["/bin/sh", "-ec", how.line], env=environment, cwd=tmp_path / "tree", check=False)
    assert ended.returncode == status
    assert (tmp_path / how.report).read_text() == "x\n"
    assert not (tmp_path / "tree" / "evil").exists()


def test_directories_of_the_environment_come_first_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "my tools").mkdir()
    tool = tmp_path / "my tools" / "tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    how = invocation(check("none", "tool; ls /dev/null"), REPORTERS, ("my tools", "none"))
    printed = subprocess.run(
        ["/bin/sh", "-ec", how.line],
        env={"PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert printed.stdout == b"found\n/dev/null\n"


# Keys.


def key(**differing: object) -> str:
    values: dict[str, object] = {
        "check": check("pytest"),
        "tree": "1" * 40,
        "environment": "e",
        "rules": SandboxRules(),
        "tier": "namespaces",
        "machine": "m",
    }
    return check_key(**{**values, **differing})  # type: ignore[arg-type]  # the tests name its parameters


def test_a_key_covers_all_that_an_outcome_depends_on_and_not_the_name() -> None:
    others = [
        key(check=check("pytest", "false")),
        key(check=check("none")),
        key(check=Check("tests", "true", "pytest", timeout=5)),
        key(tree="2" * 40),
        key(environment="f"),
        key(rules=SandboxRules(memory_mb=100)),
        key(tier="landlock"),
        key(machine="n"),
    ]
    assert len({key(), *others}) == len(others) + 1
    assert key(check=Check("other", "true", "pytest")) == key()


def test_an_environments_digest_covers_settings_and_inputs_in_any_order() -> None:
    settings = Environment(setup="make", inputs=("a", "b"))
    both = [("a", "1"), ("b", "2")]
    assert environment_digest(settings, both) == environment_digest(settings, reversed(both))
    assert environment_digest(settings, both) != environment_digest(settings, both[:1])
    assert environment_digest(settings, both) != environment_digest(Environment(), both)


# Text.


@given(st.text(), st.integers(20, 100))
def test_a_line_is_printable_and_short_and_has_no_direction_marks(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line == one_line(line, limit)
    assert not any(ord(character) < 32 or character in "\x7f\x85\u2028\u202e\u2066" for character in line)
    line.encode()


@given(st.binary(max_size=200), st.integers(10, 100))
def test_the_tail_of_an_output_is_valid_and_short(output: bytes, limit: int) -> None:
    tail = output_tail(output, limit)
    assert len(tail.encode()) <= limit
    assert "\x1b" not in tail
    assert "\r" not in tail


# Settings.


def test_settings_come_from_the_environment() -> None:
    config = Config.from_environ(
        {
            "AUTOPACK_DIRECTORY": "/state",
            "AUTOPACK_ADDRESS": "127.0.0.1:1",
            "AUTOPACK_AUDITOR_ADDRESS": "127.0.0.1:2",
            "AUTOPACK_CONCURRENT_CHECKS": "3",
            "AUTOPACK_SANDBOX_TIER": "landlock",
        }
    )
    assert config.url == "sqlite:////state/gate.db"
    assert (config.concurrent_checks, config.sandbox_tier) == (3, "landlock")


# Trees.


def read_prepared(prepared: PreparedTree) -> dict[str, bytes]:
    """Files of a prepared tree, as a sandbox would show them."""
    root = prepared.checkout
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for edit in prepared.edits:
        if edit.contents is None:
            del files[edit.path]
        else:
            files[edit.path] = edit.contents
    return files


async def test_trees_of_a_long_run_are_whole_and_never_far_from_a_checkout(tmp_path: Path) -> None:
    store = GitStore.open(tmp_path / "store.git")
    trees = Trees(Checkouts(tmp_path / "checkouts", 10_000_000))
    files = {f"src/f{number}": b"old" for number in range(200)}
    base = make_commit(store, files)
    for number in range(200):
        files[f"src/f{number}"] = b"new"
        files.pop(f"src/f{number - 1}", None)
        [prepared] = await trees.prepare(store, base, [make_tree(store, files)])
        assert len(prepared.edits) <= EDITS_LIMIT
        if number % 20 == 0:
            assert read_prepared(prepared) == files
    made = [path for path in (tmp_path / "checkouts").iterdir() if len(path.name) == 40]
    assert len(made) < 15


async def test_a_tree_far_from_all_others_has_a_checkout_of_its_own_and_does_not_drive_them_out(
    tmp_path: Path,
) -> None:
    store = GitStore.open(tmp_path / "store.git")
    trees = Trees(Checkouts(tmp_path / "checkouts", 10_000_000))
    files = {"a": b"1"}
    base = make_commit(store, files)
    large = {**files, **{f"b{number}": b"x" for number in range(100)}}
    for _ in range(3):
        far, near = await trees.prepare(
            store, base, [make_tree(store, each) for each in (large, {"a": b"2"})]
        )
        assert far.edits == ()
        assert read_prepared(near) == {"a": b"2"}
    assert len([path for path in (tmp_path / "checkouts").iterdir() if len(path.name) == 40]) == 2
