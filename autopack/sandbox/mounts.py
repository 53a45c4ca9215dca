"""The mount calls that Python lacks: a private mount namespace, and binds that appear as another user's."""

import ctypes
import os
import subprocess
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19
_MNT_DETACH = 2
_AT_FDCWD, _AT_EMPTY_PATH, _AT_RECURSIVE = -100, 0x1000, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4
_MOUNT_ATTR_IDMAP, _MOUNT_ATTR_RDONLY = 0x100000, 1
# The same numbers on every architecture that has them (all calls since Linux 5.0).
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def enter_private_mount_namespace() -> None:
    """Give the calling thread alone a mount namespace; later mounts of the host still appear in it."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None), "mount(MS_SLAVE)")


def open_id_mapping(uid: tuple[int, int], gid: tuple[int, int]) -> int:
    """A descriptor of a user namespace that maps the first id of each pair (on disk) to the second (seen)."""
    with subprocess.Popen(
        ["unshare", "--user", "--", "sh", "-c", "echo; read -r line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            if not holder.stdout.read(1):
                raise OSError("the user namespace for mapping ids could not be made")
            for name, (on_disk, seen) in (("uid_map", uid), ("gid_map", gid)):
                Path(f"/proc/{holder.pid}/{name}").write_text(f"{on_disk} {seen} 1")
            return os.open(f"/proc/{holder.pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            holder.stdin.close()


def bind_read_only(source: Path, target: Path, id_mapping: int | None) -> None:
    """Mount `source` on `target` with its ids mapped, in the calling thread's mount namespace."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (_AT_RECURSIVE if id_mapping is None else 0)
    tree = _check(
        _libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(source), ctypes.c_uint(flags)),
        f"open_tree({source})",
    )
    try:
        attributes = _MountAttributes(_MOUNT_ATTR_RDONLY, 0, 0, 0)
        if id_mapping is not None:
            attributes.set |= _MOUNT_ATTR_IDMAP
            attributes.user_namespace = id_mapping
        _check(
            _libc.syscall(
                _SYS_MOUNT_SETATTR,
                tree,
                b"",
                ctypes.c_uint(_AT_EMPTY_PATH | (_AT_RECURSIVE if id_mapping is None else 0)),
                ctypes.byref(attributes),
                ctypes.c_size_t(ctypes.sizeof(attributes)),
            ),
            f"mount_setattr({source})",
        )
        _check(
            _libc.syscall(
                _SYS_MOVE_MOUNT,
                tree,
                b"",
                _AT_FDCWD,
                os.fsencode(target),
                ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH),
            ),
            f"move_mount({target})",
        )
    finally:
        os.close(tree)


def unmount(target: Path) -> None:
    """Take `target` off the calling thread's mount namespace."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), f"umount2({target})")
