"""pytest plugin that writes one JSON record a line for each test to $AUTOPACK_REPORTS."""

from __future__ import annotations

import inspect
import itertools
import json
import os
from collections.abc import Generator, Sequence
from typing import Any

import autopack_blind
import autopack_forks
import pytest

_OWNER = "AUTOPACK_PYTEST_OWNER"
_ONLY = "AUTOPACK_ONLY"
"""Test files that are to be run, one a line; unset: all."""
_PROBE = "AUTOPACK_PROBE"
_CANARY_SECONDS = 10.0
_TWINS = 6
"""Expectations that are made wrong, one at a time."""
_TWIN_SECONDS = 1.0
"""That a test may have taken which runs again as a twin."""
_numbers = itertools.count(1)


class Recorder:
    """Records one pytest session; a session inside a test of it is not recorded."""

    def __init__(self, directory: str) -> None:
        self._process = os.getpid()
        self._session = f"{self._process}-{next(_numbers)}"
        self._file = os.open(
            os.path.join(directory, "autopack-tests.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
        )
        self._phases: dict[str, list[tuple[str, str, bool]]] = {}
        self.passed: dict[str, float] = {}
        """Seconds of each test that has passed."""

    def _write(self, event: str, **fields: object) -> None:
        if os.getpid() == self._process:  # not in a child that a test forked
            record = {"event": event, "session": self._session, **fields}
            os.write(self._file, json.dumps(record).encode() + b"\n")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self._write("start")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:
            self._write("collected", ids=[item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: Sequence[str]) -> None:
        self._write("collected", ids=list(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._write("unloaded", id=report.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if type(report).__name__ == "SubtestReport" and not report.failed:
            return  # the test itself reports as well
        outcome: str = report.outcome  # a plugin that runs tests again says "rerun"
        phases = self._phases.setdefault(report.nodeid, [])
        phases.append((str(report.when), outcome, hasattr(report, "wasxfail")))
        self.passed[report.nodeid] = self.passed.get(report.nodeid, 0.0) + report.duration

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcome = _outcome(self._phases.pop(nodeid, []))
        if outcome:
            self._write("test", id=nodeid, outcome=outcome)
        if outcome != "passed":
            self.passed.pop(nodeid, None)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, None]:
        yield
        if os.getpid() == self._process and not os.environ.get(_PROBE):
            self._canaries({item.nodeid: item for item in getattr(session, "items", ())})

    def _canaries(self, items: dict[str, pytest.Item]) -> None:
        """Has a test fail, and some expect what is wrong, where all that the tests have left still is."""
        plain = [item for name, item in items.items() if name in self.passed and _is_plain(item)]
        if plain:
            self._again("canary", min(plain, key=lambda item: len(getattr(item, "fixturenames", ()))), 0)
        twins = sorted(autopack_blind.blind.twins.items())
        quick = [(site, items[name]) for site, name in twins if self.passed.get(name, 9.9) <= _TWIN_SECONDS]
        for site, item in [each for each in quick if each[1] in plain][:_TWINS]:
            self._again(f"twin:{site}", item, site)

    def _again(self, session: str, item: Any, wrong: int) -> None:
        """Runs a test once more in a fork, as any other is run, with something wrong; 0: with all."""

        def work() -> None:
            self._process, self._session = os.getpid(), session
            autopack_blind.blind.muted, autopack_blind.blind.wrong = True, wrong
            autopack_forks.silence(item.config.get_terminal_writer())
            if not wrong:
                item.obj = _fail
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)

        autopack_forks.in_fork(work, _CANARY_SECONDS)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        yield
        self._write("finish", exit=int(session.exitstatus))  # after plugins that change it, as coverage does


def _is_plain(item: pytest.Item) -> bool:
    return (
        type(item) is pytest.Function
        and not inspect.iscoroutinefunction(item.obj)
        and not any(item.iter_markers("xfail"))
    )


def _fail(**_: object) -> None:
    raise AssertionError


def _outcome(phases: list[tuple[str, str, bool]]) -> str | None:
    """What the phases of one test come to; None where it never got to its end."""
    for when, outcome, _ in phases:
        if outcome == "failed":
            return "failed" if when == "call" else "error"
    if any(outcome == "skipped" for _, outcome, _ in phases):
        return "skipped"  # expected failures too: they did not pass
    passed = {when for when, outcome, _ in phases if outcome == "passed"}
    return "passed" if {"call", "teardown"} <= passed else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logstart(nodeid: str) -> None:
    autopack_blind.blind.test = nodeid


def pytest_make_parametrize_id(val: object) -> str | None:
    """As pytest itself would name the value, once the gate puts it in."""
    return f"hidden<{val.number}>" if isinstance(val, autopack_blind.Hidden) and val.scalar else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    only = os.environ.get(_ONLY)
    if only:
        names = set(only.splitlines())
        items[:] = [item for item in items if item.nodeid.partition("::")[0] in names]


def pytest_configure(config: pytest.Config) -> None:
    autopack_blind.install()
    directory = os.environ.get("AUTOPACK_REPORTS")
    owner = os.environ.get(_OWNER)
    if directory and owner is None and not hasattr(config, "workerinput"):
        os.environ[_OWNER] = str(os.getpid())
        recorder = Recorder(directory)
        config.pluginmanager.register(recorder, "autopack-recorder")
        if os.environ.get(_PROBE):
            import autopack_probe_pytest

            config.pluginmanager.register(autopack_probe_pytest.Prober(recorder), "autopack-prober")


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.pluginmanager.unregister(name="autopack-recorder") is not None:
        del os.environ[_OWNER]
