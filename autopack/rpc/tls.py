"""Mutual TLS: both ends show a certificate that the same authority signed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from autopack.errors import InvalidInput, Reason


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Paths of PEM files; the files are read when a server or channel is made."""

    certificate: Path
    key: Path
    ca: Path
    """Authority that must have signed the other end's certificate."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "TlsSettings | None":
        """What AUTOPACK_TLS_CERTIFICATE, _KEY and _CA name; None where none of them is set.

        Raises:
            InvalidInput: `SETTING_INVALID`, where only some of them are.
        """
        names = ("AUTOPACK_TLS_CERTIFICATE", "AUTOPACK_TLS_KEY", "AUTOPACK_TLS_CA")
        given = [environ.get(name, "") for name in names]
        if not any(given):
            return None
        if missing := [name for name, value in zip(names, given, strict=True) if not value]:
            found = f"{', '.join(missing)} is not set"
            raise InvalidInput(Reason("SETTING_INVALID", found, "Set all three, or none of them."))
        return cls(*(Path(value) for value in given))


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Credentials of a server that accepts only clients with a certificate of the authority."""
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    return grpc.ssl_server_credentials(
        [pair], root_certificates=tls.ca.read_bytes(), require_client_auth=True
    )


def channel_credentials(tls: TlsSettings) -> grpc.ChannelCredentials:
    """Credentials of a client that accepts only servers with a certificate of the authority."""
    return grpc.ssl_channel_credentials(
        tls.ca.read_bytes(), tls.key.read_bytes(), tls.certificate.read_bytes()
    )
