"""Embeds text with any server that speaks OpenAI's embeddings protocol."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autopack.errors import Reason, Unavailable

if TYPE_CHECKING:
    from httpx import AsyncClient

SECONDS = 30.0
"""For one request."""


class EmbeddingsEndpoint:
    """The Embedder at `url`, such as http://127.0.0.1:8080/v1."""

    def __init__(self, url: str, model: str, api_key: str = "") -> None:
        self.name = f"{model}@{url}"
        self._url = url.rstrip("/") + "/embeddings"
        self._model = model
        self._api_key = api_key
        self._client: AsyncClient | None = None

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        import httpx

        if self._client is None:
            headers = {"Authorization": f"Bearer {self._api_key}"} if self._api_key else {}
            self._client = httpx.AsyncClient(headers=headers, timeout=SECONDS)
        try:
            answer = await self._client.post(self._url, json={"model": self._model, "input": list(texts)})
            answer.raise_for_status()
            items = sorted(answer.json()["data"], key=lambda item: item["index"])
            vectors = [_normalised(item["embedding"]) for item in items]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise _unavailable(self._url, f"{type(error).__name__}: {error}") from error
        if len(vectors) != len(texts):
            raise _unavailable(self._url, f"{len(vectors)} embeddings for {len(texts)} texts")
        return vectors

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _normalised(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    if not math.isfinite(length) or length == 0:
        raise ValueError("an embedding without a direction")
    return [value / length for value in vector]


def _unavailable(url: str, message: str) -> Unavailable:
    return Unavailable(
        Reason(
            "EMBEDDINGS_UNAVAILABLE",
            f"{url}: {message[:500]}",
            "check AUTOPACK_EMBEDDINGS_URL and its server",
        )
    )
