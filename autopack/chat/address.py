"""Where an endpoint is: what secrets and allowed hosts are compared with."""

import ipaddress
from urllib.parse import urlsplit

from autopack.errors import InvalidInput, Reason


def host_and_port(url: str) -> str:
    """`HOST:PORT` of a URL. Raises InvalidInput ENDPOINT_INVALID."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        if parts.hostname and parts.username is None and not parts.query and not parts.fragment:
            return f"{parts.hostname}:{port}"
    except (ValueError, KeyError):
        pass
    fix = "write http(s)://HOST[:PORT]/PATH in the policy, without user or query"
    raise InvalidInput(Reason("ENDPOINT_INVALID", f"{url!a} is no endpoint", fix))


def is_loopback(url: str) -> bool:
    """Whether a URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
