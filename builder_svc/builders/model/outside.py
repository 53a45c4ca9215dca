"""All that a model's build asks of the world: the model itself, the checks, and time to wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import MappingProxyType
from typing import Protocol

from autopack.chat.line import Line
from autopack.chat.network import Connections, NetworkLine
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import Check
from autopack.sandbox.port import Command, Limits, Result, Sandbox
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from autopack.text import neutralise, tail
from builder_svc.domain.builder import Work

SHOWN_CHARACTERS = 6_000
"""Of a check's output, its end."""


class Outside(Protocol):
    """The world, or the record of what it said before."""

    @property
    def line(self) -> Line:
        """To the model."""
        ...

    async def check(self, check: Check, edits: Sequence[Edit]) -> str:
        """What a check says of the base with these edits, in words for the model."""
        ...

    async def pause(self, seconds: float) -> None:
        """Waits before a call is made again."""
        ...


class World:
    """The network and the sandbox; what they say is recorded."""

    def __init__(
        self,
        work: Work,
        connections: Connections,
        sandbox: Callable[[str], Awaitable[Sandbox]],
        checkouts: Checkouts,
    ) -> None:
        self._work = work
        self._sandbox = sandbox
        self._checkouts = checkouts
        self.line: Line = NetworkLine(connections, work.record.exchange)

    async def check(self, check: Check, edits: Sequence[Edit]) -> str:
        """Runs it in the sandbox, without network, on a fresh checkout: see `Outside.check`."""
        work = self._work
        sandbox = await self._sandbox(work.policy.sandbox.tier)
        checkout = await asyncio.to_thread(self._checkouts.get, work.store, work.task.base)
        limits = Limits(
            seconds=min(check.timeout, work.task.allowance.seconds),
            memory_mb=work.policy.sandbox.memory_mb,
            processes=work.policy.sandbox.processes,
        )
        environment = MappingProxyType({"AUTOPACK_PHASE": work.task.phase.id})
        async with sandbox.open(checkout) as workspace:
            await workspace.apply(edits)
            with span(names.SANDBOX_SPAN, {names.SANDBOX_TIER: sandbox.tier}) as current:
                result = await workspace.run(Command(check.run, environment), limits)
                if result.exit_code is not None:
                    current.set_attribute(names.EXIT_CODE, result.exit_code)
        said = _told(check.name, result)
        work.record.exchange.append({"check": check.name, "result": said})
        return said

    async def pause(self, seconds: float) -> None:
        """See `Outside.pause`."""
        await asyncio.sleep(seconds)


def _told(name: str, result: Result) -> str:
    how = "passes" if result.exit_code == 0 and not result.limit else "fails"
    why = f", over its limit of {result.limit}" if result.limit else f" (exit status {result.exit_code})"
    output = tail(neutralise(result.output[-4 * SHOWN_CHARACTERS :]), SHOWN_CHARACTERS).strip()
    return f"the check {name} {how}{why}; its output ends with\n{output or '(nothing)'}"
