"""Mutual TLS: both ends show a certificate that the same authority signed."""

from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Paths of PEM files; the files are read when a server or channel is made."""

    certificate: Path
    key: Path
    ca: Path
    """Authority that must have signed the other end's certificate."""


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
