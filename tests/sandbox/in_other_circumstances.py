"""Runs Python as an ordinary user, without user namespaces, or where no control group can be made.

`python in_other_circumstances.py CIRCUMSTANCE... -- ARGUMENTS OF PYTHON`
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

from autopack.sandbox import mounts

ORDINARY_USER = 54321
CLONE_NEWUSER = 0x10000000


def become_ordinary_user() -> None:
    """Also where our Python is in root's own home, which an ordinary user's would not be."""
    here = Path(__file__).parents[2]
    mounts.enter_private_mount_namespace()
    mounts.expose([*{Path(sys.base_prefix), Path(sys.prefix), here}])
    os.setgroups([])
    os.setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
    os.setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER)
    os.environ["HOME"] = "/nonexistent"


def refuse_user_namespaces() -> None:
    """As a kernel, AppArmor or a container engine would."""
    import pyseccomp  # type: ignore[import-untyped]  # it ships no py.typed

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in ("clone", "unshare"):
        new_user = pyseccomp.Arg(0, pyseccomp.MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER)
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name, new_user)
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.load()


def make_control_groups_read_only() -> None:
    """As they are in most containers."""
    libc = ctypes.CDLL(None, use_errno=True)
    mounts.enter_private_mount_namespace()
    read_only_remount = 1 | 32 | 4096  # MS_RDONLY, MS_REMOUNT, MS_BIND
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2") and libc.mount(b"", place.encode(), b"", read_only_remount, None):
            raise OSError(ctypes.get_errno(), f"{place} could not be made read-only")


CIRCUMSTANCES = {
    "ordinary-user": become_ordinary_user,
    "no-user-namespaces": refuse_user_namespaces,
    "read-only-cgroups": make_control_groups_read_only,
}

if __name__ == "__main__":
    separator = sys.argv.index("--")
    for circumstance in sys.argv[1:separator]:
        CIRCUMSTANCES[circumstance]()
    os.execv(sys.executable, [sys.executable, *sys.argv[separator + 1 :]])
