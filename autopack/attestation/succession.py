"""Hands a key over to another one, or revokes it, so that what it signed by then stays verifiable."""

from collections.abc import Sequence

from autopack.attestation.predicates import KEYS
from autopack.attestation.storage import (
    BRANCH,
    KEYS_FILE,
    RUN_REFS,
    add_files,
    add_run,
    branch_tips,
    directory_of,
)
from autopack.gitstore.store import GitStore
from autopack.signing.dsse import Envelope, Signature, pae
from autopack.signing.keys import PrivateKey
from autopack.signing.statement import PAYLOAD_TYPE, to_payload


def retire(
    store: GitStore, old: PrivateKey, new: PrivateKey | None, attested: str | None, seconds: int
) -> str:
    """Writes on the branch of the attestations that `old` counts no more, and which key does.

    Args:
        store: the repository.
        old: the key that is retired; what it signed counts as far as the branch has it.
        new: the key that follows; None: none does.
        attested: the commit of the branch up to which it counts; "": never; None: all that is there now.
        seconds: Unix time.

    Returns:
        The branch's new commit.
    """
    tip = next(branch_tips(store), None)
    before = store.resolve(BRANCH) or ""
    # What is on refs of runs only would count no more: it goes onto the branch first.
    for ref, run in store.refs(RUN_REFS).items():
        run_id = ref.removeprefix(RUN_REFS)
        there = store.entry(tip, directory_of(run_id)) if tip else None
        if there is None or there.oid != store.commit_tree(run):
            tip = add_run(store, tip, run_id, run, seconds)
    until = (tip or "") if attested is None else attested
    predicate = {
        "key": old.public.line,
        "successor": new.public.line if new else "",
        "attested": until,
        "time": seconds,
    }
    payload = to_payload([("attestations", "gitCommit", until)] if until else [], KEYS, predicate)
    parties: Sequence[PrivateKey] = [old, new] if new else [old]
    message = pae(PAYLOAD_TYPE, payload)
    signatures = tuple(Signature(key.public.key_id, key.sign(message)) for key in parties)
    line = Envelope(PAYLOAD_TYPE, payload, signatures).to_json() + b"\n"
    known = (store.read(tip, KEYS_FILE) or b"") if tip else b""
    head = add_files(store, tip, {KEYS_FILE: known + line}, [], "Retire a key\n", seconds)
    store.update_refs([(BRANCH, head, before)])
    return head
