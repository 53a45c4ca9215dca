"""One call to an OpenAI-compatible chat endpoint, bounded in time and size; a reviewer gets no tools."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

from autopack.errors import FailedPrecondition, InvalidInput, Reason, Unavailable
from autopack.policy.policy import Reviewer
from autopack.text import head, neutralise

MAXIMUM_RESPONSE_BYTES = 1_000_000
SECONDS = 120.0


class Endpoint:
    """Asks a model once."""

    def __init__(self, grants: Mapping[str, tuple[str, frozenset[str]]]) -> None:
        """`grants`: of each secret its value and the HOST:PORTs that it may go to."""
        self._grants = grants

    async def ask(
        self, reviewer: Reviewer, system: str, user: str, schema: Mapping[str, Any]
    ) -> tuple[str, bool]:
        """The answer's text, and whether it was cut off.

        Raises Unavailable REVIEWER_UNAVAILABLE; FailedPrecondition SECRET_NOT_GRANTED; InvalidInput
        REVIEW_RESPONSE_INVALID.
        """
        body = {
            "model": reviewer.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "max_tokens": reviewer.tokens,
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "review", "strict": True, "schema": schema},
            },
        }
        address = f"{reviewer.endpoint.rstrip('/')}/chat/completions"
        headers = (
            {"authorization": f"Bearer {self._secret(reviewer.secret, address)}"} if reviewer.secret else {}
        )
        try:
            async with asyncio.timeout(SECONDS):
                status, text = await self._post(address, body, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _unavailable(type(error).__name__) from error
        if status != 200:
            raise _unavailable(f"HTTP {status}: {head(neutralise(text, one_line=True), 300)}")
        try:
            choice = json.loads(text)["choices"][0]
            content = choice["message"]["content"]
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise _invalid("it is no chat completion") from error
        return content if isinstance(content, str) else "", choice.get("finish_reason") == "length"

    async def _post(
        self, address: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, str]:
        local = _is_local(httpx.URL(address))
        # No redirects: a secret stays with the host that it was granted for.
        client = await asyncio.to_thread(httpx.AsyncClient, trust_env=not local, timeout=SECONDS)
        async with client, client.stream("POST", address, json=body, headers=headers) as response:
            received = bytearray()
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > MAXIMUM_RESPONSE_BYTES:
                    raise _invalid(f"it is over {MAXIMUM_RESPONSE_BYTES} bytes")
        return response.status_code, received.decode("utf-8", "replace")

    def _secret(self, name: str, address: str) -> str:
        url = httpx.URL(address)
        host = f"{url.host}:{url.port or {'https': 443}.get(url.scheme, 80)}"
        value, hosts = self._grants.get(name, ("", frozenset()))
        if url.scheme != "https" and not _is_local(url):
            raise FailedPrecondition(
                Reason(
                    "SECRET_IN_PLAIN_TEXT", f"`{name}` would be sent to {host} unencrypted", "use https://"
                )
            )
        if not value or host not in hosts:
            fix = f"if it may, set {name} where the auditor runs, and AUTOPACK_AUDITOR_SECRETS={name}@{host}"
            raise FailedPrecondition(Reason("SECRET_NOT_GRANTED", f"`{name}` may not be sent to {host}", fix))
        return value


def _is_local(url: httpx.URL) -> bool:
    return url.host in {"127.0.0.1", "localhost", "::1"}


def _unavailable(message: str) -> Unavailable:
    fix = "see that the endpoint in the policy's audit.reviewers is right and up"
    return Unavailable(Reason("REVIEWER_UNAVAILABLE", f"the reviewer does not answer: {message}", fix))


def _invalid(message: str) -> InvalidInput:
    return InvalidInput(
        Reason(
            "REVIEW_RESPONSE_INVALID",
            f"the reviewer's response cannot be used: {message}",
            "choose another reviewer",
        )
    )
