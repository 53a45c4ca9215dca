"""Runs a module with a name at every boundary that it passes, and SIGKILL at the one that is armed.

`python -m autopack.testing.faults MODULE ...`; nothing of this is in a process that is started otherwise.
"""

import functools
import importlib
import inspect
import os
import runpy
import signal
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

LOG = "AUTOPACK_FAULT_LOG"
"""File that gets a line with the name of each boundary passed."""
POINT = "AUTOPACK_FAULT_POINT"
"""`NAME#N`: the process dies the N-th time that it passes the boundary of that name."""
SIGNAL = "AUTOPACK_FAULT_SIGNAL"
"""What it gets there instead of SIGKILL, such as SIGSTOP."""
CLOCK = "AUTOPACK_FAULT_CLOCK"
"""Unix time that the orchestrator is given, in seconds; it stands still."""

PassBy = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effect:
    """A place that effects of one kind go through; a boundary is named by who asks for it there."""

    kind: str
    module: str
    path: str
    """Of the function in its module."""
    detail: Callable[[tuple[Any, ...]], str] | None = None
    """What names it instead of who asked, from the arguments."""


def _type_of_second(arguments: tuple[Any, ...]) -> str:
    return type(arguments[1]).__name__


EFFECTS = (
    # Every commit on every engine, DBOS's too.
    Effect("commit", "sqlalchemy.engine.default", "DefaultDialect.do_commit"),
    Effect("step", "orchestrator_svc.flow", "Flow._step", _type_of_second),
    Effect("workflow", "orchestrator_svc.engine", "Engine._driving", lambda _: "drive_run"),
    Effect("refs", "autopack.gitstore.refs", "locked"),
    Effect("objects", "autopack.gitstore.packs", "add_commits"),
    Effect("objects", "autopack.gitstore.packs", "copy_commits"),
    Effect("objects", "autopack.gitstore.pack_receiver", "PackReceiver.finish"),
    Effect("objects", "autopack.gitstore.store", "GitStore.commit"),
    Effect("work tree", "autopack.gitstore.work_tree", "move"),
    Effect("git", "autopack.gitstore.command", "run_git", lambda arguments: _git_command(arguments[0])),
    Effect("rename", "os", "rename"),
    Effect("directory", "tempfile", "mkdtemp"),
    Effect("process", "autopack.sandbox.spawner", "Spawner.start"),
    Effect("index", "memory_svc.storage.edge", "EdgeIndex.upsert"),
    Effect("index", "memory_svc.storage.edge", "EdgeIndex.remove"),
    Effect("index", "memory_svc.storage.edge", "EdgeIndex.drop"),
    Effect("ledger", "memory_svc.storage.repositories", "GitLedgers.propose"),
    Effect("call", "autopack.rpc.client", "_follow", lambda arguments: _method(arguments[1].method)),
    Effect("serve", "autopack.rpc.interceptor", "CallInterceptor._serve", lambda arguments: arguments[1]),
)


def _git_command(arguments: tuple[str, ...]) -> str:
    return next(word for word in arguments if word.isidentifier() or "-" in word[1:])


def _method(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


class Boundaries:
    """Counts what this process passes."""

    def __init__(self, log: Path | None, point: str, sent: signal.Signals = signal.SIGKILL) -> None:
        self._log = log
        self._signal = sent
        name, _, number = point.rpartition("#")
        self._name, self._number = name, int(number or 0)
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def pass_by(self, name: str) -> None:
        """Notes a boundary, and dies there if it is the one."""
        with self._lock:
            self._passed[name] += 1
            if self._log is not None:
                with self._log.open("a") as file:
                    file.write(f"{name}\n")
            if name == self._name and self._passed[name] == self._number:
                os.kill(os.getpid(), self._signal)


def arm(module_run: str, environ: Mapping[str, str]) -> None:
    """Puts a boundary before and after every effect of the process that runs a module."""
    log = environ.get(LOG)
    sent = signal.Signals[environ.get(SIGNAL, "SIGKILL")]
    boundaries = Boundaries(Path(log) if log else None, environ.get(POINT, ""), sent)
    for effect in EFFECTS:
        if not _may_have(module_run, effect.module):
            continue
        *owners, name = effect.path.split(".")
        module = importlib.import_module(effect.module)
        owner: Any = functools.reduce(getattr, owners, module)
        original = getattr(owner, name)
        wrapped = _wrap(effect, original, boundaries.pass_by)
        setattr(owner, name, wrapped)
        if owner is module:
            _replace_imported(original, wrapped)
    database = importlib.import_module("autopack.database.database").Database
    database.transaction = _remembering_caller(database.transaction)
    given = environ.get(CLOCK)
    if given and _may_have(module_run, "orchestrator_svc.__main__"):
        importlib.import_module("orchestrator_svc.__main__").start.__defaults__ = (lambda: float(given),)


def _may_have(module_run: str, module: str) -> bool:
    """Whether a process has the module: a service that runs alone has no other one's."""
    service = module.partition(".")[0]
    return not service.endswith("_svc") or service in module_run or not module_run.endswith("_svc")


def _replace_imported(original: object, wrapped: object) -> None:
    """In the modules that have it by `from ... import` already."""
    for module in list(sys.modules.values()):
        for name, value in list(vars(module).items()):
            if value is original and module.__name__ != __name__:
                setattr(module, name, wrapped)


def _wrap(effect: Effect, original: Any, pass_by: PassBy) -> Any:
    def named(arguments: tuple[Any, ...]) -> Callable[[str], None]:
        asked_by = effect.detail(arguments) if effect.detail else _caller(sys._getframe(2))
        detail = asked_by or _asked_by.get() or effect.path
        return lambda moment: pass_by(f"{moment} {effect.kind} {detail}")

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def coroutine(*arguments: Any, **named_arguments: Any) -> Any:
            at = named(arguments)
            at("before")
            result = await original(*arguments, **named_arguments)
            if effect.kind == "call":
                # A call is only made here; it ends later.
                result.add_done_callback(lambda _: at("after"))
            else:
                at("after")
            return result

        return coroutine
    if inspect.isgeneratorfunction(inspect.unwrap(original)):

        @contextmanager
        def context(*arguments: Any) -> Iterator[None]:
            at = named(arguments)
            with original(*arguments):
                yield
                # All is prepared and locked; leaving it is what changes something.
                at("before")
            at("after")

        return context

    @functools.wraps(original)
    def function(*arguments: Any, **named_arguments: Any) -> Any:
        at = named(arguments)
        at("before")
        result = original(*arguments, **named_arguments)
        at("after")
        return result

    return function


_asked_by: ContextVar[str] = ContextVar("asked_by", default="")
"""Who asked for a transaction, which runs in another thread but in a copy of the context."""
_OURS = ("autopack.", "orchestrator_svc.", "builder_svc.", "auditor_svc.", "gate_svc.", "memory_svc.")
_NOT_ASKING = ("autopack.testing.", "autopack.database.database", "autopack.rpc.", "autopack.host.")


def _remembering_caller(transaction: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def remembering(*arguments: Any) -> Any:
        token = _asked_by.set(_caller(sys._getframe(1)))
        try:
            return await transaction(*arguments)
        finally:
            _asked_by.reset(token)

    return remembering


def _caller(frame: FrameType | None, count: int = 2) -> str:
    """The innermost functions of ours that lead here; DBOS's where no other does."""
    names: list[str] = []
    while frame is not None and len(names) < count:
        module = frame.f_globals.get("__name__", "")
        if module.startswith((*_OURS, "dbos.")) and not module.startswith(_NOT_ASKING):
            name = frame.f_code.co_qualname.replace(".<locals>", "").replace(".<lambda>", "")
            names.append(f"{module}:{name}")
        frame = frame.f_back
    return " < ".join(names)


def main() -> None:
    """Runs the module that the command line names, under the faults that the environment names."""
    module, sys.argv = sys.argv[1], sys.argv[1:]
    arm(module, os.environ)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
