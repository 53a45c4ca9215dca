"""The builder `command`: a shell line in the sandbox on a fresh checkout; what it changes is the change."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from autopack.errors import FailedPrecondition, Reason
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.write_path import Edit
from autopack.sandbox.port import Command, Limits, Result, Sandbox
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from autopack.text import neutralise, tail
from builder_svc.builders.ignored import base_file, without_ignored
from builder_svc.builders.readable_file import readable_file
from builder_svc.domain.builder import Task, Work
from builder_svc.domain.building import timed_out

SHOWN_CHARACTERS = 4_000
"""Of the output's end, in a reason."""
KEPT_CHARACTERS = 200_000
"""Of the output's end, in the exchange that is recorded."""


class CommandBuilder:
    """Runs one line with no network, within the seconds that are left."""

    kind = "command"

    def __init__(self, line: str, sandbox: Callable[[str], Awaitable[Sandbox]], checkouts: Checkouts) -> None:
        """`sandbox` gives one of at least the tier that a policy names."""
        self._line = line
        self._sandbox = sandbox
        self._checkouts = checkouts

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises FailedPrecondition: COMMAND_FAILED, COMMAND_OVER_LIMIT, BUILD_TIMED_OUT; InvalidInput
        with what `Workspace.run` and `Workspace.changes` refuse."""
        task, base = work.task, work.task.base
        sandbox = await self._sandbox(work.policy.sandbox.tier)
        checkout = await asyncio.to_thread(self._checkouts.get, work.store, base)
        async with _feedback_file(task) as feedback, sandbox.open(checkout) as workspace:
            limits = Limits(
                seconds=task.allowance.seconds,
                memory_mb=work.policy.sandbox.memory_mb,
                processes=work.policy.sandbox.processes,
            )
            with span(names.SANDBOX_SPAN, {names.SANDBOX_TIER: sandbox.tier}) as current:
                result = await workspace.run(_command(self._line, task, feedback), limits)
                if result.exit_code is not None:
                    current.set_attribute(names.EXIT_CODE, result.exit_code)
            work.record.exchange.append(_exchange(self._line, result))
            _require_success(result, task)
            changes = await workspace.changes()
        return await asyncio.to_thread(without_ignored, changes, lambda path: base_file(work, path))


@asynccontextmanager
async def _feedback_file(task: Task) -> AsyncIterator[Path]:
    """Tells the command why earlier attempts were refused, and what memory knows."""
    document = {
        "attempt": task.attempt,
        "reasons": [asdict(reason) for reason in task.feedback],
        "recalled": [asdict(passage) for passage in task.recalled],
    }
    async with readable_file("feedback.json", json.dumps(document)) as path:
        yield path


def _command(line: str, task: Task, feedback: Path) -> Command:
    environment = {
        "AUTOPACK_GOAL": task.phase.goal,
        "AUTOPACK_PHASE": task.phase.id,
        "AUTOPACK_ATTEMPT": str(task.attempt),
        "AUTOPACK_FEEDBACK": str(feedback),
    }
    # At its own path: a tier without mounts can show it nowhere else.
    return Command(line, MappingProxyType(environment), read_only=MappingProxyType({str(feedback): feedback}))


def _exchange(line: str, result: Result) -> dict[str, object]:
    return {
        "command": line,
        "exit_code": result.exit_code,
        "signal": result.signal,
        "limit": result.limit,
        "output": tail(neutralise(result.output), KEPT_CHARACTERS),
        "output_truncated": result.output_truncated,
    }


def _require_success(result: Result, task: Task) -> None:
    if result.exit_code == 0 and result.limit is None:
        return
    output = tail(neutralise(result.output[-4 * SHOWN_CHARACTERS :]), SHOWN_CHARACTERS).strip()
    if result.limit == "time":
        raise FailedPrecondition(timed_out(task.allowance.seconds, output))
    ending = f"; its output ended with\n{output}" if output else " and printed nothing"
    if result.limit:
        message = f"the command went over its limit of {result.limit}{ending}"
        fix = "have it use less; the policy's `sandbox` sets memory and processes"
        raise FailedPrecondition(Reason("COMMAND_OVER_LIMIT", message, fix))
    how = f"exit status {result.exit_code}" if result.signal is None else f"signal {result.signal}"
    fix = "mend the command; it runs without network by `sh -ec` in a fresh checkout of the base"
    raise FailedPrecondition(Reason("COMMAND_FAILED", f"the command ended with {how}{ending}", fix))
