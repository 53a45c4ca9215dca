"""Decides calls that Landlock does not confine, for commands that run as the same user as we do.

The kernel hands such a call to us and holds its caller. Arguments that are numbers cannot change meanwhile:
the kernel goes on with them. Where they name a file we make the change ourselves.
"""

import ctypes
import errno
import fcntl
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autopack.sandbox.supervisor import kernel
    from autopack.sandbox.supervisor.descendants import stat_fields
else:  # an executed directory finds its modules beside it
    import kernel
    from descendants import stat_fields

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTIFICATION, _RESPONSE = "QIIiIQ6Q", "QqiI"
_CONTINUE = 1
_PARENT, _GROUP = 1, 2
_AT_FDCWD, _AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = -100, 0x100, 0x1000
_PATH_MAX = 4096


class Gate:
    """The supervisor's end of the filter."""

    def __init__(self, child: int, listener: int, calls: dict[int, str], writable: list[str]) -> None:
        """Take `listener`, the child's descriptor of its filter. Raises OSError.

        `calls` names the calls that the filter hands over; modes may be changed below `writable` only.
        """
        self._root = os.getpid()
        self._calls = calls
        self._writable = tuple(f"{path}/" for path in writable)
        pidfd = os.pidfd_open(child)
        try:
            self.descriptor = kernel.take_descriptor(pidfd, listener)
        finally:
            os.close(pidfd)

    def answer(self) -> None:
        """Decide one call."""
        buffer = bytearray(struct.calcsize(_NOTIFICATION))
        try:
            fcntl.ioctl(self.descriptor, _RECEIVE, buffer)
            number, caller, _, call, _, _, *arguments = struct.unpack(_NOTIFICATION, buffer)
            error, flags = self._decide(self._calls[call], caller, arguments)
            fcntl.ioctl(self.descriptor, _SEND, struct.pack(_RESPONSE, number, 0, -error, flags))
        except OSError as failure:
            if failure.errno not in (
                errno.ENOENT,
                errno.EINTR,
            ):  # the caller has ended, or we were interrupted
                raise

    def _decide(self, name: str, caller: int, arguments: list[int]) -> tuple[int, int]:
        """Error number and flags of the response."""
        first, second, third, fourth = (ctypes.c_int(word & 0xFFFF_FFFF).value for word in arguments[:4])
        if name not in ("chmod", "fchmod", "fchmodat", "fchmodat2"):
            return (0, _CONTINUE) if self._may_signal(first) else (errno.EPERM, 0)
        try:
            if name == "chmod":
                self._change_mode(caller, _AT_FDCWD, arguments[0], second, 0)
            elif name == "fchmod":
                self._change_mode(caller, first, None, second, _AT_EMPTY_PATH)
            else:
                flags = fourth if name == "fchmodat2" else 0
                self._change_mode(caller, first, arguments[1], third, flags)
        except OSError as failure:
            return failure.errno or errno.EPERM, 0
        return 0, 0

    def _change_mode(self, caller: int, directory: int, address: int | None, mode: int, flags: int) -> None:
        """What the caller wanted, on a descriptor of our own, if the file lies where it may write."""
        path = b"" if address is None else _read_path(caller, address)
        if not path and not flags & _AT_EMPTY_PATH:
            raise FileNotFoundError(errno.ENOENT, "")
        start = f"/proc/{caller}/cwd" if directory == _AT_FDCWD else f"/proc/{caller}/fd/{directory}"
        target = os.open(start, os.O_PATH | os.O_CLOEXEC)
        try:
            if path:
                follow = os.O_NOFOLLOW if flags & _AT_SYMLINK_NOFOLLOW else 0
                found = os.open(path, os.O_PATH | os.O_CLOEXEC | follow, dir_fd=target)
                os.close(target)
                target = found
            name = os.readlink(f"/proc/self/fd/{target}")
            if not f"{name}/".startswith(self._writable) and not name.startswith("/memfd:"):
                raise PermissionError(errno.EPERM, "")
            os.chmod(f"/proc/self/fd/{target}", mode & 0o7777)
        finally:
            os.close(target)

    def _may_signal(self, target: int) -> bool:
        """Whether `target`, as kill(2) has it, is only what descends from us, or is nothing at all."""
        if target == 0:
            return True  # the caller's group, which is in the command's session
        if target == -1:
            return False
        if target > 0:
            return not stat_fields(target) or self._descends(target)
        return all(
            self._descends(int(name))
            for name in os.listdir("/proc")
            if name.isdigit() and (fields := stat_fields(int(name))) and int(fields[_GROUP]) == -target
        )

    def _descends(self, process: int) -> bool:
        while process > 1:
            fields = stat_fields(process)
            if not fields:
                return False
            process = int(fields[_PARENT])
            if process == self._root:
                return True
        return False


def _read_path(process: int, address: int) -> bytes:
    """The string at that address of a process."""
    with open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        read = b""
        # Not beyond the page, which may be the last one there is.
        while b"\0" not in read and len(read) < _PATH_MAX:
            read += memory.read(_PATH_MAX - (address + len(read)) % _PATH_MAX)
    if b"\0" not in read:
        raise OSError(errno.ENAMETOOLONG, "")
    return read[: read.index(b"\0")]
