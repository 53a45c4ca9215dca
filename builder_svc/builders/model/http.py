"""HTTP clients for models, made when the first one is needed: that takes a third of a second."""

import asyncio

import httpx

from builder_svc.builders.secrets import is_loopback


class HttpClients:
    """One client for this machine and one for all else, which goes through the proxy of the environment."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}
        self._making = asyncio.Lock()

    async def get(self, url: str) -> httpx.AsyncClient:
        """The client for a URL; it follows no redirects, so that a secret stays with its host."""
        local = is_loopback(url)
        async with self._making:
            if local not in self._clients:
                self._clients[local] = await asyncio.to_thread(httpx.AsyncClient, trust_env=not local)
            return self._clients[local]

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()
