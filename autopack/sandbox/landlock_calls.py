"""What Landlock the kernel has."""

import ctypes
import os

from autopack.sandbox.capabilities import Fact

_CREATE_RULESET, _VERSION = 444, 1


def abi() -> int:
    """The version of the kernel's Landlock; 0 where it has none or it is switched off."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))))


def fact() -> Fact:
    """Whether there is one."""
    version = abi()
    if version:
        return Fact("landlock", True, f"version {version} of Landlock's interface")
    return Fact(
        "landlock",
        False,
        f"the kernel ({os.uname().release}) has no Landlock, or it is switched off",
        "boot a kernel from 5.13 on with `lsm=landlock,...`",
    )
