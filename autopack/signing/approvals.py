"""A person's consent, signed with a key of their own and bound to one change digest."""

from collections.abc import Iterable

from autopack.signing.document import canonical
from autopack.signing.dsse import pae
from autopack.signing.keys import PrivateKey, PublicKey

PAYLOAD_TYPE = "application/vnd.autopack.approval.v1+json"


def approval_message(change_digest: str, approver: str) -> bytes:
    """The bytes that the approver's key signs: DSSE's over {"approver", "change_digest"}.

    When it was given is not signed: the approver's clock proves nothing.
    """
    return pae(PAYLOAD_TYPE, canonical({"approver": approver, "change_digest": change_digest}))


def sign_approval(key: PrivateKey, change_digest: str, approver: str) -> tuple[str, bytes]:
    """Key id and signature of an approval."""
    return key.public.key_id, key.sign(approval_message(change_digest, approver))


def proven_by(
    keys: Iterable[PublicKey], change_digest: str, approver: str, key_id: str, signature: bytes
) -> bool:
    """Whether one of these keys signed the approval."""
    message = approval_message(change_digest, approver)
    return any(key.key_id == key_id and key.verifies(signature, message) for key in keys)
