"""Where the all-in-one keeps its state and its sockets."""

import hashlib
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.errors import FailedPrecondition, InvalidInput, Reason

SERVICES = ("orchestrator", "builder", "auditor", "gate", "memory")
LEASE_SOCKET = "host.sock"
_SOCKET_PATH_BYTES = 107
_LONGEST_NAME = max((*(f"{service}.sock" for service in SERVICES), LEASE_SOCKET), key=len)


@dataclass(frozen=True, slots=True)
class Places:
    """The directories and files below one AUTOPACK_HOME."""

    home: Path

    @property
    def lock(self) -> Path:
        """Held by the one host."""
        return self.home / "host.lock"

    @property
    def log(self) -> Path:
        """What the host logs."""
        return self.home / "host.log"

    @property
    def spans(self) -> Path:
        """The local span store."""
        return self.home / "spans.db"

    @property
    def key(self) -> Path:
        """The gate's private key; the public one is beside it, ending in `.pub`."""
        return self.home / "keys" / "gate.key"

    @property
    def run(self) -> Path:
        """Where sockets are, unless its path is too long for them."""
        return self.home / "run"

    @property
    def pointer(self) -> Path:
        """Names the sockets' directory where it is not `run`."""
        return self.run / "directory"

    def directory(self, service: str) -> Path:
        """A service's own directory."""
        return self.home / service

    def prepare(self) -> None:
        """Makes the directories, for nobody else to enter. Raises FailedPrecondition HOME_UNUSABLE."""
        try:
            for directory in (self.home, self.run):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (status := self.home.stat()).st_uid != os.geteuid():
                raise PermissionError(f"it belongs to user {status.st_uid}")
            for directory in (self.home, self.run):
                if stat.S_IMODE(directory.stat().st_mode) & 0o077:
                    directory.chmod(0o700)
        except OSError as error:
            raise FailedPrecondition(
                Reason(
                    "HOME_UNUSABLE",
                    f"{self.home} cannot hold Autopack's state: {error.strerror or error}",
                    "set AUTOPACK_HOME to a directory of your own",
                )
            ) from error

    def sockets(self) -> Path:
        """The sockets' directory as the last host left word of it."""
        try:
            recorded = Path(self.pointer.read_text())
            if recorded.lstat().st_uid == os.geteuid() and not recorded.is_symlink():
                return recorded
        except OSError:
            pass  # nothing is recorded, or it is gone: then it is the usual place
        return self.run

    def choose_sockets(self, environ: Mapping[str, str]) -> Path:
        """A directory whose sockets have paths that are short enough, recorded; only the host calls this."""
        if fits(self.run):
            return self.run
        earlier = self.sockets()
        if earlier != self.run and fits(earlier):
            return earlier
        digest = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:8]
        for parent in filter(None, (environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")):
            try:
                directory = Path(tempfile.mkdtemp(prefix=f"autopack-{digest}-", dir=parent))
            except OSError:
                continue
            if fits(directory):
                self.pointer.write_text(str(directory))
                return directory
            directory.rmdir()
        raise InvalidInput(
            Reason(
                "SOCKET_PATH_TOO_LONG",
                f"no directory with a path under {_SOCKET_PATH_BYTES} bytes was found for sockets",
                "set AUTOPACK_HOME or XDG_RUNTIME_DIR to a shorter path",
            )
        )

    def remove_sockets(self, directory: Path) -> None:
        """Removes what a host leaves of its sockets."""
        for name in (LEASE_SOCKET, *(f"{service}.sock" for service in SERVICES)):
            (directory / name).unlink(missing_ok=True)
        if directory != self.run:
            directory.rmdir()
            self.pointer.unlink(missing_ok=True)


def places_of(environ: Mapping[str, str]) -> Places:
    """AUTOPACK_HOME, else the XDG state directory."""
    if home := environ.get("AUTOPACK_HOME"):
        return Places(Path(home).expanduser().absolute())
    state = environ.get("XDG_STATE_HOME", "")
    base = Path(state) if state.startswith("/") else Path.home() / ".local" / "state"
    return Places(base / "autopack")


def fits(directory: Path) -> bool:
    """Whether the paths of sockets in it are short enough for Linux."""
    return len(os.fsencode(directory / _LONGEST_NAME)) <= _SOCKET_PATH_BYTES
