"""The worker process: warm, replaced when it dies, and never the reason for an approval."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

import auditor_svc
from auditor_svc.__main__ import warm
from auditor_svc.analyzers.in_worker import WorkerScanner
from auditor_svc.analyzers.ruff import RuffScanner
from auditor_svc.analyzers.worker_process import Worker, WorkerDied, WorkerPool
from auditor_svc.domain.audit import AuditRules, conclude
from auditor_svc.domain.change import Change, ChangedFile
from auditor_svc.domain.findings import Severity
from auditor_svc.domain.recommendation import Outcome
from autopack.errors import Unavailable

ROOT = str(Path(auditor_svc.__file__).parents[1])
REAL = """
import ctypes, os, sys, threading
sys.path.append(sys.argv[1])
from auditor_svc.worker import bandit_scan, serving
real = bandit_scan.scan
def scan(source):
    if b"DIE_TWICE" in source:
        ctypes.string_at(0)
    if b"DIE_ONCE" in source and os.path.exists(sys.argv[2]):
        os.unlink(sys.argv[2])
        os.kill(os.getpid(), 9)
    if b"HANG" in source:
        os.kill(os.getppid(), 10)  # says that it is about to
        threading.Event().wait()
    return real(source)
serving.bandit_scan.scan = scan
serving._limit = lambda: None
serving.run()
"""
"""The real worker with a bandit that some files kill."""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    mark = tmp_path / "mark"
    mark.touch()
    return mark


@pytest.fixture
def command(mark: Path) -> Sequence[str]:
    return (sys.executable, "-I", "-c", REAL, ROOT, str(mark))


@pytest_asyncio.fixture
async def pool(command: Sequence[str]) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(1, command)
    yield pool
    await pool.close()


def file(path: str, source: bytes) -> ChangedFile:
    return ChangedFile(path, source)


async def test_a_file_that_kills_the_worker_twice_is_named_and_not_approved(pool: WorkerPool) -> None:
    files = (file("fatal.py", b"DIE_TWICE = 1\n"), file("eval.py", b"eval(x)\n"))
    reports = await WorkerScanner(pool).scan(files)
    result = conclude(Change("b", "h", files), reports, AuditRules(Severity.HIGH, two_reviews=False))
    assert result.outcome is Outcome.NOT_REVIEWED
    assert [(reason.code, reason.path) for reason in result.reasons] == [("ANALYZER_CRASHED", "fatal.py")]
    assert "bandit" in result.reasons[0].message


async def test_the_other_files_of_a_change_are_still_read(pool: WorkerPool) -> None:
    files = (file("fatal.py", b"DIE_TWICE = 1\n"), file("eval.py", b"eval(x)\n"))
    reports = await WorkerScanner(pool).scan(files)
    assert [(item.rule_id, item.path) for report in reports for item in report.new] == [("B307", "eval.py")]


async def test_a_file_that_kills_the_worker_once_is_read_again(pool: WorkerPool, mark: Path) -> None:
    reports = await WorkerScanner(pool).scan([file("a.py", b"DIE_ONCE = 1\neval(x)\n")])
    assert [item.rule_id for report in reports for item in report.new] == ["B307"]
    assert not any(report.failures for report in reports)
    assert not await asyncio.to_thread(mark.exists)


async def test_a_worker_that_was_killed_is_replaced(pool: WorkerPool) -> None:
    async with pool.take() as worker:
        await worker.start()
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
    reports = await WorkerScanner(pool).scan([file("a.py", b"eval(x)\n")])
    assert [item.rule_id for report in reports for item in report.new] == ["B307"]


async def test_cancelling_ends_the_worker_and_leaves_the_pool_usable(pool: WorkerPool) -> None:
    hanging = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hanging.set)
    scanner = WorkerScanner(pool)
    task = asyncio.create_task(scanner.scan([file("a.py", b"HANG = 1\n")]))
    await hanging.wait()
    async with asyncio.timeout(10):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        reports = await scanner.scan([file("b.py", b"eval(x)\n")])
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
    assert [item.rule_id for report in reports for item in report.new] == ["B307"]


async def test_closing_leaves_no_process(command: Sequence[str]) -> None:
    worker = Worker(command)
    await worker.start()
    pid = worker.pid
    assert pid is not None
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_that_cannot_start_is_unavailable() -> None:
    worker = Worker([sys.executable, "-c", "raise SystemExit('no bandit here')"])
    with pytest.raises(Unavailable) as caught:
        await worker.start()
    assert caught.value.reasons[0].code == "ANALYZER_UNAVAILABLE"
    assert "no bandit here" in caught.value.reasons[0].message


async def test_without_a_worker_nothing_is_audited() -> None:
    pool = WorkerPool(1, [sys.executable, "-c", "raise SystemExit(1)"])
    files = (file("a.py", b"x = 1\n"),)
    reports = await WorkerScanner(pool).scan(files)
    result = conclude(Change("b", "h", files), reports, AuditRules(Severity.HIGH, two_reviews=False))
    assert result.outcome is Outcome.NOT_REVIEWED
    assert {reason.code for reason in result.reasons} == {"ANALYZER_UNAVAILABLE"}


async def test_warming_a_worker_that_cannot_start_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert not await warm(WorkerScanner(WorkerPool(1, [sys.executable, "-c", "raise SystemExit(1)"])))
    assert "analyzers could not be started" in caplog.text


async def test_a_worker_that_does_not_exist_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await Worker(["/nonexistent"]).start()


async def test_two_scans_at_once_share_one_worker(pool: WorkerPool) -> None:
    scanner = WorkerScanner(pool)
    scans = [scanner.scan([file(f"{number}.py", b"eval(x)\n" * number)]) for number in range(1, 6)]
    found = [len(reports[0].new) for reports in await asyncio.gather(*scans)]
    assert found == [1, 2, 3, 4, 5]


async def test_our_worker_has_no_environment_and_hard_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not for analyzers")
    worker = Worker()
    await worker.start()
    process = Path(f"/proc/{worker.pid}")
    environment = (process / "environ").read_text()
    limits = {
        line[:25].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()
    }
    resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    await worker.close()
    assert "ANTHROPIC" not in environment
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert int(limits["Max address space"][1]) < 2 << 30
    assert resident < 60_000_000


async def test_our_worker_answers_for_what_is_nested_too_deeply() -> None:
    worker = Worker()
    header = {"path": "a.py", "analyzers": ["bandit"]}
    deep = await worker.ask(header, [b"x = a" + b".b" * 50_000])
    after = await worker.ask(header, [b"eval(x)\n"])
    await worker.close()
    assert deep["bandit"]["error"] == "RecursionError"
    assert [item["rule"] for item in after["bandit"]["new"]] == ["B307"]


async def test_a_worker_that_has_grown_is_replaced_without_loss() -> None:
    grown = f"import sys; sys.path.append({ROOT!r})\nfrom auditor_svc.worker import serving\n"
    grown += "serving.LARGEST_RESIDENT_BYTES = 0\nserving.run()"
    worker = Worker([sys.executable, "-I", "-c", grown])
    header = {"path": "a.py", "analyzers": ["bandit"]}
    for _ in range(2):
        answer = await worker.ask(header, [b"eval(x)\n"])
        assert [item["rule"] for item in answer["bandit"]["new"]] == ["B307"]
        assert worker.pid is None


async def test_a_dead_pipe_is_a_dead_worker() -> None:
    worker = Worker([sys.executable, "-I", "-c", _SPEAKS_ONCE, ROOT])
    await worker.start()
    with pytest.raises(WorkerDied):
        await worker.ask({"path": "a.py", "analyzers": []}, [b""])
    await worker.close()


_SPEAKS_ONCE = """
import sys
sys.path.append(sys.argv[1])
from auditor_svc.worker.frames import pack
sys.stdout.buffer.write(pack({"versions": {}}))
"""


async def test_ruff_that_fails_to_read_a_file_is_no_approval(tmp_path: Path) -> None:
    ruff = tmp_path / "ruff"
    ruff.write_text("#!/bin/sh\necho 'warning: Failed to lint new0.py' >&2\n")
    ruff.chmod(0o700)
    [report] = await RuffScanner(tmp_path / "files", str(ruff)).scan([file("a.py", b"x = 1\n")])
    assert [(reason.code, reason.path) for reason in report.failures] == [("ANALYZER_CRASHED", "a.py")]


async def test_ruff_that_dies_is_asked_file_by_file(tmp_path: Path) -> None:
    scanner = RuffScanner(tmp_path / "files")
    deep = file("deep.py", b"x = a" + b".b" * 50_000 + b"\n")
    [report] = await scanner.scan([file("a.py", b"eval(x)\n"), deep, file("b.py", b"exec(x)\n")])
    assert [(reason.code, reason.path) for reason in report.failures] == [("ANALYZER_CRASHED", "deep.py")]
    assert [item.rule_id for item in report.new] == ["S307", "S102"]


async def test_ruff_that_says_more_than_fits_is_no_approval(tmp_path: Path) -> None:
    many = file("many.py", b"eval(x);" * 120_000)
    [report] = await RuffScanner(tmp_path / "files").scan([many])
    assert [(reason.code, reason.path) for reason in report.failures] == [("ANALYZER_CRASHED", "many.py")]


async def test_ruff_leaves_no_copies_behind(tmp_path: Path) -> None:
    await RuffScanner(tmp_path / "files").scan([file("a.py", b"eval(x)\n")])
    assert list((tmp_path / "files").iterdir()) == []


async def test_ruff_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    hanging = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, hanging.set)
    ruff = tmp_path / "ruff"
    ruff.write_text("#!/bin/sh\nkill -USR1 $PPID\nexec sleep 600\n")
    ruff.chmod(0o700)
    scanner = RuffScanner(tmp_path / "files", str(ruff))
    task = asyncio.create_task(scanner.scan([file("a.py", b"x = 1\n")]))
    await hanging.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
    assert list((tmp_path / "files").iterdir()) == []
