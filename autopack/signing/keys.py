"""Ed25519 keys: made, read, named by their id, used. What signs is imported when something is signed."""

import base64
import binascii
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.errors import FailedPrecondition, InvalidInput, Reason

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of a public Ed25519 key in DER."""
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
"""What stands before the 32 bytes of a private one."""
_PEM = re.compile(r"-----BEGIN (PUBLIC|PRIVATE) KEY-----\s+([A-Za-z0-9+/=\s]{1,400}?)-----END \1 KEY-----")
_FILE_BYTES = 10_000
_MEND = "make a pair: openssl genpkey -algorithm ed25519 -out me.key; openssl pkey -in me.key -pubout"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One that checks signatures."""

    raw: bytes
    """32 bytes."""

    @property
    def key_id(self) -> str:
        """SHA-256 of its DER form, hex: as cosign and in-toto's tools name keys."""
        return hashlib.sha256(_SPKI + self.raw).hexdigest()

    @property
    def pem(self) -> str:
        """As `openssl pkey -pubout` writes it."""
        return _to_pem("PUBLIC", _SPKI + self.raw)

    @property
    def line(self) -> str:
        """One line of base64, as policies name it."""
        return base64.b64encode(self.raw).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made the signature of this message."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """One that signs; it is never shown."""

    _key: "Ed25519PrivateKey"

    @property
    def public(self) -> PublicKey:
        """Its other half."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """64 bytes; the same ones for the same message."""
        return self._key.sign(message)


def public_key(text: str, source: str) -> PublicKey:
    """A public key in PEM, or in one line of base64 (its 32 bytes). Raises InvalidInput `KEY_INVALID`."""
    if (match := _PEM.search(text)) is not None and match[1] == "PUBLIC":
        der = _decoded(match[2], source)
        if len(der) == len(_SPKI) + 32 and der.startswith(_SPKI):
            return PublicKey(der[len(_SPKI) :])
    elif match is None and len(raw := _decoded(text, source)) == 32:
        return PublicKey(raw)
    raise _invalid(source, "no public Ed25519 key")


def private_key(text: str, source: str) -> PrivateKey:
    """A private key in PEM (PKCS 8, not encrypted). Raises InvalidInput `KEY_INVALID`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if (match := _PEM.search(text)) is not None and match[1] == "PRIVATE":
        der = _decoded(match[2], source)
        if len(der) == len(_PKCS8) + 32 and der.startswith(_PKCS8):
            return PrivateKey(Ed25519PrivateKey.from_private_bytes(der[len(_PKCS8) :]))
    raise _invalid(source, "no private Ed25519 key in PEM without a passphrase")


def read_public_keys(paths: Iterable[Path]) -> dict[str, PublicKey]:
    """The public keys of files, by id. Raises InvalidInput `KEY_UNREADABLE`, `KEY_INVALID`."""
    keys = (public_key(read_key_file(path), str(path)) for path in paths)
    return {key.key_id: key for key in keys}


def read_private_key(path: Path) -> PrivateKey:
    """A file that only its owner can read. Raises InvalidInput, FailedPrecondition `KEY_EXPOSED`."""
    text = read_key_file(path)
    if path.stat().st_mode & 0o077:
        raise FailedPrecondition(
            Reason(
                "KEY_EXPOSED",
                f"others than its owner can read or write {path}",
                f"chmod 600 {path}; if it may have been read, make another one",
                path=str(path),
            )
        )
    return private_key(text, str(path))


def create_private_key(path: Path) -> PrivateKey:
    """The key in the file, which is made (0600) with `.pub` beside it where there is none.

    Any number of processes may do so at once: they get the same key.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Complete before it has its name, so that nobody reads half of it.
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(_to_pem("PRIVATE", _PKCS8 + os.urandom(32)))
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)
        except FileExistsError:
            pass  # another one was first, and its key is the one
        finally:
            os.unlink(name)
    key = read_private_key(path)
    path.with_suffix(".pub").write_text(key.public.pem)
    return key


def read_key_file(path: Path) -> str:
    """The text of a small file. Raises InvalidInput `KEY_UNREADABLE`."""
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES).decode("ascii", "replace")
    except OSError as error:
        message = f"{path}: {error.strerror or error}"
        raise InvalidInput(Reason("KEY_UNREADABLE", message, "name a key's file", path=str(path))) from None


def _to_pem(kind: str, der: bytes) -> str:
    return f"-----BEGIN {kind} KEY-----\n{base64.b64encode(der).decode()}\n-----END {kind} KEY-----\n"


def _decoded(text: str, source: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise _invalid(source, "no base64") from None


def _invalid(source: str, what: str) -> InvalidInput:
    return InvalidInput(Reason("KEY_INVALID", f"{source}: {what}", _MEND, path=source))
