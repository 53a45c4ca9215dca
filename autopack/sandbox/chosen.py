"""The sandboxes that one process uses, probed for when the first one is asked for."""

import asyncio
from dataclasses import replace

from autopack.sandbox.capabilities import Capabilities
from autopack.sandbox.port import Sandbox
from autopack.sandbox.probe import probe
from autopack.sandbox.selection import select


class Sandboxes:
    """Chooses and keeps one sandbox for each least tier that policies ask for."""

    def __init__(self, only: str | None = None) -> None:
        """`only` names the one tier that this installation uses."""
        self._only = only
        self._chosen: dict[str, Sandbox] = {}
        self._choosing = asyncio.Lock()

    async def capabilities(self) -> Capabilities:
        """What works here; no tier but the only one that is used."""
        found = await asyncio.to_thread(probe)
        return replace(found, tiers=tuple(tier for tier in found.tiers if self._only in (None, tier)))

    async def at_least(self, tier: str) -> Sandbox:
        """The strongest one that is no weaker than `tier`. Raises Unavailable `SANDBOX_UNAVAILABLE`."""
        async with self._choosing:
            if tier not in self._chosen:
                self._chosen[tier] = await asyncio.to_thread(lambda: select(tier, probe(), only=self._only))
            return self._chosen[tier]

    async def close(self) -> None:
        """Closes all of them."""
        for sandbox in self._chosen.values():
            await sandbox.close()
        self._chosen.clear()
