"""The sandboxes of this process, probed for when the first command is to run."""

import asyncio

from autopack.sandbox import Sandbox, probe, select


class Sandboxes:
    """One sandbox for each least tier that policies ask for."""

    def __init__(self, only: str | None = None) -> None:
        """`only` names the one tier that this installation uses."""
        self._only = only
        self._sandboxes: dict[str, Sandbox] = {}
        self._choosing = asyncio.Lock()

    async def get(self, minimum_tier: str) -> Sandbox:
        """Raises Unavailable SANDBOX_UNAVAILABLE."""
        async with self._choosing:
            if minimum_tier not in self._sandboxes:
                capabilities = await asyncio.to_thread(probe)
                self._sandboxes[minimum_tier] = await asyncio.to_thread(
                    select, minimum_tier, capabilities, only=self._only
                )
            return self._sandboxes[minimum_tier]

    async def close(self) -> None:
        """Give back what they hold."""
        for sandbox in self._sandboxes.values():
            await sandbox.close()
