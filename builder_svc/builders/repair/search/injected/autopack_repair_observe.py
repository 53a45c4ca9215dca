"""What tests do with code in scope: lines run, types of names, arguments of calls; and calls made again."""

import base64
import hashlib
import itertools
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, FunctionType, GeneratorType
from typing import Any

MAXIMUM_LINES_TYPED = 300
"""Line events of each function whose names' types are noted."""
MAXIMUM_CALLS = 40
"""Of each function whose arguments are kept."""
MAXIMUM_PICKLE = 20_000
MAXIMUM_RESULT = 2_000
"""Elements of a generator's result that are looked at."""
CALL_SECONDS = 0.3
MAXIMUM_LATE = 4
"""Calls running that do not end."""
_PLAIN = (int, float, complex, str, bytes, bool, type(None))


class Observer:
    """A tracer for some files."""

    def __init__(self, files: list[str]) -> None:
        self._files = frozenset(files)
        self._lines: dict[str, set[int]] = {}
        self._types: dict[str, dict[str, set[str]]] = {}
        self._typed: dict[str, int] = {}
        self._calls: dict[str, list[str]] = {}

    def start(self) -> None:
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def stop(self) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def say(self, say: Callable[[Any], None]) -> None:
        self.stop()
        types = {
            place: {name: sorted(kinds) for name, kinds in names.items()}
            for place, names in self._types.items()
        }
        lines = {path: sorted(found) for path, found in self._lines.items()}
        say({"lines": lines, "types": types, "calls": self._calls})

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code.co_filename not in self._files:
            return None
        place = f"{code.co_filename}::{code.co_qualname}"
        caller = frame.f_back
        if "." not in code.co_qualname and (caller is None or caller.f_code.co_filename not in self._files):
            self._keep_call(place, frame)
        lines = self._lines.setdefault(code.co_filename, set())
        lines.add(code.co_firstlineno)
        types = self._types.setdefault(place, {})

        def local(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
                seen = self._typed.get(place, 0)
                if seen < MAXIMUM_LINES_TYPED:
                    self._typed[place] = seen + 1
                    for name, value in frame.f_locals.items():
                        types.setdefault(name, set()).add(type(value).__name__)
            elif event == "return":
                types.setdefault("return", set()).add(type(argument).__name__)
            return local

        return local

    def _keep_call(self, place: str, frame: FrameType) -> None:
        code = frame.f_code
        kept = self._calls.setdefault(place, [])
        if code.co_flags & 0x0C or code.co_kwonlyargcount or len(kept) >= MAXIMUM_CALLS:
            return  # *args and **kwargs cannot be given back by position
        arguments = [frame.f_locals[name] for name in code.co_varnames[: code.co_argcount]]
        if all(_is_plain(value, 4) for value in arguments):
            pickled = pickle.dumps(arguments)
            if len(pickled) <= MAXIMUM_PICKLE:
                kept.append(base64.b64encode(pickled).decode())


def _is_plain(value: Any, depth: int) -> bool:
    if type(value) in _PLAIN:
        return True
    if depth == 0 or type(value) not in (list, tuple, set, frozenset, dict):
        return False
    values = itertools.chain(value, value.values()) if type(value) is dict else value
    return all(_is_plain(item, depth - 1) for item in values)


class _OutOfTime(BaseException):
    pass


def call_all(request: dict[str, Any], function: FunctionType, say: Callable[[Any], None]) -> None:
    """Calls the function with each set of arguments; says a digest of what it gave and did to them.

    Says no more of one that has not ended a few times running: it would take all the time that there is.
    """

    def stop(*_: object) -> None:
        raise _OutOfTime

    signal.signal(signal.SIGPROF, stop)
    late = 0
    for text in request["calls"]:
        if late == MAXIMUM_LATE:
            return
        late += 1
        arguments = pickle.loads(base64.b64decode(text))
        try:
            signal.setitimer(signal.ITIMER_PROF, CALL_SECONDS)
            shown = _shown(function(*arguments), 6) + "|" + _shown(arguments, 6)
            signal.setitimer(signal.ITIMER_PROF, 0)
        except _OutOfTime:
            say("!time")
        except RecursionError:
            say("!time")
        except BaseException as error:
            late = 0
            signal.setitimer(signal.ITIMER_PROF, 0)
            say(f"!{type(error).__name__}")
        else:
            late = 0
            say(hashlib.sha1(shown.encode()).hexdigest()[:16])


def _shown(value: Any, depth: int) -> str:
    if isinstance(value, GeneratorType):
        value = list(itertools.islice(value, MAXIMUM_RESULT))
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, _PLAIN) or depth == 0:
        return f"{type(value).__name__}:{value!r}" if isinstance(value, _PLAIN) else type(value).__name__
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({','.join(_shown(item, depth - 1) for item in value)})"
    if isinstance(value, (set, frozenset)):
        return f"set({','.join(sorted(_shown(item, depth - 1) for item in value))})"
    if isinstance(value, dict):
        pairs = sorted(f"{_shown(key, depth - 1)}={_shown(item, depth - 1)}" for key, item in value.items())
        return f"dict({','.join(pairs)})"
    return type(value).__name__
