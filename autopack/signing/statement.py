"""in-toto statements, version 1: a predicate about subjects that are named by digests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autopack.signing.document import Document, canonical, field, parse, refusal
from autopack.signing.dsse import Envelope

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said of which subjects."""

    subjects: tuple[tuple[str, str, str], ...]
    """Name, algorithm (`gitCommit`, `gitTree`, `sha256`), digest in hex."""
    predicate_type: str
    predicate: Document

    def digests(self, algorithm: str) -> tuple[str, ...]:
        """The subjects that are named by this kind of digest."""
        return tuple(digest for _, kind, digest in self.subjects if kind == algorithm)


def to_payload(
    subjects: Sequence[tuple[str, str, str]], predicate_type: str, predicate: Mapping[str, Any]
) -> bytes:
    """The statement as it is signed."""
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {kind: digest}} for name, kind, digest in subjects],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def parse_statement(envelope: Envelope, source: str) -> Statement:
    """The statement in an envelope, whose signature is the caller's to check.

    Raises InvalidInput: what `document.parse` raises, `STATEMENT_INVALID`, `VERSION_UNKNOWN`.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise refusal("VERSION_UNKNOWN", source, f"a payload of type {envelope.payload_type[:100]!r}")
    document = parse(envelope.payload, source)
    kind = field(document, "_type", str, source)
    if kind != STATEMENT_TYPE:
        raise refusal("VERSION_UNKNOWN", source, f"a statement of type {kind[:100]!r}")
    subjects: list[tuple[str, str, str]] = []
    for subject in field(document, "subject", list, source):
        digests = subject.get("digest") if isinstance(subject, dict) else None
        if not isinstance(digests, dict) or not isinstance(name := subject.get("name", ""), str):
            raise refusal("STATEMENT_INVALID", source, "a subject without digest")
        for algorithm, digest in digests.items():
            if not isinstance(digest, str):
                raise refusal("STATEMENT_INVALID", source, "a digest that is no string")
            subjects.append((name, algorithm, digest))
    return Statement(
        tuple(subjects),
        field(document, "predicateType", str, source),
        field(document, "predicate", dict, source),
    )
