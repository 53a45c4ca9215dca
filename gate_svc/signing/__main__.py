"""The process that has the gate's key: signs what comes through its one socket, and looks at none of it.

It is told where the key is by arguments, or is given it through the socket; the gate never has it.
"""

import base64
import ctypes
import resource
import shlex
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from autopack.errors import AutopackError
from autopack.signing.keys import PublicKey, create_private_key, private_key, public_key, read_key_file

LENGTH = struct.Struct(">I")
HELLO, SIGNED, FAILED = b"h", b"s", b"f"
COMMAND_SECONDS = 30.0
_PR_SET_DUMPABLE = 4

Sign = Callable[[bytes], bytes]


def main(arguments: list[str]) -> None:
    """`FD file PATH`, `FD socket`, or `FD command LINE PUBLIC_KEY_FILE`, until the socket is closed."""
    # No dumps, and no other process of this user may look into the memory of this one.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    with socket.socket(fileno=int(arguments[0])) as connection:
        try:
            key, sign = _key(arguments[1:], connection)
        except AutopackError as error:
            _answer(connection, FAILED, str(error).encode())
            return
        _answer(connection, HELLO, key.raw)
        while (message := receive(connection)) is not None:
            try:
                signature = sign(message)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                _answer(connection, FAILED, str(error).encode())
            else:
                _answer(connection, SIGNED, signature)


def receive(connection: socket.socket) -> bytes | None:
    """One message; None at the end."""
    header = _exactly(connection, LENGTH.size)
    return None if header is None else _exactly(connection, LENGTH.unpack(header)[0])


def _key(arguments: list[str], connection: socket.socket) -> tuple[PublicKey, Sign]:
    match arguments:
        case ["file", path]:
            own = create_private_key(Path(path))
        case ["socket"]:
            own = private_key((receive(connection) or b"").decode("ascii", "replace"), "the environment")
        case ["command", line, public]:
            key = public_key(read_key_file(Path(public)), public)
            return key, lambda message: _by_command(line, message, key)
        case _:
            raise SystemExit("file PATH, socket, or command LINE PUBLIC_KEY_FILE")
    return own.public, own.sign


def _by_command(line: str, message: bytes, key: PublicKey) -> bytes:
    """The command's answer: 64 bytes, or base64 of them."""
    done = subprocess.run(shlex.split(line), input=message, capture_output=True, timeout=COMMAND_SECONDS)
    if done.returncode != 0:
        raise OSError(
            f"the command ended with {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}"
        )
    signature = done.stdout if len(done.stdout) == 64 else base64.b64decode(done.stdout)
    if not key.verifies(signature, message):
        raise OSError("what the command printed is no signature by the public key")
    return signature


def _answer(connection: socket.socket, kind: bytes, data: bytes) -> None:
    connection.sendall(kind + LENGTH.pack(len(data)) + data)


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            return None
        data += chunk
    return bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
