"""Run by an agent in the sandbox: tries every way out and prints what came of each, as JSON."""

import json
import os
import socket
import sys
import urllib.request


def asked(line: str) -> str:
    """How the proxy answers."""
    host, _, port = os.environ["HTTPS_PROXY"].removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 20) as proxy:
        proxy.sendall(line.encode() + b" HTTP/1.1\r\nHost: elsewhere\r\nProxy-X: y\r\n\r\n")
        return proxy.makefile("rb").read().decode().split()[1]


def connected(family: socket.AddressFamily, address: tuple[str, int] | str) -> str:
    try:
        socket.socket(family, socket.SOCK_STREAM).connect(address)
    except OSError:
        return "unreachable"
    return "connected"


def resolved(name: str) -> str:
    try:
        socket.getaddrinfo(name, 443)
    except OSError:
        return "unreachable"
    return "resolved"


def datagram(address: tuple[str, int]) -> str:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", address)
    except OSError:
        return "unreachable"
    return "sent"


def main(allowed: str, other: str) -> None:
    tried = {
        "the named host": asked(f"GET http://{allowed}/a?b#c"),
        "the named host as if it were here": urllib.request.urlopen(f"http://{allowed}/").read().decode(),
        "another port by a tunnel": asked(f"CONNECT {other}"),
        "another port by a request": asked(f"GET http://{other}/"),
        "another port in another spelling": asked(f"CONNECT {other.replace('127.0.0.1', '2130706433')}"),
        "another host": asked("CONNECT example.com:443"),
        "metadata by the proxy": asked("GET http://169.254.169.254/latest/"),
        "a file": asked("GET file:///etc/passwd"),
        "another port": connected(socket.AF_INET, ("127.0.0.1", int(other.rpartition(":")[2]))),
        "metadata": connected(socket.AF_INET, ("169.254.169.254", 80)),
        "an address": connected(socket.AF_INET, ("1.1.1.1", 443)),
        "an IPv6 address": connected(socket.AF_INET6, ("2606:4700:4700::1111", 443)),
        "a socket of the host": connected(socket.AF_UNIX, "/var/run/docker.sock"),
        "an abstract socket of the host": connected(socket.AF_UNIX, f"\0autopack-{other}"),
        "a name": resolved("example.com"),
        "a name server": datagram(("8.8.8.8", 53)),
    }
    print(json.dumps(tried))


if __name__ == "__main__":
    main(*sys.argv[1:])
