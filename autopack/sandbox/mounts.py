"""The mount calls that Python lacks: a private mount namespace, and binds that appear as another user's."""

import ctypes
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)

_CLONE_NEWNS = 0x20000
_MS_REC, _MS_SLAVE = 1 << 14, 1 << 19
_MS_NOSUID, _MS_NODEV = 2, 4
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
        stderr=subprocess.DEVNULL,
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


def clone_read_only(source: Path, id_mapping: int | None) -> int:
    """A descriptor of a mount, attached nowhere yet, that shows `source` read-only and with its ids mapped.

    Without a mapping it shows what is mounted below `source`, too. Raises OSError where ids cannot be mapped.
    """
    recursive = _AT_RECURSIVE if id_mapping is None else 0
    tree = _check(
        _libc.syscall(
            _SYS_OPEN_TREE,
            _AT_FDCWD,
            os.fsencode(source),
            ctypes.c_uint(_OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | recursive),
        ),
        f"open_tree({source})",
    )
    attributes = _MountAttributes(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    if id_mapping is not None:
        attributes.set |= _MOUNT_ATTR_IDMAP
        attributes.user_namespace = id_mapping
    try:
        _check(
            _libc.syscall(
                _SYS_MOUNT_SETATTR,
                tree,
                b"",
                ctypes.c_uint(_AT_EMPTY_PATH | recursive),
                ctypes.byref(attributes),
                ctypes.c_size_t(ctypes.sizeof(attributes)),
            ),
            f"mount_setattr({source})",
        )
    except OSError:
        os.close(tree)
        raise
    return tree


def attach(tree: int, target: Path) -> None:
    """Mount what `clone_read_only` gave on `target`, in the calling thread's mount namespace."""
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


def expose(paths: Sequence[Path]) -> None:
    """Make directories below closed ones (/root) reachable to all, in the calling thread's namespace."""
    # All are opened before the first is covered.
    trees = [(path, clone_read_only(path, None)) for path in paths if closed_above(path) is not None]
    for path, tree in trees:
        make_place(path, directory=True)
        attach(tree, path)
        os.close(tree)


def make_place(path: Path, directory: bool) -> None:
    """Have something at `path` that can be mounted on and that everybody can reach.

    A closed directory on the way is covered, in the calling thread's namespace, by an empty one in which
    nothing appears but what is put there so.
    """
    closed = closed_above(path)
    if closed is not None:
        flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
        covered = _libc.mount(b"tmpfs", os.fsencode(closed), b"tmpfs", flags, b"mode=755,size=1m")
        _check(covered, f"mount({closed})")
    path.parent.mkdir(parents=True, exist_ok=True)
    if directory:
        path.mkdir(exist_ok=True)
    else:
        path.touch()


def closed_above(path: Path) -> Path | None:
    """The topmost directory on the way to `path` that not everybody may pass, as far as there are any."""
    for directory in (*reversed(path.parents), path):
        try:
            status = directory.stat()
        except FileNotFoundError:
            return None
        if stat.S_ISDIR(status.st_mode) and not status.st_mode & stat.S_IXOTH:
            return directory
    return None


def unmount(target: Path) -> None:
    """Take `target` off the calling thread's mount namespace."""
    _check(_libc.umount2(os.fsencode(target), _MNT_DETACH), f"umount2({target})")
