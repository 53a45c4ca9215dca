"""Which keys count for which attestations: those given, and those that they hand over to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from autopack.attestation.predicates import KEYS
from autopack.attestation.storage import KEYS_FILE, branch_tips
from autopack.errors import InvalidInput, Reason
from autopack.gitstore.store import GitStore
from autopack.signing.document import Document, refusal
from autopack.signing.document import field as member
from autopack.signing.dsse import Envelope, parse_envelope
from autopack.signing.keys import PublicKey, public_key
from autopack.signing.statement import parse_statement

_SUCCESSIONS = 1000


@dataclass(slots=True)
class Trust:
    """Keys by id, and where the signatures of those that are retired must have been by then."""

    keys: dict[str, PublicKey]
    retired: dict[str, str] = field(default_factory=dict)
    """By key id: the commit of the attestations' branch that has all that the key signed; empty: nothing."""

    def signer(self, envelope: Envelope) -> PublicKey:
        """The key that signed. Raises InvalidInput `KEY_NOT_TRUSTED`, `SIGNATURE_INVALID`."""
        return envelope.signer(self.keys)

    def refuse_retired(self, store: GitStore, key: PublicKey, path: str, data: bytes) -> None:
        """Refuses what a retired key has signed, unless it was on the branch when the key was retired.

        Raises InvalidInput `KEY_RETIRED`.
        """
        until = self.retired.get(key.key_id)
        if until is None:
            return
        if not until or not store.has(until) or store.read(until, path) != data:
            raise InvalidInput(
                Reason(
                    "KEY_RETIRED",
                    f"key {key.key_id[:16]} was retired, and this was not there by then",
                    "somebody may have the old key: find out who made this commit",
                )
            )


def trust(store: GitStore, given: Mapping[str, PublicKey]) -> Trust:
    """The given keys and those that they lead to, by successions that the repository has.

    A succession is signed by both keys, so whoever trusts either one may follow it. Others are no
    ground to trust anything, nor to refuse anything. Raises InvalidInput where a succession is malformed.
    """
    found = Trust(dict(given))
    successions = [each for tip in branch_tips(store) for each in _successions(store, tip)]
    grown = True
    while grown:
        grown = False
        for envelope, predicate in successions:
            old = public_key(member(predicate, "key", str, KEYS_FILE), KEYS_FILE)
            successor = member(predicate, "successor", str, KEYS_FILE)
            parties = {old.key_id: old}
            if successor:
                new = public_key(successor, KEYS_FILE)
                parties[new.key_id] = new
            # A retired key hands nothing over: whoever stole it could.
            if old.key_id in found.retired or not parties.keys() & found.keys.keys():
                continue
            if _signed_by_all(envelope, parties):
                found.keys |= parties
                found.retired[old.key_id] = member(predicate, "attested", str, KEYS_FILE)
                grown = True
    return found


def _successions(store: GitStore, tip: str) -> list[tuple[Envelope, Document]]:
    data = store.read(tip, KEYS_FILE) or b""
    lines = data.splitlines()
    if len(lines) > _SUCCESSIONS:
        raise refusal("DOCUMENT_TOO_LARGE", KEYS_FILE, f"more than {_SUCCESSIONS} successions")
    found = []
    for line in lines:
        envelope = parse_envelope(line, KEYS_FILE)
        statement = parse_statement(envelope, KEYS_FILE)
        if statement.predicate_type != KEYS:
            raise refusal(
                "VERSION_UNKNOWN", KEYS_FILE, f"a predicate of type {statement.predicate_type[:100]!r}"
            )
        found.append((envelope, statement.predicate))
    return found


def _signed_by_all(envelope: Envelope, parties: Mapping[str, PublicKey]) -> bool:
    try:
        return all(envelope.signer({key_id: key}) is key for key_id, key in parties.items())
    except InvalidInput:
        return False
