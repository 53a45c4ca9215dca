"""Checks what was signed of a run's end: its phases, its commits, its log."""

import hashlib
from collections.abc import Sequence
from typing import Any

from autopack.attestation.log import FIELDS, digest_of
from autopack.attestation.storage import INPUT_FILE, LOG_FILE, read_file
from autopack.attestation.verification import Accepted, Verifier, fails, run_statement
from autopack.signing.document import Document, canonical, field, parse


def claims_of_run(verifier: Verifier, run_id: str, head: str, commits: Sequence[Accepted | None]) -> str:
    """What holds of a run as a whole, in words. Raises InvalidInput with the first claim that does not.

    `commits` are those from its base to its head, None where one does not hold.
    """
    predicate, signed_head = run_statement(verifier.store, verifier.trust, run_id)
    if signed_head != head:
        raise fails("OTHER_SUBJECT", "the run ended with another head")
    landed = [phase for phase in field(predicate, "phases", list, run_id) if phase.get("state") == "LANDED"]
    _same_phases(landed, [commit for commit in commits if commit is not None], run_id)
    events = _log(verifier, predicate, run_id)
    given = read_file(verifier.store, run_id, INPUT_FILE)
    if given is None or hashlib.sha256(given).hexdigest() != predicate.get("input"):
        raise fails("RUN_INPUT_CHANGED", "what the run was given is missing, or is not what was signed")
    return f"{len(landed)} phases landed, each with its effect; {events} events in an unbroken log"


def _same_phases(landed: list[Document], commits: list[Accepted], run_id: str) -> None:
    """Every accepted phase is there, as the commit that was signed, in its slot, and nothing else is."""
    wanted = [(each.get("id"), each.get("slot"), each.get("commit"), each.get("decision")) for each in landed]
    found = [
        (each.phase_id, each.slot, each.commit, each.decision_digest)
        for each in commits
        if each.run_id == run_id
    ]
    if len(found) != len(commits) or wanted != found:
        missing = [name for name, *_ in wanted if name not in [phase for phase, *_ in found]]
        what = (
            f"phase {missing[0]} is not in the branch"
            if missing
            else "the branch has other commits or orders"
        )
        raise fails("PHASE_DROPPED", f"what landed is not what the run ended with: {what}")


def _log(verifier: Verifier, predicate: Document, run_id: str) -> int:
    data = read_file(verifier.store, run_id, LOG_FILE)
    if data is None:
        raise fails("RUN_LOG_BROKEN", "the repository has no log of the run")
    digest, count = "", 0
    for line in data.splitlines(keepends=True):
        event: dict[str, Any] = parse(line, LOG_FILE)
        count += 1
        if event.get("sequence") != count or event.get("digest") != digest_of(digest, _said(event)):
            raise fails("RUN_LOG_BROKEN", f"event {count} is not what was written")
        if canonical(event) + b"\n" != line:
            raise fails("RUN_LOG_BROKEN", f"event {count} is not written as it was")
        digest = event["digest"]
    if {"events": count, "head": digest} != predicate.get("log"):
        raise fails("RUN_LOG_BROKEN", f"the log ends after {count} events, not where it was signed")
    return count


def _said(event: Document) -> Document:
    return {name: event.get(name) for name in FIELDS}
