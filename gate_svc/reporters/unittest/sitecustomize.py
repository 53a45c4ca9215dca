"""Makes unittest's text runner write one JSON record a line for each test to $AUTOPACK_REPORTS.

Python imports this module at start; the `sitecustomize` that it hides is run after it.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

import autopack_blind
import autopack_forks

_OWNER = "AUTOPACK_UNITTEST_OWNER"
_PROBE = "AUTOPACK_PROBE"
_CANARY_SECONDS = 10.0
_TWINS = 6
"""Expectations that are made wrong, one at a time."""
_HERE = os.path.dirname(os.path.abspath(__file__))
_numbers = itertools.count(1)


class _Recording:
    """Mixed into the result of the outermost runner."""

    autopack_session: Any
    autopack_process: int
    autopack_file: int
    autopack_passed: dict[str, float]
    """Seconds of each test that has passed."""
    autopack_started = 0.0

    def autopack_write(self, event: str, **fields: object) -> None:
        if os.getpid() == self.autopack_process:  # not in a child that a test forked
            record = {"event": event, "session": self.autopack_session, **fields}
            os.write(self.autopack_file, json.dumps(record).encode() + b"\n")

    def autopack_add(self, test: Any, outcome: str) -> None:
        name = test.id()
        if "._FailedTest." in name:
            self.autopack_write("unloaded", id=name.split("._FailedTest.", 1)[1])
        else:
            self.autopack_write("test", id=name, outcome=outcome)

    def startTest(self, test: Any) -> None:
        autopack_blind.blind.test = test.id()
        self.autopack_started = time.monotonic()
        super().startTest(test)  # type: ignore[misc]  # the class that this is mixed into has it

    def addSuccess(self, test: Any) -> None:
        super().addSuccess(test)  # type: ignore[misc]  # as above
        self.autopack_passed[test.id()] = time.monotonic() - self.autopack_started
        self.autopack_add(test, "passed")

    def addError(self, test: Any, err: Any) -> None:
        super().addError(test, err)  # type: ignore[misc]  # as above
        self.autopack_add(test, "error")

    def addFailure(self, test: Any, err: Any) -> None:
        super().addFailure(test, err)  # type: ignore[misc]  # as above
        self.autopack_add(test, "failed")

    def addSkip(self, test: Any, reason: str) -> None:
        super().addSkip(test, reason)  # type: ignore[misc]  # as above
        self.autopack_add(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        super().addExpectedFailure(test, err)  # type: ignore[misc]  # as above
        self.autopack_add(test, "skipped")

    def addUnexpectedSuccess(self, test: Any) -> None:
        super().addUnexpectedSuccess(test)  # type: ignore[misc]  # as above
        self.autopack_add(test, "failed")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        super().addSubTest(test, subtest, err)  # type: ignore[misc]  # as above
        if err is not None:
            self.autopack_add(test, "failed" if issubclass(err[0], test.failureException) else "error")


def _ids(suite: Any) -> list[str]:
    try:
        members = list(suite)
    except TypeError:
        return [] if "._FailedTest." in suite.id() else [suite.id()]
    return [name for member in members for name in _ids(member)]


def _cases(suite: Any) -> list[Any]:
    try:
        members = list(suite)
    except TypeError:
        return [suite]
    return [case for member in members for case in _cases(member)]


def _fail(*_: object) -> None:
    raise AssertionError


def _canaries(cases: list[tuple[type, str, str]], make: Any, mix: Any) -> None:
    """Has a test fail, and some expect what is wrong, where all that the tests have left still is."""
    plain = [(kind, method, name) for kind, method, name in cases if hasattr(kind, method)]
    if plain:
        _again("canary", plain[-1], 0, make, mix)
    by_name = {name: each for each in plain for name in (each[2],)}
    twins = [
        (site, by_name[name]) for site, name in sorted(autopack_blind.blind.twins.items()) if name in by_name
    ]
    for site, each in twins[:_TWINS]:
        _again(f"twin:{site}", each, site, make, mix)


def _again(session: str, which: tuple[type, str, str], wrong: int, make: Any, mix: Any) -> None:
    """Runs a test once more in a fork, as any other is run, with something wrong; 0: with all."""
    import unittest

    def work() -> None:
        autopack_blind.blind.muted, autopack_blind.blind.wrong = True, wrong
        kind, method, _ = which
        case: Any = kind(method)
        if not wrong:
            setattr(case, method, _fail)
        result = mix(make(), session)
        suite = unittest.TestSuite([case])
        suite(result)

    autopack_forks.in_fork(work, _CANARY_SECONDS)


def _patch(runner: ModuleType) -> None:
    original = runner.TextTestRunner.run

    def run(self: Any, test: Any) -> Any:
        directory = os.environ.get("AUTOPACK_REPORTS")
        if not directory or _OWNER in os.environ:  # a runner inside a test is not recorded
            return original(self, test)
        make = self._makeResult
        session = f"{os.getpid()}-{next(_numbers)}"
        path = os.path.join(directory, "autopack-tests.jsonl")
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

        def mix(result: Any, session: str) -> Any:
            result.__class__ = type("Recording", (_Recording, type(result)), {})
            result.autopack_session, result.autopack_process = session, os.getpid()
            result.autopack_file, result.autopack_passed = file, {}
            return result

        def make_recording() -> Any:
            result = mix(make(), session)
            result.autopack_write("start")
            result.autopack_write("collected", ids=_ids(test))
            return result

        # A suite forgets its tests as they run.
        cases = [(type(each), getattr(each, "_testMethodName", ""), each.id()) for each in _cases(test)]
        if os.environ.get(_PROBE):
            import autopack_probe

            autopack_probe.probe.settle()
        self._makeResult = make_recording
        os.environ[_OWNER] = str(os.getpid())
        try:
            result = original(self, test)
        finally:
            del os.environ[_OWNER]
            del self._makeResult
        passed = [each for each in cases if each[2] in result.autopack_passed]
        if os.environ.get(_PROBE):
            import autopack_probe_unittest

            autopack_probe_unittest.probe(passed, result.autopack_passed)
        else:
            _canaries(passed, make, mix)
        result.autopack_write("finish", exit=0 if result.wasSuccessful() else 1)
        return result

    runner.TextTestRunner.run = run


class _Loader(Loader):
    """Loads unittest.runner as usual, then patches it."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _patch(module)


class _Finder(MetaPathFinder):
    """Waits for unittest.runner, so that a Python that runs no test pays nothing."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != "unittest.runner":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def _run_hidden() -> None:
    others = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if os.environ.get("AUTOPACK_REPORTS"):
    sys.meta_path.insert(0, _Finder())
    autopack_blind.install()
    if os.environ.get(_PROBE):
        import autopack_probe

        autopack_probe.install()
_run_hidden()
