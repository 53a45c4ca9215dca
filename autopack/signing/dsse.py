"""DSSE envelopes: what is signed, of which type, by whom (github.com/secure-systems-lab/dsse)."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autopack.errors import InvalidInput, Reason
from autopack.signing.document import canonical, field, parse, refusal
from autopack.signing.keys import PublicKey

Sign = Callable[[bytes], bytes]
"""From a message to its signature."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope; the key id is a hint."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its signatures."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_json(self) -> bytes:
        """In its canonical form, one line."""
        return canonical(
            {
                "payloadType": self.payload_type,
                "payload": base64.b64encode(self.payload).decode(),
                "signatures": [
                    {"keyid": each.key_id, "sig": base64.b64encode(each.signature).decode()}
                    for each in self.signatures
                ],
            }
        )

    def signer(self, keys: Mapping[str, PublicKey]) -> PublicKey:
        """The one of these keys that signed the envelope.

        Raises InvalidInput: `KEY_NOT_TRUSTED` where it names none of them, `SIGNATURE_INVALID`.
        """
        message = pae(self.payload_type, self.payload)
        known = [(keys[each.key_id], each) for each in self.signatures if each.key_id in keys]
        if not known:
            named = ", ".join(each.key_id[:16] for each in self.signatures) or "nobody"
            raise InvalidInput(
                Reason("KEY_NOT_TRUSTED", f"signed by {named}, which is no key that is trusted here")
            )
        for key, each in known:
            if key.verifies(each.signature, message):
                return key
        raise InvalidInput(Reason("SIGNATURE_INVALID", f"not what key {known[0][0].key_id[:16]} has signed"))


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that a signature is made over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload_type: str, payload: bytes, key_id: str, signing: Sign) -> Envelope:
    """The payload in an envelope with one signature."""
    return Envelope(payload_type, payload, (Signature(key_id, signing(pae(payload_type, payload))),))


def parse_envelope(data: bytes, source: str) -> Envelope:
    """An envelope that somebody else wrote; nothing is verified yet.

    Raises InvalidInput: what `document.parse` raises, and `ENVELOPE_INVALID`.
    """
    document = parse(data, source)
    if not {"payloadType", "payload", "signatures"} == document.keys():
        raise refusal("ENVELOPE_INVALID", source, "other members than payload, payloadType, signatures")
    signatures = field(document, "signatures", list, source)
    if not 1 <= len(signatures) <= 16 or not all(isinstance(each, dict) for each in signatures):
        raise refusal("ENVELOPE_INVALID", source, "not 1 to 16 signatures")
    return Envelope(
        field(document, "payloadType", str, source),
        _decoded(field(document, "payload", str, source), source),
        tuple(
            Signature(field(each, "keyid", str, source), _decoded(field(each, "sig", str, source), source))
            for each in signatures
        ),
    )


def _decoded(text: str, source: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise refusal("ENVELOPE_INVALID", source, "no base64") from None
    if base64.b64encode(data).decode() != text:
        # Other bits in the padding would be another file with the same meaning.
        raise refusal("ENVELOPE_INVALID", source, "base64 in another form than the usual one")
    return data
