"""Which user and group sandboxed processes run as: somebody else when we are root, ourselves otherwise."""

import os
import random
from dataclasses import dataclass
from pathlib import Path

# Ranges tried in this order: ids that no distribution or container runtime hands out
# (systemd's "Users and groups" table), then the range of systemd's short-lived service users.
_UNUSED_RANGES = ((0x7000_0000, 0x7FFF_FFFD), (61184, 65519))

_CAP_CHOWN, _CAP_SETGID, _CAP_SETUID, _CAP_SYS_ADMIN = 0, 6, 7, 21


@dataclass(frozen=True, slots=True)
class Identity:
    """A user and group, and whether they are other ones than ours."""

    uid: int
    gid: int
    switched: bool


def effective_capabilities() -> int:
    """This process's effective capabilities as a bit mask."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def may_mount() -> bool:
    """Whether this process may make mounts without a user namespace of its own."""
    return bool(effective_capabilities() >> _CAP_SYS_ADMIN & 1)


def choose_identity(pick: random.Random | None = None) -> Identity:
    """Another user for sandboxed processes if we may become one (root), else our own."""
    capabilities = effective_capabilities()
    needed = (_CAP_CHOWN, _CAP_SETGID, _CAP_SETUID)
    if os.geteuid() == 0 and all(capabilities >> bit & 1 for bit in needed):
        pick = pick or random.SystemRandom()
        for first, last in _UNUSED_RANGES:
            if _mapped("uid_map", first, last) and _mapped("gid_map", first, last):
                number = pick.randint(first, last)
                return Identity(number, number, True)
    return Identity(os.geteuid(), os.getegid(), False)


def _mapped(name: str, first: int, last: int) -> bool:
    """Whether the user namespace that we run in knows all ids from `first` to `last`."""
    for line in Path(f"/proc/self/{name}").read_text().splitlines():
        start, _, count = (int(word) for word in line.split())
        if start <= first and last < start + count:
            return True
    return False
