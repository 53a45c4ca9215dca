"""What of this machine the outcome of a check depends on, as one digest."""

import hashlib
import sys
import sysconfig
from pathlib import Path

from gate_svc.reporters import BLIND, DIRECTORIES, PROBE

RULES_VERSION = 3
"""Raise it when results of earlier versions must not be used any more."""


def machine_digest() -> str:
    """SHA-256 of the gate's rules and reporters, and of the Python that checks find by default."""
    packages = Path(sysconfig.get_path("purelib"))
    digest = hashlib.sha256(
        repr((RULES_VERSION, sys.version, sys.executable, packages.stat().st_mtime_ns)).encode()
    )
    for directory in sorted((*DIRECTORIES.values(), BLIND, PROBE)):
        for file in sorted(directory.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
