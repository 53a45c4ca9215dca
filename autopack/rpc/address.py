"""Addresses that servers listen on, and what makes them safe to use."""

import ipaddress
import os
import socket
import stat
from pathlib import Path

from autopack.errors import FailedPrecondition, InvalidInput, Reason

UNIX = "unix:"
SOCKET_PATH_BYTES = 107
"""Linux takes no longer path for a Unix socket."""


def stays_on_this_machine(address: str) -> bool:
    """Whether only this machine can reach the address: a Unix socket or a loopback host."""
    if address.startswith(UNIX):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def prepare_socket(path: Path) -> None:
    """Makes the way free for a server: a private directory, and no socket that is in use.

    The directory is what keeps others out: between bind and chmod a socket has whatever
    mode the umask gives.

    Raises:
        InvalidInput: `SOCKET_PATH_TOO_LONG`.
        FailedPrecondition: `SOCKET_DIRECTORY_OPEN`, `ADDRESS_IN_USE`.
    """
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise InvalidInput(
            Reason(
                "SOCKET_PATH_TOO_LONG",
                f"{path} has more than {SOCKET_PATH_BYTES} bytes",
                "Choose a shorter state directory.",
                str(path),
            )
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.parent.stat().st_mode)
    if mode & 0o077:
        raise FailedPrecondition(
            Reason(
                "SOCKET_DIRECTORY_OPEN",
                f"others may enter {path.parent} (mode {mode:o})",
                f"chmod 700 {path.parent}",
                str(path.parent),
            )
        )
    if not path.exists():
        return
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()  # left by a server that died
                return
            except BlockingIOError:
                pass  # alive, and busy
    raise in_use(f"{UNIX}{path}")


def in_use(address: str) -> FailedPrecondition:
    """What to say when an address is taken."""
    return FailedPrecondition(
        Reason(
            "ADDRESS_IN_USE",
            f"cannot listen on {address}: something else does",
            "Stop it, or choose another address.",
        )
    )
