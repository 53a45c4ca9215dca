"""Puts a line below an SDK's HTTP client, which then sends nothing by itself."""

import json
from typing import Any

import httpx2

from autopack.chat.line import Line

_SENT = ("content-type", "accept", "authorization", "x-api-key", "anthropic-version")
"""Headers that go out: the SDKs would tell about this machine, and send what the environment says."""


class LineTransport(httpx2.AsyncBaseTransport):
    """Hands requests to a line."""

    def __init__(self, line: Line, *, authenticated: bool) -> None:
        """Without authentication no key goes out: the SDKs do not start without one."""
        self._line = line
        self._withheld = () if authenticated else ("authorization", "x-api-key")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises ChatError as the line does."""
        body: dict[str, Any] = json.loads(await request.aread())
        headers = {
            name: request.headers[name]
            for name in _SENT
            if name in request.headers and name not in self._withheld
        }
        answer = await self._line.post(str(request.url), headers, body)
        # Always JSON: what is not is found by who reads it.
        return httpx2.Response(
            answer.status,
            headers={"content-type": "application/json", "retry-after": answer.retry_after},
            content=answer.text.encode(),
            request=request,
        )


def http_client(line: Line, *, authenticated: bool) -> httpx2.AsyncClient:
    """A client for an SDK."""
    return httpx2.AsyncClient(
        transport=LineTransport(line, authenticated=authenticated), trust_env=False, timeout=None
    )
