"""BM25 weights of texts, the same for both stores; the stores add how rare each word is."""

from functools import cache

import qdrant_edge

AVERAGE_TOKENS = 120
"""Of a passage, once stop words are left out; BM25 weighs longer ones down."""


@cache
def encoder() -> qdrant_edge.Bm25:
    """English stems and stop words, with the parameters that BM25 is known by."""
    return qdrant_edge.Bm25(qdrant_edge.Bm25Config(k=1.2, b=0.75, avg_len=AVERAGE_TOKENS, language="english"))
