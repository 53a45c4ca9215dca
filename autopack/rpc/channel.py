"""Makes the channels that clients call through."""

import grpc

from autopack.rpc.client import client_interceptors
from autopack.rpc.tls import TlsSettings, channel_credentials
from autopack.rpc.transport import CHANNEL_OPTIONS


def create_channel(address: str, tls: TlsSettings | None = None) -> grpc.aio.Channel:
    """A channel to "unix:/path", "host:port" or "dns:///name:port"; close it when done.

    Calls end with the deadline of the call being served, else after a default; unary ones
    are repeated while the server is unavailable, a few times and with backoff.
    """
    if tls is not None:
        return grpc.aio.secure_channel(
            address, channel_credentials(tls), CHANNEL_OPTIONS, interceptors=client_interceptors()
        )
    return grpc.aio.insecure_channel(address, CHANNEL_OPTIONS, interceptors=client_interceptors())
