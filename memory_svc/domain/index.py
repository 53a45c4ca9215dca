"""The ports behind which vectors are kept and made."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory_svc.domain.documents import Passage, Trust


@dataclass(frozen=True, slots=True)
class Point:
    """A passage with its embedding, normalised to length 1."""

    passage: Passage
    vector: Sequence[float]


class Embedder(Protocol):
    """Makes vectors of texts; what is far apart in meaning is far apart in angle."""

    name: str
    """Names model and version: vectors of different names are never compared."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text, normalised. Raises Unavailable `EMBEDDINGS_UNAVAILABLE`."""

    async def close(self) -> None:
        """Releases what it holds."""


class VectorIndex(Protocol):
    """Passages by meaning and by words, each project apart from all others.

    Every method raises Unavailable `INDEX_UNAVAILABLE` when the store cannot be reached. What was written is
    found, and durable, when the call returns.
    """

    async def ids(self, project_id: str, trusts: Collection[Trust], code: bool = False) -> frozenset[str]:
        """Ids of the project's passages that tell what happened, or of those that are its code."""

    async def count(self, project_id: str, trusts: Collection[Trust], code: bool = True) -> int:
        """Number of the project's passages, those of code included unless it says otherwise."""

    async def upsert(self, project_id: str, points: Sequence[Point]) -> None:
        """Adds points; one whose id is there takes its place."""

    async def remove(self, project_id: str, ids: Collection[str]) -> None:
        """Removes passages; ids that are not there are ignored."""

    async def search(
        self,
        project_id: str,
        vector: Sequence[float],
        text: str,
        trusts: Collection[Trust],
        limit: int,
        code: bool = True,
    ) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
        """The passages nearest to the vector, and those that BM25 ranks best for the text; best first. Those
        of code are included unless `code` says otherwise."""

    async def optimize(self, project_id: str) -> None:
        """Makes searches of many passages fast, where that is left to us."""

    async def drop(self, project_id: str) -> None:
        """Forgets the project."""

    async def ping(self) -> None:
        """Returns if the store answers."""

    async def close(self) -> None:
        """Releases what it holds."""
