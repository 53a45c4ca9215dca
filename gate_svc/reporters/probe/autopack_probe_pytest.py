"""Runs an instrumented product under pytest: the tests once, within a time, then mutants in forks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Sequence
from typing import Any

import autopack_forks
import autopack_probe
import pytest

_STARTED = time.monotonic()
autopack_probe.install()


class Prober:
    """Probes one session."""

    def __init__(self, recorder: Any) -> None:
        self._recorder = recorder
        self._process = os.getpid()
        self._failed = False
        settings = json.loads(os.environ["AUTOPACK_PROBE"])
        self._names = settings["names"]
        self._end = _STARTED + settings["seconds"]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Tests that name what is changed come first: time may not suffice for the others."""
        files: dict[Any, bool] = {}
        for item in items:
            if item.path not in files:
                text = item.path.read_text(errors="replace") if item.path.suffix == ".py" else ""
                files[item.path] = any(name in text for name in self._names)
        items.sort(key=lambda item: not files[item.path])
        autopack_probe.probe.settle()

    def pytest_runtest_logfinish(self) -> None:
        session = self._session
        if time.monotonic() > self._end:
            session.shouldstop = "the probe's time is over"

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, None]:
        self._session = session
        yield
        items = {item.nodeid: item for item in getattr(session, "items", ())}
        if os.getpid() != self._process or not items:
            return

        def run(tests: Sequence[str]) -> bool:
            session.shouldstop = self._failed = False
            autopack_forks.silence(session.config.get_terminal_writer())
            self._recorder._process = -1
            for name in tests:
                session.config.hook.pytest_runtest_protocol(item=items[name], nextitem=None)
                if self._failed:
                    return True
            return False

        passed = {name: seconds for name, seconds in self._recorder.passed.items() if name in items}
        autopack_probe.probe.report(passed, run, _STARTED, not session.shouldstop)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed
