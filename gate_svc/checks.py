"""Runs checks in the sandbox, each once for everything that its outcome depends on, and keeps the results."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import Check
from autopack.policy.policy import SandboxRules
from autopack.sandbox import Command, Limits, Result, Sandbox, Workspace
from autopack.telemetry import names
from autopack.telemetry.metrics import metrics
from autopack.telemetry.tracing import span
from gate_svc.domain.blinding.confirm import confirm, to_be_seen
from gate_svc.domain.blinding.sites import Blinded
from gate_svc.domain.commands import Invocation, invocation
from gate_svc.domain.evidence import CheckRun, Ended, Evidence
from gate_svc.domain.reports.reader import read_evidence
from gate_svc.domain.text import output_tail
from gate_svc.environments import PreparedEnvironment
from gate_svc.judges import blinded_edits
from gate_svc.reporters import BLIND, DIRECTORIES, PROBE
from gate_svc.shared_work import SharedWork
from gate_svc.slots import FairSlots
from gate_svc.storage.check_results import CheckResults
from gate_svc.trees import PreparedTree

logger = logging.getLogger(__name__)

REPORT_LIMIT = 50_000_000
"""Bytes of one report."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a check runs and what it may use."""

    tree: PreparedTree
    environment: PreparedEnvironment
    sandbox: Sandbox
    rules: SandboxRules
    blinded: Mapping[str, Blinded] = field(default_factory=dict)
    """Test files whose expectations are judged outside."""
    only: tuple[str, ...] = ()
    """Test files that are to be run; empty: all."""


class Checks:
    """The checks of all judgements."""

    def __init__(self, results: CheckResults, slots: FairSlots) -> None:
        self._results = results
        self._slots = slots
        self._running: SharedWork[CheckRun] = SharedWork()
        self._unsaved: dict[str, CheckRun] = {}
        self._behind: set[asyncio.Task[None]] = set()

    async def recall(self, key: str) -> CheckRun | None:
        """The result of an earlier run under this key."""
        return self._unsaved.get(key) or await self._results.get(key)

    async def run(self, key: str, owner: str, check: Check, place: Place, span_name: str) -> CheckRun:
        """Runs a check, or joins the run that is at work under this key; slots go by turns of `owner`.

        Raises Unavailable where the sandbox fails. Cancelling kills the check's whole process tree.
        """

        async def work() -> CheckRun:
            run = await self._in_slot(owner, check, place, span_name, _execute)
            metrics().check_seconds.record(
                run.seconds, {names.CHECK_NAME: check.name, names.CHECK_OUTCOME: _told(run.ended)}
            )
            self._save(key, check, run)
            return run

        return await self._running.result(key, work)

    async def again(self, owner: str, check: Check, place: Place) -> CheckRun:
        """Runs a check once, whatever is known of it, and keeps nothing. Raises, and is cancelled, as `run`.

        Tests that are red or in doubt do not run as they are written: they would stay one or the other.
        """
        return await self._in_slot(owner, check, place, names.REPEAT_SPAN, _run)

    async def aside(
        self, owner: str, check: Check, how: Invocation, place: Place, more: Sequence[Edit]
    ) -> bytes | None:
        """Runs something beside the checks, with more put on top of the tree, and returns what it reported.

        None where it reported nothing. Raises InvalidInput where that is no file; is cancelled as `run`.
        """
        reported: list[bytes | None] = []

        async def execute(check: Check, place: Place, known: "asyncio.Future[CheckRun]") -> None:
            limits = _limits(check, place)
            async with place.sandbox.open(place.tree.checkout) as workspace:
                await workspace.apply((*place.tree.edits, *more))
                read_only = _read_only(workspace, how, place.environment.mounts)
                result = await workspace.run(
                    Command(how.line, environment=how.environment, read_only=read_only), limits
                )
                reported.append(await workspace.read_report(how.report, REPORT_LIMIT))
                known.set_result(CheckRun(_ended(result), None, None, result.seconds, ""))

        await self._in_slot(owner, check, place, names.PROBE_SPAN, execute)
        return reported[0]

    async def _in_slot(
        self, owner: str, check: Check, place: Place, span_name: str, execute: "_Execute"
    ) -> CheckRun:
        async with self._slots.slot(owner):
            with span(span_name, {names.CHECK_NAME: check.name}) as current:
                run = await self._execute(check, place, execute)
                current.set_attribute(names.CHECK_OUTCOME, _told(run.ended))
        return run

    async def close(self) -> None:
        """Waits until all results are stored and all workspaces removed."""
        await asyncio.gather(*self._behind, return_exceptions=True)

    async def _execute(self, check: Check, place: Place, execute: "_Execute") -> CheckRun:
        """The run, as soon as it is known; its workspace is removed while the judgement goes on."""
        known: asyncio.Future[CheckRun] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(execute(check, place, known))
        either: set[asyncio.Future[Any]] = {task, known}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        if not known.done():
            await task  # raises why there is no outcome
        self._leave_behind(task)
        return known.result()

    def _leave_behind(self, task: asyncio.Task[None]) -> None:
        """Lets a task end beside the judgements; what fails in it is logged."""

        def ended(task: asyncio.Task[None]) -> None:
            self._behind.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("what a check left to be done has failed", exc_info=error)

        self._behind.add(task)
        task.add_done_callback(ended)

    def _save(self, key: str, check: Check, run: CheckRun) -> None:
        """Stores a result beside the judgement, which does not wait; what proves nothing is run again."""
        if run.ended.exit_code is None or (run.evidence is None and check.reports != "none"):
            return
        self._unsaved[key] = run

        async def put() -> None:
            try:
                await self._results.put(key, run)
            finally:
                del self._unsaved[key]

        self._leave_behind(asyncio.create_task(put()))


_Execute = Callable[[Check, Place, "asyncio.Future[CheckRun]"], Coroutine[Any, Any, None]]


async def _execute(check: Check, place: Place, known: "asyncio.Future[CheckRun]") -> None:
    """Runs a check, and tells the outcome before the last workspace is removed.

    Where what was seen blind is in doubt or red, the tests in question run once more as they are written: for
    what they print, and since what differs between the two is a finding.
    """
    if not place.blinded:
        return await _run(check, place, known)
    blindly: asyncio.Future[CheckRun] = asyncio.get_running_loop().create_future()
    removing = asyncio.create_task(_run(check, place, blindly))
    try:
        either: set[asyncio.Future[Any]] = {removing, blindly}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not blindly.done():
            return await removing  # raises
        seen = blindly.result()
        if (again := to_be_seen(seen)) is None:
            known.set_result(seen)
        else:
            files = tuple(sorted({test.partition("::")[0] for test in again}))
            only = (files or place.only) if check.reports == "pytest" else ()
            plain: asyncio.Future[CheckRun] = asyncio.get_running_loop().create_future()
            as_written = replace(place, blinded={}, only=only)
            await _run(check, as_written, plain)
            known.set_result(confirm(seen, plain.result()))
        await removing
    finally:
        if not removing.done():
            removing.cancel()
            await asyncio.wait({removing})


async def _run(check: Check, place: Place, known: "asyncio.Future[CheckRun]") -> None:
    """Runs a check in a workspace of its own, and tells the outcome before that is removed."""
    reporters = {kind: f"{directory}:{BLIND}" for kind, directory in DIRECTORIES.items()}
    how = invocation(check, reporters, place.environment.path, place.only)
    limits = _limits(check, place)
    async with place.sandbox.open(place.tree.checkout) as workspace:
        await workspace.apply((*place.tree.edits, *blinded_edits(place.blinded)))
        read_only = _read_only(workspace, how, place.environment.mounts)
        result = await workspace.run(
            Command(how.line, environment=how.environment, read_only=read_only), limits
        )
        ended = _ended(result)
        evidence, fault = await _evidence(workspace, check, how, ended, place.blinded)
        tail = output_tail(result.output)
        known.set_result(CheckRun(ended, evidence, fault, result.seconds, tail))


def _limits(check: Check, place: Place) -> Limits:
    return Limits(seconds=check.timeout, memory_mb=place.rules.memory_mb, processes=place.rules.processes)


def _read_only(workspace: Workspace, how: Invocation, mounts: Mapping[str, Path]) -> dict[str, Path]:
    read_only = {f"{workspace.root}/{name}": path for name, path in mounts.items()}
    if how.reporter:
        read_only |= {str(directory): directory for directory in (DIRECTORIES[how.reporter], BLIND, PROBE)}
    return read_only


async def _evidence(
    workspace: Workspace, check: Check, how: Invocation, ended: Ended, blinded: Mapping[str, Blinded]
) -> tuple[Evidence | None, Reason | None]:
    if not how.report:
        return None, None
    try:
        report = await workspace.read_report(how.report, REPORT_LIMIT)
    except InvalidInput as error:
        return None, Reason("EVIDENCE_UNREADABLE", error.reasons[0].message, "report less")
    return await asyncio.to_thread(read_evidence, check.reports, report, ended, blinded)


def _ended(result: Result) -> Ended:
    """A command that reports a signal as its exit status was ended by it."""
    if result.limit is not None:
        return Ended(limit=result.limit)
    if result.signal is not None:
        return Ended(signal=result.signal)
    return Ended(exit_code=result.exit_code)


def _told(ended: Ended) -> str:
    return ended.limit or (f"signal {ended.signal}" if ended.signal else f"exit {ended.exit_code}")
