"""What stands in an instrumented product file: says which tests come by, keeps calls, switches mutants on.

Executed, it makes the kept calls again in a process that runs no tests, and tries other arguments.
"""

from __future__ import annotations

import base64
import builtins
import functools
import importlib
import itertools
import json
import os
import pickle
import signal
import sys
import time
from typing import Any

import autopack_blind
import autopack_forks

REPORT = "autopack-tests.jsonl"
CALLS = "autopack-calls.jsonl"
_CALLS_OF_ONE = 12
"""Calls with different arguments that are kept of a function."""
_NEIGHBOURS_OF_ONE = 8
"""Other arguments that are tried for each call."""
_NODES = 500
_TESTS = 20
"""Tests that a mutant is tried with, the quickest that come by."""
_CALL_SECONDS = 0.5
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
                given.append(["value", shown(result), shown([*args, *kwargs.values()])])
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
        with open(os.path.join(directory, CALLS), "w") as file:
            for (module, name), calls in self._calls.items():
                for given, outcome in calls.items():
                    if outcome:
                        kept = base64.b64encode(given).decode()
                        file.write(json.dumps([module, name, kept, outcome[0]]) + "\n")
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

    def _tried(self, number: int, tests: list[str], seconds: float, run: Any) -> str:
        def work() -> bool:
            autopack_blind.blind.muted, self.on = True, number
            return bool(run(tests))

        return "survived" if autopack_forks.in_fork(work, seconds) == 0 else "killed"


def shown(value: Any) -> Any:
    """A value as it is compared outside."""
    try:
        return autopack_blind.show(value)
    except Exception:
        return ["o"]


def _surroundings(function: Any) -> Any:
    own = {name: id(value) for name, value in function.__globals__.items()}
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return own, environ, os.getcwd()


def _plain(value: Any, module: str) -> bool:
    """Whether a value is small, and of built-in types and those of the product alone."""
    waiting, left = [value], _NODES
    while waiting:
        each, left = waiting.pop(), left - 1
        if left >= 0 and _is_of_product(type(each), module):
            waiting += vars(each).values()
            continue
        if left < 0 or type(each) not in _KINDS or (isinstance(each, (str, bytes)) and len(each) > 5000):
            return False
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, (tuple, list, set, frozenset)):
            waiting += each
    return True


def _is_of_product(kind: Any, module: str) -> bool:
    """Whether objects of a class are what their attributes are, and the class is found where no tests run."""
    return (
        kind.__module__.partition(".")[0] == module.partition(".")[0]
        and kind.__base__ is object
        and type(kind) is type
        and "__slots__" not in vars(kind)
        and not any(name in vars(kind) for name in ("__reduce__", "__reduce_ex__", "__getstate__"))
    )


def _write(**record: Any) -> None:
    with open(os.path.join(os.environ["AUTOPACK_REPORTS"], REPORT), "a") as file:
        file.write(json.dumps(record) + "\n")


probe = Probe()


def install() -> Probe:
    """Makes instrumented files loadable."""
    vars(builtins)["_autopack_probe"] = probe
    return probe


def neighbours(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Arguments that differ from these in one place; always the same ones."""
    found = []
    columns = []
    given: list[tuple[Any, Any]] = [*enumerate(args), *kwargs.items()]
    for place, value in given:
        columns.append([(place, other) for other in _near(value)])
    for row in itertools.zip_longest(*columns):
        for each in row:
            if each is None:
                continue
            place, other = each
            if isinstance(place, int):
                found.append(((*args[:place], other, *args[place + 1 :]), kwargs))
            else:
                found.append((args, {**kwargs, place: other}))
    return found[:_NEIGHBOURS_OF_ONE]


def _near(value: Any) -> list[Any]:
    kind = type(value)
    if kind is bool:
        return [not value]
    if kind is int:
        return [value + 1, value - 1, value + 2, value * 2, value * 3 + 1]
    if kind is float:
        return [value + 1.0, value - 0.5, value * 2, value * 3 + 0.25]
    if kind in (str, bytes):
        half = len(value) // 2
        more = "a" if kind is str else b"a"
        return [value + more, value[:-1], value[::-1], value[:half] + more + value[half:], value + value]
    if kind in (list, tuple):
        return [*_near_sequence(list(value), kind)]
    if kind is dict and value:
        first = next(iter(value))
        return [{**value, first: other} for other in _near(value[first])[:3]] + [
            {key: each for key, each in value.items() if key != first}
        ]
    if _is_of_product(kind, kind.__module__) and vars(value):
        found = []
        for name, each in vars(value).items():
            for other in _near(each)[:2]:
                near = object.__new__(kind)
                near.__dict__.update(value.__dict__)
                near.__dict__[name] = other
                found.append(near)
        return found
    if kind in (set, frozenset) and value:
        ordered = sorted(value, key=repr)
        return [kind(ordered[1:]), kind([*ordered, *_near(ordered[-1])[:1]])]
    return []


def _near_sequence(values: list[Any], kind: Any) -> list[Any]:
    found = [[*values[:-1], other] for other in (_near(values[-1])[:2] if values else [])]
    found += [values[:-1], values[::-1], [*values, *values[:1]]] if values else []
    found += [[other, *values[1:]] for other in (_near(values[0])[:2] if values else [])]
    return [kind(each) for each in found if each != values]


class _Slow(BaseException):
    """A call has taken too long."""


def _outcome(function: Any, given: bytes) -> Any:
    def late(*_: object) -> None:
        raise _Slow

    args, kwargs = pickle.loads(given)
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _CALL_SECONDS)
    try:
        return ["value", shown(function(*args, **kwargs)), shown([*args, *kwargs.values()])]
    except _Slow:
        return ["slow"]
    except Exception as error:
        return ["raised", type(error).__name__]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def again(tree: str, directory: str, seconds: float) -> None:
    """Makes the kept calls, and others like them, twice: what differs between the two is uncertain."""
    end = time.monotonic() + seconds
    with open(os.path.join(directory, CALLS)) as file:
        calls = [json.loads(line) for line in file]
    # Nothing here looks like a test run any more.
    for name in [each for each in os.environ if each.startswith(("AUTOPACK", "PYTEST", "PYTHONPATH"))]:
        del os.environ[name]
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    others = [each for each in sys.path if not each.startswith(ours)]
    sys.path[:] = [os.getcwd(), os.path.join(os.getcwd(), "src"), *others]
    sys.argv[:] = ["main.py"]
    lines = []
    for module, name, kept, seen in calls:
        given = base64.b64decode(kept)
        args, kwargs = pickle.loads(given)
        try:
            function = functools.reduce(getattr, name.split("."), importlib.import_module(module))
        except Exception:
            continue
        for near, (others, more) in enumerate([(args, kwargs), *neighbours(args, kwargs)]):
            if time.monotonic() > end:
                break
            asked = pickle.dumps((others, more))
            outcome = _outcome(function, asked)
            if _outcome(function, asked) != outcome:
                outcome = ["uncertain"]
            record: dict[str, Any] = {
                "event": "probe",
                "session": "probe",
                "tree": tree,
                "near": near,
                "outcome": outcome,
            }
            record.update(function=f"{module}.{name}", call=kept, given=_said(others, more))
            lines.append(json.dumps({**record, "seen": seen} if not near else record))
    with open(os.path.join(directory, REPORT), "a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def _said(args: Any, kwargs: Any) -> str:
    said = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return ", ".join(said)[:200]


if __name__ == "__main__":
    again(sys.argv[1], sys.argv[2], float(sys.argv[3]))
