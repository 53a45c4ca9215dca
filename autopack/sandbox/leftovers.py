"""Ends what a killed process had just begun to start: a sandbox that waits for it dies with nobody."""

import os
import signal
from contextlib import suppress
from pathlib import Path

OWNER = "AUTOPACK_SANDBOX_OWNER"
"""In the environment of programs that set a sandbox up, not of what runs in it: whose they are."""


def owner(process: int) -> str:
    """A process's id, its start and where its id counts: no other is called so. Empty if there is none."""
    try:
        start = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
    return f"{process}/{start}/{_namespace()}"


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def end_leftovers() -> None:
    """Kills the programs whose owner is dead; those of other containers are left alone."""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError, ValueError):  # it has ended, is not ours to see, or does not say this
            words = (process / "environ").read_bytes().split(b"\0")
            said = next((word for word in words if word.startswith(f"{OWNER}=".encode())), b"").decode()
            whose = said.removeprefix(f"{OWNER}=")
            of, _, namespace = whose.split("/")
            if int(namespace) == _namespace() and owner(int(of)) != whose:
                os.kill(int(process.name), signal.SIGKILL)
