"""A pytest plugin that stops after collection and judges candidates: one forked child for each.

It runs with the project's interpreter, so it needs nothing but pytest and the standard library.
"""

import json
import os
import resource
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
from autopack_repair_observe import Observer, call_all
from autopack_repair_state import Snapshot
from autopack_repair_swap import Swapper

EXTRA_BYTES = 2_000_000_000
"""Address space of a child beyond what the collected process has."""
DEAR_SECONDS = 0.15
"""A test that may take longer is only run for candidates that passed the cheaper ones."""
WALL_FACTOR = 10.0
"""Wall seconds that a child gets for each of CPU; a sleeping or blocked test uses no CPU."""


class Judge:
    """Answers one JSON request a line until the pipe closes."""

    def __init__(self, session: pytest.Session, requests: int, answers: int) -> None:
        self._session = session
        self._requests = os.fdopen(requests, "rb")
        self._answers = os.fdopen(answers, "wb")
        self._swapper = Swapper()

    def serve(self) -> None:
        items = self._session.items
        self._answer({"tests": [item.nodeid for item in items], "broken": self._session.testsfailed})
        for line in self._requests:
            request = json.loads(line)
            self._swapper.index(request["files"])
            self._answer(self._fork(request))

    def _answer(self, document: Any) -> None:
        self._answers.write(json.dumps(document).encode() + b"\n")
        self._answers.flush()

    def _fork(self, request: dict[str, Any]) -> list[Any]:
        """What the child said before it ended or its time was up: JSON documents, one a line."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.setpgid(0, 0)
                os.close(reading)
                self._child(request, writing)
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        try:
            patience = WALL_FACTOR * sum(request["tests"].values()) + 1.0
            said = _read_all(reading, patience, time.monotonic() + request["left"])
        finally:
            os.close(reading)
            for target in (os.killpg, os.kill):
                with suppress(OSError):  # it has ended already, or a sandbox refuses signals to groups
                    target(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return [json.loads(line) for line in said.split(b"\n")[:-1]]

    def _screen(self, request: dict[str, Any], say: Any) -> None:
        """Many candidates in one child, each with a few tests: who passes here is judged alone later."""
        by_id = {item.nodeid: item for item in self._session.items}
        timer = _Timer()
        snapshot = Snapshot([by_id[name] for name in request["tests"]], self._swapper.functions)
        for sources in request["candidates"]:
            problem = self._swapper.install(sources, False)
            outcomes = []
            for name, seconds in request["tests"].items() if not problem else ():
                if seconds > DEAR_SECONDS and "failed" in outcomes:
                    break
                outcomes.append(timer.run(by_id[name], seconds))
                if outcomes[-1] == "hangs":
                    break
            say({"problem": problem, "outcomes": outcomes})
            self._swapper.restore()
            snapshot.restore()
            if self._session._setupstate.stack:
                return  # a test was stopped half-way: the next one wants a fresh child

    def _child(self, request: dict[str, Any], writing: int) -> None:
        _limit_memory()
        sys.setrecursionlimit(max(1000, min(sys.getrecursionlimit(), 3000)))

        def say(document: Any) -> None:
            os.write(writing, json.dumps(document).encode() + b"\n")

        if request["op"] == "screen":
            self._screen(request, say)
            return
        sources = request.get("sources", {})
        if problem := self._swapper.install(sources, request.get("module", False)):
            say({"problem": problem})
            return
        if request["op"] == "call":
            call_all(request, self._swapper.function(request["file"], request["function"]), say)
            return
        observer = Observer(request["files"]) if request["op"] == "observe" else None
        by_id = {item.nodeid: item for item in self._session.items}
        chosen = [by_id[name] for name in request["tests"] if name in by_id]
        if observer is not None:
            signal.signal(signal.SIGPROF, lambda *_: (observer.say(say), os._exit(0)))
        for number, item in enumerate(chosen):
            signal.setitimer(signal.ITIMER_PROF, request["tests"][item.nodeid])
            following = chosen[number + 1] if number + 1 < len(chosen) else None
            started = time.process_time()
            if observer is not None:
                observer.start()
            outcome = _run(item, following)
            if observer is not None:
                observer.stop()
            say({"test": item.nodeid, "outcome": outcome, "cpu": time.process_time() - started})
            if outcome == "failed" and number >= request.get("always", 0):
                break
        if observer is not None:
            observer.say(say)


class _OutOfTime(BaseException):
    pass


class _Timer:
    """Raises in what runs when its CPU time is up, and ends the process where that is caught and ignored."""

    def __init__(self) -> None:
        self._fired = 0
        signal.signal(signal.SIGPROF, self._fire)

    def _fire(self, *_: object) -> None:
        self._fired += 1
        if self._fired > 1:
            os._exit(1)
        raise _OutOfTime

    def run(self, item: Any, seconds: float) -> str:
        self._fired = 0
        try:
            signal.setitimer(signal.ITIMER_PROF, seconds, seconds)
            outcome = _run(item, None)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except _OutOfTime:
            outcome = ""
        signal.setitimer(signal.ITIMER_PROF, 0)
        return "hangs" if self._fired else outcome


def _read_all(reading: int, patience: float, deadline: float) -> bytes:
    """All that is written; ends too when nothing comes for `patience` seconds, or at the deadline."""
    said = bytearray()
    while select.select([reading], [], [], max(0.0, min(patience, deadline - time.monotonic())))[0]:
        chunk = os.read(reading, 1 << 16)
        if not chunk:
            break
        said += chunk
    return bytes(said)


def _limit_memory() -> None:
    try:
        with open("/proc/self/statm") as file:
            have = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return  # where a sandbox hides it, the sandbox's own limit holds
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = have + EXTRA_BYTES
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _run(item: Any, following: Any) -> str:
    """Passed, failed or skipped. Without reports: to print a failure takes longer than to find it."""
    if item.get_closest_marker("xfail") is not None:
        from _pytest.runner import runtestprotocol

        reports = runtestprotocol(item, log=False, nextitem=following)
        return "failed" if any(report.failed for report in reports) else "passed"
    hook, plain = item.config.hook, _is_plain(item)
    setup = item.session._setupstate
    if hasattr(item, "_request") and not item._request:
        item._initrequest()
    outcome = "passed"
    try:
        if plain:
            setup.setup(item)
            item.runtest()
        else:
            hook.pytest_runtest_setup(item=item)
            hook.pytest_runtest_call(item=item)
    except pytest.skip.Exception:
        outcome = "skipped"
    except BaseException:
        outcome = "failed"
    try:
        if plain:
            setup.teardown_exact(following)
        else:
            hook.pytest_runtest_teardown(item=item, nextitem=following)
    except BaseException:
        outcome = "failed"
    return outcome


def _is_plain(item: Any) -> bool:
    """Whether none of what plugins do around a test matters, which takes longer than most tests do."""
    marks = {mark.name for mark in item.iter_markers()} - {"parametrize"}
    return isinstance(item, pytest.Function) and not marks and "caplog" not in item.fixturenames


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Takes the place of the tests' own loop, in the process that was asked to."""
    pipes = os.environ.pop("AUTOPACK_REPAIR_PIPES", "")
    if not pipes:
        return None
    Judge(session, *map(int, pipes.split(","))).serve()
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Outcomes of an ordinary run, where a file for them is named."""
    path = os.environ.get("AUTOPACK_REPAIR_REPORT")
    if path and (report.when == "call" or report.outcome != "passed"):
        with open(path, "a") as file:
            file.write(json.dumps([report.nodeid, report.outcome]) + "\n")
