"""The run log as a hash chain: each event's digest covers it and the one before."""

import hashlib
from collections.abc import Mapping
from typing import Any

from autopack.signing.document import canonical

FIELDS = ("sequence", "time", "phase_id", "attempt", "state", "message", "reasons")


def digest_of(previous: str, event: Mapping[str, Any]) -> str:
    """SHA-256 over the digest before it (empty for the first) and all that the event says."""
    said = {name: event[name] for name in FIELDS}
    return hashlib.sha256(canonical([previous, said])).hexdigest()
