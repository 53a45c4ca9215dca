"""What of the host a command may read: its programs and libraries, a little of /etc, and our own Python."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store")
_SETTING_DIRECTORIES = ("alternatives", "crypto-policies", "pki", "ssl/certs")
_SETTING_FILES = (
    "gai.conf",
    "ld.so.cache",
    "mime.types",
    "protocols",
    "services",
    "ssl/openssl.cnf",
)
_NETWORK_SETTINGS = ("resolv.conf",)
_WRITTEN = {
    "group": "nogroup:x:65534:\n{name}:x:{gid}:\n",
    "host.conf": "multi on\n",
    "hosts": "127.0.0.1 localhost {host}\n::1 localhost {host}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    "passwd": "{name}:x:{uid}:{gid}::{home}:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
}

UID = GID = 1000
NAME = HOST = "autopack"
HOME = "/home/autopack"


@dataclass(frozen=True, slots=True)
class SystemFiles:
    """Paths of the host that appear unchanged, and those that appear as links."""

    directories: tuple[Path, ...]
    """Read-only, at the same path."""
    links: tuple[tuple[str, str], ...]
    """(path, target), as the host has them: /bin -> usr/bin."""
    pythons: tuple[Path, ...]
    """Where the running Python and its packages are, outside of the above."""
    search_path: str
    """PATH: the running Python's programs first."""


def find_system_files() -> SystemFiles:
    """Look at this machine and at the Python that runs."""
    directories, links = [], []
    for name in _PROGRAMS:
        path = Path(name)
        if path.is_symlink():
            links.append((name, os.readlink(path)))
        elif path.is_dir():
            directories.append(path)
    # Both as they are named and where they are, should there be links on the way.
    named = [Path(prefix) for prefix in (sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix)]
    pythons = tuple(
        prefix
        for prefix in dict.fromkeys((*named, *(prefix.resolve() for prefix in named)))
        if not any(prefix.is_relative_to(known) for known in directories)
    )
    programs = os.path.dirname(sys.executable)
    search_path = f"{programs}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    return SystemFiles(tuple(directories), tuple(links), pythons, search_path)


def settings(network: bool) -> tuple[Path, ...]:
    """Files and directories of the host's /etc that everybody may read and libraries want to."""
    names = (*_SETTING_DIRECTORIES, *_SETTING_FILES, *_WRITTEN, *(_NETWORK_SETTINGS if network else ()))
    return tuple(path.resolve() for name in names if (path := Path("/etc", name)).exists())


def setting_directories() -> tuple[Path, ...]:
    """Those of `settings` that are directories, which are mounted into an /etc of our own."""
    return tuple(path for name in _SETTING_DIRECTORIES if (path := Path("/etc", name)).is_dir())


def network_settings() -> tuple[Path, ...]:
    """Files of /etc that commands with a network need besides; their contents may be elsewhere."""
    return tuple(path for name in _NETWORK_SETTINGS if (path := Path("/etc", name)).exists())


def write_etc(directory: Path) -> None:
    """Fill `directory` with an /etc that names nobody of the host, and with what libraries want to find."""
    for path in setting_directories():
        (directory / path.relative_to("/etc")).mkdir(parents=True)
    for name in _SETTING_FILES:
        target = directory / name
        target.parent.mkdir(exist_ok=True)
        if (source := Path("/etc", name)).exists():
            shutil.copyfile(source, target)
    for name in _NETWORK_SETTINGS:
        (directory / name).touch()
    for name, text in _WRITTEN.items():
        (directory / name).write_text(text.format(name=NAME, uid=UID, gid=GID, home=HOME, host=HOST))


def programs_missing(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the programs that the system does not have."""
    return tuple(name for name in names if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None)


def base_environment(home: str, temporary: str, reports: str, search_path: str) -> dict[str, str]:
    """What every command gets, and nothing of our own environment."""
    return {
        "AUTOPACK_REPORTS": reports,
        "HOME": home,
        "LANG": "C.UTF-8",
        "PATH": search_path,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "TMPDIR": temporary,
        "TZ": "UTC",
    }
