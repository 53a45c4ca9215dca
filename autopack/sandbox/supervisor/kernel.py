"""Landlock, seccomp and process controls by raw system calls: Python has none of them."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PIDFD_GETFD = 438
_SET_MODE_FILTER, _NEW_LISTENER = 1, 1 << 3

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38

# Rights to files, in the order of their bits.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIRECTORY = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHARACTER_DEVICE, _MAKE_BLOCK_DEVICE = 1 << 6, 1 << 11
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
READ = READ_FILE | READ_DIRECTORY
READ_AND_EXECUTE = READ | EXECUTE
_EVERYTHING = (1 << 16) - 1
FULL = _EVERYTHING & ~(_MAKE_CHARACTER_DEVICE | _MAKE_BLOCK_DEVICE | _IOCTL_DEVICE)
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE | _IOCTL_DEVICE

_BIND_AND_CONNECT_TCP = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _call(number: int, what: str, *arguments: object) -> int:
    return _check(_libc.syscall(ctypes.c_long(number), *arguments), what)


def _prctl(option: int, *arguments: int) -> None:
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    _check(_libc.prctl(option, *words), f"prctl({option})")


def landlock_version() -> int:
    """The version of the kernel's Landlock interface; 0 where it has none or it is switched off."""
    arguments = (None, ctypes.c_size_t(0), ctypes.c_uint(_CREATE_RULESET_VERSION))
    return max(0, int(_libc.syscall(ctypes.c_long(_CREATE_RULESET), *arguments)))


def die_with_parent(number: int) -> None:
    """Get signal `number` when the thread that started us ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Keep our memory from other processes of the same user."""
    _prctl(_PR_SET_DUMPABLE, 0)


def forgo_privileges() -> None:
    """Nothing executed from now on gains any."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_bounding_set() -> None:
    """Take every capability out of what an executed program could ever get; needs to be root."""
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            return  # beyond the last one that this kernel knows, or not ours to drop


def install_filter(program: bytes) -> None:
    """Hold this process and all that it starts to a seccomp program."""
    structure = _Program(len(program) // 8, program)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(structure))


def install_listening_filter(program: bytes, call: int) -> int:
    """Like `install_filter`, for a program that hands calls to the holder of the descriptor that it returns.

    `call` is the number of seccomp(2) on this architecture.
    """
    structure = _Program(len(program) // 8, program)
    arguments = ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_NEW_LISTENER), ctypes.byref(structure)
    return _call(call, "seccomp", *arguments)


def take_descriptor(pidfd: int, number: int) -> int:
    """Our own copy of a descriptor of another process."""
    return _call(_PIDFD_GETFD, "pidfd_getfd", ctypes.c_int(pidfd), ctypes.c_int(number), ctypes.c_uint(0))


def make_ruleset(version: int, rules: list[tuple[str, int]], network: bool) -> int:
    """A descriptor of a ruleset of that version's interface that allows nothing but `rules` (path, rights).

    Paths that do not exist are left out.
    """
    files = FULL_BY_VERSION[min(version, len(FULL_BY_VERSION) - 1)]
    attributes = _Ruleset(
        files,
        _BIND_AND_CONNECT_TCP if version >= 4 and not network else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _call(
        _CREATE_RULESET,
        "landlock_create_ruleset",
        ctypes.byref(attributes),
        ctypes.c_size_t(size),
        ctypes.c_uint(0),
    )
    for path, rights in rules:
        try:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not os.path.isdir(path):
            rights &= _OF_FILES
        rule = _PathBeneath(rights & files, parent)
        _call(
            _ADD_RULE,
            f"landlock_add_rule({path})",
            ctypes.c_int(ruleset),
            ctypes.c_int(_RULE_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint(0),
        )
        os.close(parent)
    return ruleset


FULL_BY_VERSION = (
    0,
    _EVERYTHING & ~(_REFER | _TRUNCATE | _IOCTL_DEVICE),
    _EVERYTHING & ~(_TRUNCATE | _IOCTL_DEVICE),
    _EVERYTHING & ~_IOCTL_DEVICE,
    _EVERYTHING & ~_IOCTL_DEVICE,
    _EVERYTHING,
)
"""Rights that each version of the interface, from 0, can refuse."""


def restrict_self(ruleset: int) -> None:
    """Hold this process and all that it starts to the ruleset."""
    _call(_RESTRICT_SELF, "landlock_restrict_self", ctypes.c_int(ruleset), ctypes.c_uint(0))
