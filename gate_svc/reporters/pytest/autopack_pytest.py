"""pytest plugin that writes one JSON record a line for each test to $AUTOPACK_REPORTS."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Generator, Sequence
from typing import Any

import autopack_blind
import pytest

_OWNER = "AUTOPACK_PYTEST_OWNER"
_ONLY = "AUTOPACK_ONLY"
"""Test files that are to be run, one a line; unset: all."""
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

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        outcome = _outcome(self._phases.pop(nodeid, []))
        if outcome:
            self._write("test", id=nodeid, outcome=outcome)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, Any, None]:
        yield
        self._write("finish", exit=int(session.exitstatus))  # after plugins that change it, as coverage does


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
        config.pluginmanager.register(Recorder(directory), "autopack-recorder")


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.pluginmanager.unregister(name="autopack-recorder") is not None:
        del os.environ[_OWNER]
