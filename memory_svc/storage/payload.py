"""How a passage is kept beside its vectors, and what both stores name alike."""

import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import Any

from memory_svc.domain.documents import Passage, Trust

DENSE = "dense"
LEXICAL = "bm25"
TRUST = "trust"
KIND = "kind"


def collection_name(project_id: str, model: str) -> str:
    """One collection for each project and model, so that words weigh by how rare they are in the project."""
    project, embedder = (hashlib.sha256(name.encode()).hexdigest() for name in (project_id, model))
    return f"autopack-{project[:24]}-{embedder[:8]}"


def to_payload(passage: Passage) -> dict[str, Any]:
    """The passage as JSON."""
    return {
        **asdict(passage),
        "trust": passage.trust.value,
        "create_time": passage.create_time.isoformat(),
    }


def to_passage(payload: Any) -> Passage:
    """The passage that the payload was made from."""
    return Passage(
        **{
            **payload,
            "trust": Trust(payload["trust"]),
            "create_time": datetime.fromisoformat(payload["create_time"]),
        }
    )
