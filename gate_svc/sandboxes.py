"""The sandboxes of this machine, probed when the first one is asked for."""

import asyncio

from autopack.errors import AutopackError
from autopack.sandbox import Capabilities, Fact, Sandbox, probe, proven_limits, select


class Sandboxes:
    """Chooses and keeps one sandbox for each tier that a policy asks for."""

    def __init__(self, only: str | None = None) -> None:
        """`only` names the one tier to be used."""
        self._only = only
        self._chosen: dict[str, Sandbox] = {}
        self._proving: dict[str, asyncio.Task[tuple[Fact, ...]]] = {}
        self._choosing = asyncio.Lock()
        self._warming: asyncio.Task[Capabilities] | None = None

    async def capabilities(self) -> Capabilities:
        """What works here."""
        return await asyncio.to_thread(probe)

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
        """The strongest one that is no weaker than `tier`. Raises Unavailable `SANDBOX_UNAVAILABLE`."""
        async with self._choosing:
            if tier not in self._chosen:
                self._chosen[tier] = await asyncio.to_thread(self._select, tier)
            sandbox = self._chosen[tier]
            if sandbox.tier not in self._proving:
                # Beside the first check; its verdict waits for both.
                self._proving[sandbox.tier] = asyncio.create_task(proven_limits(sandbox))
            return sandbox

    def _select(self, tier: str) -> Sandbox:
        # Below the system's temporary directory, since the sandbox's user may not reach our own.
        return select(tier, probe(), only=self._only)

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
        for sandbox in self._chosen.values():
            await sandbox.close()
        self._chosen.clear()
