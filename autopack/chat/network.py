"""The network as a line to models: bounded, without redirects, every exchange recorded."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from autopack.chat.address import is_loopback
from autopack.chat.conversation import ChatError
from autopack.chat.line import HttpAnswer
from autopack.circuit_breaker import CircuitBreakers

MAXIMUM_RESPONSE_BYTES = 8_000_000
TIMEOUT = httpx2.Timeout(None, connect=10.0, write=60.0)
"""Seconds. How long a model may think is the caller's own limit."""


class Connections:
    """One client for this machine and one for all else, which goes through the proxy of the environment."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx2.AsyncClient] = {}
        self._making = asyncio.Lock()
        self.breakers = CircuitBreakers()
        """By host: one that is away is not asked by every conversation."""

    async def client(self, url: str) -> httpx2.AsyncClient:
        """The client for a URL; it follows no redirects, so that a secret stays with its host."""
        local = is_loopback(url)
        async with self._making:
            if local not in self._clients:
                # Reading certificates takes a third of a second.
                self._clients[local] = await asyncio.to_thread(
                    httpx2.AsyncClient, trust_env=not local, timeout=TIMEOUT
                )
            return self._clients[local]

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()


class NetworkLine:
    """Sends for real, and adds to a record what was sent and what came back; headers are not kept."""

    def __init__(self, connections: Connections, record: list[dict[str, Any]]) -> None:
        self._connections = connections
        self._record = record

    async def post(self, url: str, headers: Mapping[str, str], body: dict[str, Any]) -> HttpAnswer:
        """See `Line.post`; of a host that stays away, one request at a time finds out whether it is back."""
        host = urlsplit(url).netloc
        breaker = self._connections.breakers.of(host)
        if wait := breaker.wait_seconds():
            raise ChatError("outage", f"{host} has not answered several times in a row", wait=wait)
        try:
            answer = await self._post(url, headers, body)
        except ChatError as error:
            breaker.told(away=error.fault == "outage")
            raise
        breaker.told(away=answer.status >= 500 or answer.status == 429)
        return answer

    async def _post(self, url: str, headers: Mapping[str, str], body: dict[str, Any]) -> HttpAnswer:
        call: dict[str, Any] = {"url": url, "request": body}
        self._record.append(call)
        received, status = bytearray(), None
        try:
            client = await self._connections.client(url)
            plain = {**headers, "accept-encoding": "identity"}
            async with client.stream("POST", url, json=body, headers=plain) as response:
                status = response.status_code
                async for chunk in response.aiter_bytes():
                    received += chunk
                    if len(received) > MAXIMUM_RESPONSE_BYTES:
                        message = f"the response is over {MAXIMUM_RESPONSE_BYTES} bytes"
                        call |= {"fault": "large", "error": message, "received": len(received)}
                        raise ChatError("large", message, answered_bytes=len(received))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            message = f"{url} does not answer: {type(error).__name__}: {error}"
            begun = len(received) if status == 200 else None
            call |= {"fault": "outage", "error": message, "received": begun}
            raise ChatError("outage", message, answered_bytes=begun) from error
        text, wait = received.decode("utf-8", "replace"), response.headers.get("retry-after", "")
        call |= {"status": response.status_code, "response": text, "retry_after": wait}
        return HttpAnswer(response.status_code, text, wait)
