"""Makes kept calls again, and others like them: elsewhere than where tests run, and with the base's product.

Executed as `autopack_calls.py TREE DIRECTORY SECONDS`, it does so in a process of its own.
"""

from __future__ import annotations

import base64
import functools
import importlib
import itertools
import json
import os
import pickle
import signal
import sys
import time
import types
from typing import Any

import autopack_blind

REPORT = "autopack-tests.jsonl"
CALLS = "autopack-calls.jsonl"
"""In $AUTOPACK_REPORTS: where modules are, then each call: module, function, arguments, what came of it."""
BASE = ".autopack-probe/base"
"""Where the base's changed files are."""
_NEIGHBOURS_OF_ONE = 8
"""Other arguments that are tried for each call."""
_CALL_SECONDS = 0.5


def shown(value: Any) -> Any:
    """A value as it is compared outside."""
    try:
        return autopack_blind.show(value)
    except Exception:
        return ["o"]


def is_of_product(kind: Any, module: str) -> bool:
    """Whether objects of a class are what their attributes are, and the class is found where no tests run."""
    return (
        kind.__module__.partition(".")[0] == module.partition(".")[0]
        and kind.__base__ is object
        and type(kind) is type
        and "__slots__" not in vars(kind)
        and not any(name in vars(kind) for name in ("__reduce__", "__reduce_ex__", "__getstate__"))
    )


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
    if is_of_product(kind, kind.__module__) and vars(value):
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


def made_again(calls: Any, find: Any, tree: str, near: bool, end: float) -> list[str]:
    """Records of what comes of kept calls, and of others like them. Each is made twice: what differs between
    the two is uncertain."""
    lines = []
    for module, name, kept, seen in calls:
        try:
            args, kwargs = pickle.loads(base64.b64decode(kept))
            function = functools.reduce(getattr, name.split("."), find(module))
        except Exception:
            continue
        tried = [(args, kwargs), *(neighbours(args, kwargs) if near else [])]
        for number, (others, more) in enumerate(tried):
            if time.monotonic() > end:
                break
            asked = pickle.dumps((others, more))
            outcome = _outcome(function, asked)
            if _outcome(function, asked) != outcome:
                outcome = ["uncertain"]
            record: dict[str, Any] = {"event": "probe", "session": "probe", "tree": tree, "near": number}
            record.update(outcome=outcome, function=f"{module}.{name}", call=kept, given=_said(others, more))
            lines.append(json.dumps({**record, "seen": seen} if not number else record))
    return lines


def base_within(calls: Any, end: float) -> list[str]:
    """What the base makes of the kept calls in this very process, where tests have run."""
    found: dict[str, types.ModuleType] = {}

    def find(name: str) -> types.ModuleType:
        if name not in found:
            present = importlib.import_module(name)
            place = os.path.relpath(str(present.__file__))
            with open(os.path.join(BASE, place)) as file:
                source = file.read()
            found[name] = types.ModuleType(name)
            found[name].__dict__.update(__file__=present.__file__, __package__=present.__package__)
            exec(compile(source, place, "exec"), found[name].__dict__)
        return found[name]

    return made_again(calls, find, "within", False, end)


def main(tree: str, directory: str, seconds: float) -> None:
    """Makes the kept calls and others in a process in which nothing tells of tests any more."""
    with open(os.path.join(directory, CALLS)) as file:
        path, *calls = [json.loads(line) for line in file]
    for name in [each for each in os.environ if each.startswith(("AUTOPACK", "PYTEST", "PYTHONPATH"))]:
        del os.environ[name]
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path[:] = [os.getcwd(), *(each for each in [*path, *sys.path] if not each.startswith(ours))]
    sys.argv[:] = ["main.py"]
    lines = made_again(calls, importlib.import_module, tree, True, time.monotonic() + seconds)
    with open(os.path.join(directory, REPORT), "a") as file:
        file.write("".join(f"{line}\n" for line in lines))


def _said(args: Any, kwargs: Any) -> str:
    said = [*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())]
    return ", ".join(said)[:200]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
