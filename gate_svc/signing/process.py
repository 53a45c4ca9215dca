"""The signer from the gate's side: started when the first judgement begins, asked when a change lands."""

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.errors import Reason, Unavailable
from autopack.signing.dsse import Envelope, Signature, pae
from autopack.signing.keys import PublicKey
from autopack.signing.statement import PAYLOAD_TYPE
from gate_svc.signing.__main__ import FAILED, LENGTH

KEY_VARIABLE = "AUTOPACK_SIGNING_KEY_PEM"
_DETACHED = "AUTOPACK_SIGNER"
"""Socket and process of a signer that was started before this process was executed without the key."""
_START_SECONDS = 30.0
_SIGN_SECONDS = 40.0
_SECRET_TYPE = "application/vnd.autopack.secret"
"""Of a message whose signature is shown to nobody; no statement has this type."""
_ROOT = str(Path(__file__).resolve().parents[2])
_BOOTSTRAP = (
    "import sys; sys.path.append(sys.argv[1]); from gate_svc.signing.__main__ import main; main(sys.argv[2:])"
)
"""`-I` keeps the environment and the working directory out, so the package's place is handed over."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the key is: in a file, which is made at first use, or behind a command that signs."""

    file: Path
    command: str = ""
    """Shell words; gets a message on standard input and prints its Ed25519 signature."""
    public_key: Path | None = None
    """Of the command's key."""
    detached: str = ""
    """Set where the environment had the key: see `leave_key_behind`."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], directory: Path) -> "KeySource":
        """As the environment says; else `keys/gate.key` in the directory."""
        public = environ.get("AUTOPACK_SIGNING_PUBLIC_KEY")
        return cls(
            Path(environ.get("AUTOPACK_SIGNING_KEY") or directory / "keys" / "gate.key"),
            environ.get("AUTOPACK_SIGNING_COMMAND", ""),
            Path(public) if public else None,
            environ.get(_DETACHED, ""),
        )

    @property
    def arguments(self) -> list[str]:
        """What the signer is told."""
        if self.command:
            return ["command", self.command, str(self.public_key or "")]
        return ["file", str(self.file)]


def leave_key_behind(environ: Mapping[str, str]) -> None:
    """Where the environment has the key: gives it to a signer and executes this program again without it.

    Returns where there is none. To be called first of all in a process that starts sandboxes.
    """
    pem = environ.get(KEY_VARIABLE)
    if pem is None:
        return
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(_command(theirs, ["socket"]), pass_fds=[theirs.fileno()], env=_environment({}))
    theirs.close()
    data = pem.encode()
    ours.sendall(LENGTH.pack(len(data)) + data)
    os.set_inheritable(ours.fileno(), True)
    left = {name: value for name, value in environ.items() if name != KEY_VARIABLE}
    os.execve(sys.executable, sys.orig_argv, left | {_DETACHED: f"{ours.fileno()}:{process.pid}"})


class Signer:
    """One key. Raises Unavailable `SIGNER_UNAVAILABLE` wherever it cannot be used."""

    def __init__(self, source: KeySource) -> None:
        self._source = source
        self._turn = asyncio.Lock()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._warming: asyncio.Task[PublicKey] | None = None
        self._key = PublicKey(b"")

    def warm(self) -> None:
        """Starts it in the background, so that the first signature need not wait for it."""
        if self._warming is None:
            self._warming = asyncio.create_task(self.public_key())
            self._warming.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def public_key(self) -> PublicKey:
        """The half that everybody may know."""
        async with self._turn:
            await self._start()
            return self._key

    async def sign(self, payloads: Sequence[bytes]) -> list[Envelope]:
        """The in-toto statements, each in an envelope."""
        signatures, key_id = await self._signed([pae(PAYLOAD_TYPE, payload) for payload in payloads])
        return [
            Envelope(PAYLOAD_TYPE, payload, (Signature(key_id, signature),))
            for payload, signature in zip(payloads, signatures, strict=True)
        ]

    async def secret(self) -> bytes:
        """32 bytes that nobody has who has not the key, to draw by: no signature that is given away tells."""
        (signature,), _ = await self._signed([pae(_SECRET_TYPE, b"")])
        return hashlib.sha256(signature).digest()

    async def close(self) -> None:
        """Ends the process, which ends by itself where we die."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        async with self._turn:
            await self._stop()

    async def _signed(self, messages: Sequence[bytes]) -> tuple[list[bytes], str]:
        """Signatures, and the id of their key."""
        async with self._turn:
            await self._start()
            try:
                async with asyncio.timeout(_SIGN_SECONDS):
                    return await self._exchange(messages), self._key.key_id
            except BaseException:
                await self._stop()  # an answer that nobody reads would be taken for the next one's
                raise

    async def _exchange(self, messages: Sequence[bytes]) -> list[bytes]:
        assert self._writer is not None, "started"
        try:
            for message in messages:
                self._writer.write(LENGTH.pack(len(message)) + message)
            await self._writer.drain()
            return [await self._answer() for _ in messages]
        except (OSError, EOFError) as error:
            raise _unavailable(f"its process has ended: {error}") from error

    async def _answer(self) -> bytes:
        assert self._reader is not None, "started"
        kind = await self._reader.readexactly(1)
        data = await self._reader.readexactly(LENGTH.unpack(await self._reader.readexactly(LENGTH.size))[0])
        if kind == FAILED:
            raise _unavailable(data.decode(errors="replace"))
        return data

    async def _start(self) -> None:
        if self._reader is not None and not self._reader.at_eof():
            return
        await self._stop()
        try:
            ours = await self._connect()
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
            async with asyncio.timeout(_START_SECONDS):
                self._key = PublicKey(await self._answer())
        except BaseException as error:
            await self._stop()
            if isinstance(error, OSError | EOFError | TimeoutError):
                raise _unavailable(f"its process did not start: {error}") from error
            raise

    async def _connect(self) -> socket.socket:
        if self._source.detached:
            # It had the key from an environment that is no more: there is one, or none.
            return socket.socket(fileno=os.dup(int(self._source.detached.partition(":")[0])))
        ours, theirs = socket.socketpair()
        with theirs:
            inherited = {name: os.environ[name] for name in ("HOME",) if name in os.environ}
            self._process = await asyncio.create_subprocess_exec(
                *_command(theirs, self._source.arguments),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(inherited if self._source.command else {}),
                start_new_session=True,
            )
        return ours

    async def _stop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.terminate()
            await self._process.wait()
        self._reader = self._writer = self._process = None


def _command(theirs: socket.socket, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-c", _BOOTSTRAP, _ROOT, str(theirs.fileno()), *arguments]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **more}


def _unavailable(what: str) -> Unavailable:
    fix = "look at the key's file, or at AUTOPACK_SIGNING_COMMAND"
    return Unavailable(Reason("SIGNER_UNAVAILABLE", f"the gate's key cannot be used: {what}", fix))
