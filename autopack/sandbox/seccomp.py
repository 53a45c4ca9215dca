"""The system calls that no sandboxed command may make, compiled once per process for the kernel's filter."""

import errno
import os
import platform
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

Sockets = Literal["any", "internet", "none"]
"""Those of the local and internet families, of the internet's only, or none but unnamed stream pairs."""

_REFUSED = (
    # Mounts and roots.
    *("chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount"),
    *("open_tree", "pivot_root", "umount", "umount2"),
    # Namespaces (see also `clone`).
    *("setns", "unshare"),
    # Other processes.
    *("kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"),
    # The kernel: its code, keys, clock, name, devices, accounting, and what has often been a way into it.
    *("acct", "add_key", "adjtimex", "bpf", "clock_adjtime", "clock_settime", "delete_module"),
    *("fanotify_init", "finit_module", "init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load"),
    *("keyctl", "lookup_dcookie", "name_to_handle_at", "nfsservctl", "open_by_handle_at"),
    *("perf_event_open", "quotactl", "quotactl_fd", "reboot", "request_key", "setdomainname"),
    *("sethostname", "settimeofday", "swapoff", "swapon", "syslog", "uselib", "userfaultfd", "vhangup"),
)
# Programs that find these missing go on without them.
_MISSING = ("clone3", "io_uring_enter", "io_uring_register", "io_uring_setup")

# Where namespaces do not keep us apart: objects without a path, calls that reach other processes by number.
_SHARED_OBJECTS = ("mq_open", "mq_unlink", "msgctl", "msgget", "semctl", "semget", "shmctl", "shmget")
_F_SETOWN, _F_SETOWN_EX, _FIOSETOWN, _SIOCSPGRP = 8, 15, 0x8901, 0x8902
_MODES = ("chmod", "fchmod", "fchmodat")
_FCHMODAT2 = 452  # newer than the libseccomp of many systems
_OWNERS_AND_ATTRIBUTES = (
    *("chown", "fchown", "fchownat", "lchown"),
    *("fremovexattr", "fsetxattr", "lremovexattr", "lsetxattr", "removexattr", "setxattr"),
)
_SIGNALS = ("kill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tgkill", "tkill")

_NEW_NAMESPACES = (
    0x00000080,
    0x00020000,
    0x02000000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_RLIMIT_CORE = 4
_LAST_FAMILY = 46  # greater numbers are refused by one rule
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0
_SOCK_STREAM, _SOCK_SEQPACKET, _SOCK_TYPE_MASK = 1, 5, 0xF
_ALL_BITS = 0xFFFF_FFFF

# The newest call that this list was checked against (removexattrat, Linux 6.13); these architectures share
# the numbers from 424 on.
_NEWEST_CALL = 466
_SHARED_NUMBERS = ("x86_64", "aarch64", "riscv64", "ppc64le", "s390x")


@cache
def programs(sockets: Sockets, *, among_others: bool) -> tuple[bytes, ...]:
    """Filter programs (arrays of `struct sock_filter`) that must all be installed.

    `among_others` is for commands that share processes and System V objects with the host.
    Raises OSError or RuntimeError where libseccomp is missing or too old.
    """
    # Not when this module is imported: it starts programs to find the library. It ships no py.typed.
    import pyseccomp  # type: ignore[import-untyped]

    refuse, missing = pyseccomp.ERRNO(errno.EPERM), pyseccomp.ERRNO(errno.ENOSYS)
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    # Calls of another architecture's numbering (32-bit, x32) would walk around everything below.
    rules.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    for name in _REFUSED:
        rules.add_rule(refuse, name)
    for name in _MISSING:
        rules.add_rule(missing, name)
    for flag in _NEW_NAMESPACES:
        rules.add_rule(refuse, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    for request in (_TIOCSTI, _TIOCLINUX):
        rules.add_rule(refuse, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _ALL_BITS, request))
    _pin_core_limit(rules, pyseccomp)
    _add_socket_rules(rules, pyseccomp, sockets)
    if among_others:
        _add_rules_against_neighbours(rules, pyseccomp)
    newest = _refuse_newer_calls() if platform.machine() in _SHARED_NUMBERS else None
    return tuple(program for program in (_compiled(rules), newest) if program is not None)


@dataclass(frozen=True, slots=True)
class GateFilter:
    """A filter that hands calls to a supervisor, and what that one must know of this architecture."""

    program: bytes
    seccomp: int
    """The number of seccomp(2)."""
    calls: dict[int, str]
    """The calls handed over, by number."""


@cache
def gate_filter(signals: bool) -> GateFilter:
    """For commands of our own user: changes of modes are decided by the supervisor, and signals if asked to.

    Changes of owners and of extended attributes, which need no path that may be written, are refused.
    """
    import pyseccomp

    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    names = (*_MODES, *(_SIGNALS if signals else ()))
    # Calls that this architecture lacks resolve to numbers below zero.
    resolved = {pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name): name for name in names}
    calls = {number: name for number, name in resolved.items() if number >= 0}
    if platform.machine() in _SHARED_NUMBERS:
        calls[_FCHMODAT2] = "fchmodat2"
    for number in calls:
        rules.add_rule(pyseccomp.NOTIFY, number)
    for name in _OWNERS_AND_ATTRIBUTES:
        rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    if signals:
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "pidfd_send_signal")
    seccomp = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, "seccomp")
    return GateFilter(_compiled(rules), seccomp, calls)


def _pin_core_limit(rules: Any, seccomp: Any) -> None:
    """Setting it seems to succeed and does nothing: `ulimit -c 0` is common, and would have cores piped to
    a program of the host (see `rlimits`)."""
    nothing = seccomp.ERRNO(0)
    rules.add_rule(nothing, "setrlimit", seccomp.Arg(0, seccomp.MASKED_EQ, _ALL_BITS, _RLIMIT_CORE))
    setting = seccomp.Arg(1, seccomp.MASKED_EQ, _ALL_BITS, _RLIMIT_CORE), seccomp.Arg(2, seccomp.NE, 0)
    rules.add_rule(nothing, "prlimit64", *setting)


def _add_rules_against_neighbours(rules: Any, seccomp: Any) -> None:
    refuse = seccomp.ERRNO(errno.EPERM)
    for name in _SHARED_OBJECTS:
        rules.add_rule(refuse, name)
    rules.add_rule(refuse, "prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    for name in ("setpriority", "ioprio_set"):
        rules.add_rule(refuse, name, seccomp.Arg(1, seccomp.NE, 0))
    for call, numbers in (("fcntl", (_F_SETOWN, _F_SETOWN_EX)), ("ioctl", (_FIOSETOWN, _SIOCSPGRP))):
        for number in numbers:
            rules.add_rule(refuse, call, seccomp.Arg(1, seccomp.MASKED_EQ, _ALL_BITS, number))


def _add_socket_rules(rules: Any, seccomp: Any, sockets: Sockets) -> None:
    unsupported = seccomp.ERRNO(errno.EAFNOSUPPORT)
    families = {
        "any": (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK),
        "internet": (_AF_INET, _AF_INET6, _AF_NETLINK),
        "none": (),
    }[sockets]
    for family in range(_LAST_FAMILY):
        if family not in families:
            rules.add_rule(unsupported, "socket", seccomp.Arg(0, seccomp.EQ, family))
    rules.add_rule(unsupported, "socket", seccomp.Arg(0, seccomp.GE, _LAST_FAMILY))
    if _AF_NETLINK in families:
        route_only = seccomp.Arg(0, seccomp.EQ, _AF_NETLINK), seccomp.Arg(2, seccomp.NE, _NETLINK_ROUTE)
        rules.add_rule(unsupported, "socket", *route_only)
    rules.add_rule(unsupported, "socketpair", seccomp.Arg(0, seccomp.NE, _AF_UNIX))
    if sockets != "any":
        # A pair of datagram sockets can be sent from to any named one: stream pairs only.
        for kind in range(_SOCK_TYPE_MASK + 1):
            if kind not in (_SOCK_STREAM, _SOCK_SEQPACKET):
                of_kind = seccomp.Arg(1, seccomp.MASKED_EQ, _SOCK_TYPE_MASK, kind)
                rules.add_rule(unsupported, "socketpair", of_kind)
    if sockets == "none":
        for name in ("connect", "bind", "listen", "accept", "accept4"):
            rules.add_rule(seccomp.ERRNO(errno.EPERM), name)


def _compiled(rules: Any) -> bytes:
    with os.fdopen(os.memfd_create("seccomp"), "r+b") as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _refuse_newer_calls() -> bytes:
    """Calls that did not exist when the list was written fail as they would on an older kernel."""
    load_number, jump_if_greater, give = 0x20, 0x25, 0x06
    missing, allow = 0x0005_0000 | errno.ENOSYS, 0x7FFF_0000
    instructions = (
        (load_number, 0, 0, 0),
        (jump_if_greater, 0, 1, _NEWEST_CALL),
        (give, 0, 0, missing),
        (give, 0, 0, allow),
    )
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
