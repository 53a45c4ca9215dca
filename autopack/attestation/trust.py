"""Which keys count for which attestations: those given, and those that they hand over to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autopack.attestation.predicates import KEYS
from autopack.attestation.storage import KEYS_FILE, branch_tips
from autopack.errors import InvalidInput, Reason
from autopack.gitstore.store import GitStore
from autopack.signing.document import field as member
from autopack.signing.document import refusal
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


@dataclass(frozen=True, slots=True)
class _Succession:
    """One that all its parties have signed."""

    old: PublicKey
    new: PublicKey | None
    attested: str
    line: bytes


def trust(store: GitStore, given: Mapping[str, PublicKey]) -> Trust:
    """The given keys and those that they lead to, by successions that the repository has.

    A succession is signed by both keys, so whoever trusts either one may follow it. Others are no
    ground to trust anything, nor to refuse anything. Raises InvalidInput where a succession is malformed,
    and `KEY_CONTESTED`.
    """
    found = Trust(dict(given))
    lines = dict.fromkeys(line for tip in branch_tips(store) for line in _lines(store, tip))
    successions = [each for line in lines if (each := _succession(line)) is not None]
    # Forwards first: afterwards it is known of every key that may vouch for others whether it is retired.
    _follow(found, successions)
    _trace_back(store, found, successions)
    return found


def _follow(found: Trust, successions: Sequence[_Succession]) -> None:
    """From trusted keys to their successors. A retired key hands nothing over: whoever stole it could."""
    while True:
        usable = [
            each
            for each in successions
            if each.old.key_id in found.keys and each.old.key_id not in found.retired
        ]
        if not usable:
            return
        same = [each for each in usable if each.old == usable[0].old]
        # One whose successor is trusted anyway is no thief's.
        chosen = [each for each in same if each.new and each.new.key_id in found.keys] or same
        if len({each.new for each in chosen}) > 1:
            key_id = chosen[0].old.key_id[:16]
            raise InvalidInput(
                Reason(
                    "KEY_CONTESTED",
                    f"key {key_id} names several successors, and a thief of it may have made one",
                    "give --key the one that the gate's operator names",
                )
            )
        _retire(found, chosen[0])


def _trace_back(store: GitStore, found: Trust, successions: Sequence[_Succession]) -> None:
    """From trusted keys to those before them; by the word of a retired key only if it gave it in time."""
    pending = list(successions)
    while usable := [
        each
        for each in pending
        if each.new is not None
        and each.new.key_id in found.keys
        and each.old.key_id not in found.keys
        and _was_in_time(store, found.retired.get(each.new.key_id), each.line)
    ]:
        _retire(found, usable[0])


def _retire(found: Trust, succession: _Succession) -> None:
    found.keys[succession.old.key_id] = succession.old
    if succession.new is not None:
        found.keys[succession.new.key_id] = succession.new
    found.retired[succession.old.key_id] = succession.attested


def _was_in_time(store: GitStore, retired: str | None, line: bytes) -> bool:
    return retired is None or (bool(retired) and store.has(retired) and line in _lines(store, retired))


def _lines(store: GitStore, commit: str) -> list[bytes]:
    lines = (store.read(commit, KEYS_FILE) or b"").splitlines()
    if len(lines) > _SUCCESSIONS:
        raise refusal("DOCUMENT_TOO_LARGE", KEYS_FILE, f"more than {_SUCCESSIONS} successions")
    return lines


def _succession(line: bytes) -> _Succession | None:
    """What a line says; None where not all have signed it that it names."""
    envelope = parse_envelope(line, KEYS_FILE)
    statement = parse_statement(envelope, KEYS_FILE)
    if statement.predicate_type != KEYS:
        raise refusal("VERSION_UNKNOWN", KEYS_FILE, f"a predicate of type {statement.predicate_type[:100]!r}")
    predicate = statement.predicate
    successor = member(predicate, "successor", str, KEYS_FILE)
    old = public_key(member(predicate, "key", str, KEYS_FILE), KEYS_FILE)
    new = public_key(successor, KEYS_FILE) if successor else None
    for key in (old, new):
        if key is not None and not _signed_by(envelope, key):
            return None
    return _Succession(old, new, member(predicate, "attested", str, KEYS_FILE), line)


def _signed_by(envelope: Envelope, key: PublicKey) -> bool:
    try:
        return envelope.signer({key.key_id: key}) == key
    except InvalidInput:
        return False
