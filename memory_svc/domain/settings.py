"""How memory behaves; the environment's names for these are in `config`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemorySettings:
    """The defaults are the documented ones."""

    indexing: bool = True
    """Whether passages are embedded and indexed."""
    retrieval: bool = True
    """Whether recall finds anything."""
    max_chars: int = 4000
    """Characters of an answer, where the caller does not say."""
    top_k: int = 3
    """Passages of an answer, where the caller does not say."""
    chunk_max_chars: int = 1200
    """Characters of a passage."""
