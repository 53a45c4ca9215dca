"""The gate's sandboxes: each is gone over, limit by limit, before a verdict relies on it."""

import asyncio

from autopack import sandbox as kit
from autopack.errors import AutopackError
from autopack.sandbox import Capabilities, Fact, Sandbox, proven_limits


class Sandboxes(kit.Sandboxes):
    """Those of the kit, and what each of them was proven to hold."""

    def __init__(self, only: str | None = None) -> None:
        """`only` names the one tier to be used."""
        super().__init__(only)
        self._proving: dict[str, asyncio.Task[tuple[Fact, ...]]] = {}
        self._warming: asyncio.Task[Capabilities] | None = None

    async def enforced(self) -> tuple[str, ...]:
        """Names of what works here, the limits of the sandboxes chosen so far by going over each.

        Raises Unavailable `SANDBOX_UNAVAILABLE` for one that holds nothing back.
        """
        facts = (await self.capabilities()).facts
        for tier, proving in list(self._proving.items()):
            try:
                facts += await asyncio.shield(proving)
            except AutopackError:
                self._proving.pop(tier, None)  # the next judgement has it tried again
                raise
        return tuple(fact.name for fact in facts if fact.holds)

    async def at_least(self, tier: str) -> Sandbox:
        """As in the kit, and has it gone over beside the first check: its verdict waits for both."""
        sandbox = await super().at_least(tier)
        if sandbox.tier not in self._proving:
            self._proving[sandbox.tier] = asyncio.create_task(proven_limits(sandbox))
        return sandbox

    def warm(self) -> None:
        """Probes the machine in the background, so that the first check need not wait for it."""
        self._warming = asyncio.create_task(self.capabilities())

    async def close(self) -> None:
        """Closes all of them."""
        if self._warming is not None:
            await asyncio.gather(self._warming, return_exceptions=True)
        for proving in self._proving.values():
            proving.cancel()
        await asyncio.gather(*self._proving.values(), return_exceptions=True)
        await super().close()
