"""Mutual TLS, with certificates made here: who has none of the authority's gets nothing."""

import datetime
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from autopack.api.memory.v1 import memory_service_pb2, memory_service_pb2_grpc
from autopack.errors import InvalidInput, Unavailable
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from autopack.rpc.tls import TlsSettings

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory / name
        self._directory.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._write("ca.pem", self._certificate(self._name, self._key.public_key(), ca=True))

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, ca: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def _write(self, name: str, data: bytes) -> Path:
        (self._directory / name).write_bytes(data)
        return self._directory / name

    def issue(self, name: str) -> TlsSettings:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return TlsSettings(
            self._write(f"{name}.pem", self._certificate(subject, key.public_key(), ca=False)),
            self._write(f"{name}.key", private),
            self._directory / "ca.pem",
        )


async def ask(address: str, tls: TlsSettings | None) -> Any:
    async with create_channel(address, tls) as channel:
        stub = memory_service_pb2_grpc.MemoryServiceStub(channel)
        return await call(stub.Recall(QUERY, timeout=5))


async def test_both_ends_with_certificates_of_the_authority_speak(serve: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    served = await serve(address="127.0.0.1:0", tls=authority.issue("server"))
    assert await ask(served.server.address, authority.issue("client")) is not None


async def test_a_client_without_a_certificate_is_refused(serve: Any, tmp_path: Path) -> None:
    served = await serve(address="127.0.0.1:0", tls=Authority(tmp_path, "ours").issue("server"))
    with pytest.raises(Unavailable):
        await ask(served.server.address, None)


async def test_a_client_of_another_authority_is_refused(serve: Any, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    served = await serve(address="127.0.0.1:0", tls=ours.issue("server"))
    client = theirs.issue("client")
    with pytest.raises(Unavailable):
        await ask(served.server.address, TlsSettings(client.certificate, client.key, ours.issue("x").ca))


async def test_a_server_of_another_authority_is_refused(serve: Any, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    client = ours.issue("client")
    served = await serve(address="127.0.0.1:0", tls=theirs.issue("server"))
    with pytest.raises(Unavailable):
        await ask(served.server.address, client)


def test_the_environment_names_all_three_files_or_none() -> None:
    names = ("AUTOPACK_TLS_CERTIFICATE", "AUTOPACK_TLS_KEY", "AUTOPACK_TLS_CA")
    assert TlsSettings.from_environ({}) is None
    everything = TlsSettings.from_environ({name: f"/{name}" for name in names})
    assert everything == TlsSettings(*(Path(f"/{name}") for name in names))
    with pytest.raises(InvalidInput, match="AUTOPACK_TLS_KEY, AUTOPACK_TLS_CA"):
        TlsSettings.from_environ({"AUTOPACK_TLS_CERTIFICATE": "/x"})
