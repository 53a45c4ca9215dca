"""What Autopack needs of a machine, each fact found out by trying."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from autopack.errors import AutopackError
from autopack.host.places import LEASE_SOCKET, places_of

LEAST_PYTHON = (3, 11)
LEAST_GIT = (2, 38)
"""The first with `merge-tree --write-tree`."""
LEAST_DISK_MB = 1000
LEAST_MEMORY_MB = 500
PORT = 50051
PACKAGES = (
    "grpcio",
    "protobuf",
    "sqlalchemy",
    "dbos",
    "pygit2",
    "qdrant-client",
    "onnxruntime",
    "opentelemetry-sdk",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about this machine."""

    name: str
    holds: bool
    detail: str
    fix: str = ""
    essential: bool = False
    """Whether nothing works without it."""


def examine(environ: Mapping[str, str]) -> tuple[list[Finding], tuple[str, ...]]:
    """Every finding, and the sandbox tiers that work, best first; blocks while commands are tried."""
    findings = [_python(), _git(), *_home(environ), _memory(), _port(), *_packages()]
    found, tiers = _sandbox()
    return findings + found, tiers


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    holds = sys.version_info[:2] >= LEAST_PYTHON
    return Finding("python", holds, f"{found} at {sys.executable}", "install Python 3.11 or newer", True)


def _git() -> Finding:
    fix = "sudo apt-get install git (2.38 or newer)"
    try:
        text = subprocess.run(
            ["git", "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("git", False, f"git cannot be run: {error}", fix, True)
    found = re.search(r"(\d+)\.(\d+)", text)
    holds = found is not None and (int(found[1]), int(found[2])) >= LEAST_GIT
    return Finding("git", holds, text.strip(), fix, True)


def _home(environ: Mapping[str, str]) -> Iterator[Finding]:
    places = places_of(environ)
    try:
        places.prepare()
    except AutopackError as error:
        yield Finding("home", False, error.reasons[0].message, error.reasons[0].fix, True)
        return
    yield Finding("home", True, str(places.home), essential=True)
    free = shutil.disk_usage(places.home).free // 1_000_000
    yield Finding("disk", free >= LEAST_DISK_MB, f"{free} MB free at {places.home}", "make room there")
    address = places.sockets() / LEASE_SOCKET
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(address))
            detail = f"an all-in-one runs, at {address}"
        except OSError:
            detail = "no all-in-one runs; a command starts one for as long as it needs it"
    yield Finding("all_in_one", True, detail)


def _memory() -> Finding:
    with open("/proc/meminfo") as file:
        fields = dict(line.split(":", 1) for line in file)
    available = int(fields["MemAvailable"].split()[0]) // 1024
    return Finding("memory", available >= LEAST_MEMORY_MB, f"{available} MB available", "close something")


def _port() -> Finding:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError as error:
            return Finding(
                "port", False, f"{PORT}: {error.strerror}", "give `autopack serve` another AUTOPACK_ADDRESS"
            )
    return Finding("port", True, f"{PORT} is free for `autopack serve`")


def _packages() -> Iterator[Finding]:
    for package in PACKAGES:
        try:
            yield Finding(f"package_{package}", True, version(package), essential=True)
        except PackageNotFoundError:
            fix = f"{sys.executable} -m pip install {package}"
            yield Finding(f"package_{package}", False, "not installed", fix, True)


def _sandbox() -> tuple[list[Finding], tuple[str, ...]]:
    from autopack.sandbox import probe

    capabilities = probe()
    findings = [Finding(fact.name, fact.holds, fact.detail, fact.fix) for fact in capabilities.facts]
    tiers = tuple(capabilities.tiers)
    fix = next((fact.fix for fact in capabilities.facts if not fact.holds and fact.fix), "")
    detail = ", ".join(tiers) if tiers else "no tier works: nothing untrusted can be run"
    return [*findings, Finding("sandbox", bool(tiers), detail, fix, True)], tiers
