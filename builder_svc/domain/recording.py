"""What is kept of a build so that it can be made again without what it asked: inputs, exchange, outcome."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autopack.errors import FailedPrecondition, Reason
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import Phase
from autopack.policy.prices import Price
from builder_svc.domain.builder import Allowance, RecalledText, Record, Task
from builder_svc.domain.redaction import redacted_bytes, redacted_json

FORMAT = "autopack-exchange/v1"
MAXIMUM_KEPT_BYTES = 20_000_000
"""Of a change's files together; a larger one is not kept, and cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A build as it was."""

    kind: str
    settings: dict[str, Any]
    """Of the builder, as far as they shape what it does."""
    project_id: str
    base_tree: str
    phase: dict[str, Any]
    feedback: tuple[Reason, ...]
    recalled: tuple[RecalledText, ...]
    allowance: Allowance
    price: Price | None
    exchange: list[dict[str, Any]]
    edits: tuple[Edit, ...] | None
    """None: it failed."""
    redacted: frozenset[str]
    """Paths whose contents are not kept as they were: there was a secret in them, or too much."""
    reasons: tuple[Reason, ...]
    """Why it failed."""


def recorded(task: Task, base_tree: str, record: Record, reasons: Sequence[Reason]) -> bytes:
    """The document of a build, the same bytes for the same build; without secrets."""
    edits = None
    if record.edits is not None:
        size = sum(len(edit.contents or b"") for edit in record.edits)
        edits = [_edit(edit, record.secrets, size <= MAXIMUM_KEPT_BYTES) for edit in record.edits]
    document = {
        "format": FORMAT,
        "kind": record.kind,
        "settings": record.settings,
        "inputs": {
            "project": task.project_id,
            "tree": base_tree,
            "phase": described(task.phase),
            "feedback": [asdict(reason) for reason in task.feedback],
            "recalled": [asdict(passage) for passage in task.recalled],
            "allowance": asdict(task.allowance),
            "price": record.price and asdict(record.price),
        },
        "exchange": record.exchange,
        "edits": edits,
        "reasons": [asdict(reason) for reason in reasons],
    }
    return redacted_json(document, record.secrets)


def read(data: bytes) -> Recording:
    """Raises FailedPrecondition RECORDING_UNREADABLE for what an earlier version has kept, which has less."""
    document = json.loads(data)
    if document.get("format") != FORMAT:
        raise FailedPrecondition(
            Reason("RECORDING_UNREADABLE", "the build was recorded in another format", "build it anew")
        )
    inputs = document["inputs"]
    return Recording(
        document["kind"],
        document["settings"],
        inputs["project"],
        inputs["tree"],
        inputs["phase"],
        tuple(Reason(**reason) for reason in inputs["feedback"]),
        tuple(RecalledText(**passage) for passage in inputs["recalled"]),
        Allowance(**inputs["allowance"]),
        inputs["price"] and Price(**inputs["price"]),
        document["exchange"],
        None if document["edits"] is None else tuple(map(_edit_from, document["edits"])),
        frozenset(edit["path"] for edit in document["edits"] or () if edit.get("redacted")),
        tuple(Reason(**reason) for reason in document["reasons"]),
    )


def described(phase: Phase) -> dict[str, Any]:
    """What a phase asks of any builder, as JSON values."""
    whole = json.loads(json.dumps(asdict(phase)))
    return {name: whole[name] for name in ("id", "goal", "category", "scope", "checks", "hints")}


def _edit(edit: Edit, secrets: set[str], small: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {"path": edit.path, "executable": edit.executable, "symlink": edit.symlink}
    if edit.contents is not None:
        contents = redacted_bytes(edit.contents, secrets) if small else b""
        kept["redacted"] = contents != edit.contents
        try:
            kept["text"] = contents.decode()
        except UnicodeDecodeError:
            kept["base64"] = base64.b64encode(contents).decode()
    return kept


def _edit_from(kept: dict[str, Any]) -> Edit:
    contents = kept["text"].encode() if "text" in kept else None
    if "base64" in kept:
        contents = base64.b64decode(kept["base64"])
    return Edit(kept["path"], contents, kept["executable"], kept["symlink"])
