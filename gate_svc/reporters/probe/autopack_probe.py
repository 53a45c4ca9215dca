"""What stands in an instrumented product file: says which tests come by, keeps calls, switches mutants on."""

from __future__ import annotations

import base64
import builtins
import functools
import json
import os
import pickle
import sys
import time
from typing import Any

import autopack_blind
import autopack_calls
import autopack_forks

_CALLS_OF_ONE = 12
"""Calls with different arguments that are kept of a function."""
_NODES = 500
_TESTS = 20
"""Tests that a mutant is tried with, the quickest that come by."""
_WITHIN_SECONDS = 0.5
"""For the kept calls with the base's product."""
_KINDS = (type(None), bool, int, float, complex, str, bytes, tuple, list, set, frozenset, dict)


class Probe:
    """The one of a process."""

    def __init__(self) -> None:
        self.on = -1
        self.reached: dict[int, set[str]] = {}
        self._busy = False
        self._functions: list[Any] = []
        self._usual: dict[int, Any] = {}
        self._calls: dict[tuple[str, str], dict[bytes, Any]] = {}

    def __call__(self, number: int) -> bool:
        if self.on < 0:
            self.reached.setdefault(number, set()).add(autopack_blind.blind.test)
        return number == self.on

    def call(self, function: Any) -> Any:
        """Keeps what a function is called with by tests, and what comes of it."""

        @functools.wraps(function)
        def kept(*args: Any, **kwargs: Any) -> Any:
            given = None
            if self.on < 0 and not self._busy and autopack_blind.blind.test:
                given = self._given(function, args, kwargs)
            if given is None:
                return function(*args, **kwargs)
            self._busy = True
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                given.append(["raised", type(error).__name__])
                raise
            else:
                given.append(
                    ["value", autopack_calls.shown(result), autopack_calls.shown([*args, *kwargs.values()])]
                )
                return result
            finally:
                self._busy = False

        self._functions.append(function)
        return kept

    def settle(self) -> None:
        """Takes what surrounds the functions now for what usually does."""
        self._usual = {id(each): _surroundings(each) for each in self._functions}

    def _given(self, function: Any, args: Any, kwargs: Any) -> list[Any] | None:
        """Where to put what comes of a call, None for one that is not kept."""
        calls = self._calls.setdefault((function.__module__, function.__qualname__), {})
        if len(calls) >= _CALLS_OF_ONE or not _plain([args, kwargs], function.__module__):
            return None
        if _surroundings(function) != self._usual.get(id(function)):
            return None  # a test has put something else there
        try:
            key = pickle.dumps((args, kwargs))
        except Exception:
            return None
        if key in calls:
            return None
        calls[key] = []
        return calls[key]  # type: ignore[no-any-return]  # just put there

    def report(self, passed: dict[str, float], run: Any, started: float, complete: bool) -> None:
        """Writes what was seen, then tries the mutants. `run` runs tests and says whether one failed;
        `complete` says whether all tests have run."""
        directory, settings = os.environ["AUTOPACK_REPORTS"], json.loads(os.environ["AUTOPACK_PROBE"])
        calls = [
            [module, name, base64.b64encode(given).decode(), outcome[0]]
            for (module, name), made in self._calls.items()
            for given, outcome in made.items()
            if outcome
        ]
        with open(os.path.join(directory, autopack_calls.CALLS), "w") as file:
            file.write("".join(json.dumps(each) + "\n" for each in [sys.path, *calls]))
        self._within(calls)
        reached = {number: names & passed.keys() for number, names in self.reached.items()}
        came = sorted(number for number, names in reached.items() if names)
        _write(event="probe", session="probe", reached=came, complete=complete)
        # What it takes is bounded by what the tests took, so that quick checks stay quick.
        end = time.monotonic() + min(settings["seconds"], max(0.2, 0.5 * (time.monotonic() - started)))
        for number in settings["mutants"]:
            tests = sorted(reached.get(number, ()), key=passed.__getitem__)[:_TESTS]
            if time.monotonic() > end:
                outcome = "not_tried"
            elif not tests:
                outcome = "not_reached"
            else:
                outcome = self._tried(number, tests, 1 + 5 * sum(passed[name] for name in tests), run)
            _write(event="probe", session="probe", mutant=number, outcome=outcome)

    def _within(self, calls: list[Any]) -> None:
        """What is otherwise here on the base too is so for other reasons than that tests run."""

        def work() -> None:
            autopack_blind.blind.muted = self._busy = True
            for line in autopack_calls.base_within(calls, time.monotonic() + _WITHIN_SECONDS):
                _write(**json.loads(line))

        if calls:
            autopack_forks.in_fork(work, 2 * _WITHIN_SECONDS)

    def _tried(self, number: int, tests: list[str], seconds: float, run: Any) -> str:
        def work() -> bool:
            autopack_blind.blind.muted, self.on = True, number
            return bool(run(tests))

        return "survived" if autopack_forks.in_fork(work, seconds) == 0 else "killed"


def _surroundings(function: Any) -> Any:
    own = {name: id(value) for name, value in function.__globals__.items()}
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return own, environ, os.getcwd()


def _plain(value: Any, module: str) -> bool:
    """Whether a value is small, and of built-in types and those of the product alone."""
    waiting, left = [value], _NODES
    while waiting:
        each, left = waiting.pop(), left - 1
        if left >= 0 and autopack_calls.is_of_product(type(each), module):
            waiting += vars(each).values()
            continue
        if left < 0 or type(each) not in _KINDS or (isinstance(each, (str, bytes)) and len(each) > 5000):
            return False
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, (tuple, list, set, frozenset)):
            waiting += each
    return True


def _write(**record: Any) -> None:
    with open(os.path.join(os.environ["AUTOPACK_REPORTS"], autopack_calls.REPORT), "a") as file:
        file.write(json.dumps(record) + "\n")


probe = Probe()


def install() -> Probe:
    """Makes instrumented files loadable."""
    vars(builtins)["_autopack_probe"] = probe
    return probe
