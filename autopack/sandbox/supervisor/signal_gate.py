"""Lets a command signal only its own processes, where Landlock cannot and the user is the same as ours.

The kernel hands each such call to us and holds its caller; the arguments are plain numbers, which the caller
cannot change meanwhile.
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


class SignalGate:
    """The supervisor's end of the filter."""

    def __init__(self, child: int, listener: int) -> None:
        """Take `listener`, the child's descriptor of its filter. Raises OSError."""
        self._root = os.getpid()
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
            number, _, _, _, _, _, target, *_ = struct.unpack(_NOTIFICATION, buffer)
            if self._may_signal(ctypes.c_int(target & 0xFFFF_FFFF).value):
                response = struct.pack(_RESPONSE, number, 0, 0, _CONTINUE)
            else:
                response = struct.pack(_RESPONSE, number, 0, -errno.EPERM, 0)
            fcntl.ioctl(self.descriptor, _SEND, response)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR):  # the caller has ended, or we were interrupted
                raise

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
