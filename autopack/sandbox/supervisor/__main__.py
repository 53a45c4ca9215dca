"""Runs one command under Landlock and seccomp, and ends only when every process that came of it has ended.

Started as `python -I -S DIRECTORY DESCRIPTOR`, which is where it reads its marshalled `Configuration`.
"""

import marshal
import os
import resource
import select
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autopack.sandbox.landlock_launcher import Configuration
    from autopack.sandbox.supervisor import kernel
    from autopack.sandbox.supervisor.descendants import descendants, signal_all
    from autopack.sandbox.supervisor.gate import Gate
else:  # an executed directory finds its modules beside it
    import kernel
    from descendants import descendants, signal_all

_SETUP_FAILED = 125
_ALL_DESCRIPTORS = 0x7FFF_FFFF


def main() -> None:
    """Start the command, wait, kill what it left, say how it ended."""
    parent = os.getppid()
    with os.fdopen(int(sys.argv[1]), "rb") as file:
        configuration: Configuration = marshal.load(file)
    kernel.adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD, signal.SIGTERM))
    kernel.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        return
    errors, error = os.pipe2(os.O_CLOEXEC)
    told, tell = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            _become_command(configuration, error, told)
        except BaseException as failure:
            os.write(error, f"{type(failure).__name__}: {failure}".encode())
        os._exit(_SETUP_FAILED)
    os.close(error)
    gate = None
    if configuration["gate"] is not None and (listener := os.read(errors, 16)).isdigit():
        gate = _open_gate(child, int(listener), configuration)
    kernel.hide_memory()
    os.close(tell)
    status = _wait_for(child) if gate is None else _wait_and_answer(child, gate)
    _kill_all()
    if failed := os.read(errors, 4096):
        os.write(1, failed)
    elif status is not None:
        os.write(configuration["status"], str(status).encode())


def _become_command(configuration: "Configuration", error: int, told: int) -> None:
    """Give up everything, step by step, and turn into the command's shell."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD, signal.SIGTERM))
    os.setsid()
    kept = sorted((error, told))
    for first, last in ((3, kept[0]), (kept[0] + 1, kept[1]), (kept[1] + 1, _ALL_DESCRIPTORS)):
        os.closerange(first, last)
    os.umask(0o022)
    for path in configuration["join_files"]:
        with open(path, "w") as file:
            file.write("0")
    os.chdir(configuration["directory"])
    ruleset = kernel.make_ruleset(configuration["landlock"], configuration["rules"], configuration["network"])
    identity = configuration["identity"]
    if identity is not None:
        kernel.drop_bounding_set()
        os.setgroups([])
        os.setresgid(identity[1], identity[1], identity[1])
        os.setresuid(identity[0], identity[0], identity[0])
    for name, value in configuration["rlimits"]:
        resource.setrlimit(name, (value, value))
    kernel.forgo_privileges()
    kernel.restrict_self(ruleset)
    os.close(ruleset)
    for program in configuration["programs"]:
        kernel.install_filter(program)
    if configuration["gate"] is not None:
        program, call, _ = configuration["gate"]
        listener = kernel.install_listening_filter(program, call)
        os.write(error, str(listener).encode())
        os.read(told, 1)  # until the supervisor has its own descriptor of it
        os.close(listener)
    os.execve(configuration["shell"], ["sh", "-ec", configuration["line"]], configuration["environment"])


def _wait_for(child: int) -> int | None:
    """The child's wait status; None if we are told to end before."""
    while signal.sigwait((signal.SIGCHLD, signal.SIGTERM)) == signal.SIGCHLD:
        if (status := _reap().get(child)) is not None:
            return status
    return None


def _open_gate(child: int, listener: int, configuration: "Configuration") -> "Gate":
    if not TYPE_CHECKING:  # costs time that commands of another user need not spend
        from gate import Gate
    assert configuration["gate"] is not None
    return Gate(child, listener, configuration["gate"][2], configuration["writable"])


def _wait_and_answer(child: int, gate: "Gate") -> int | None:
    """Like `_wait_for`, deciding meanwhile what comes to the gate."""
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD, signal.SIGTERM))
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    poll.register(gate.descriptor, select.POLLIN)
    while True:
        for descriptor, events in poll.poll():
            if descriptor == gate.descriptor:
                if events & select.POLLIN:
                    gate.answer()
                else:
                    poll.unregister(descriptor)  # nobody is left whom it concerns
            elif signal.SIGTERM in os.read(reader, 4096):
                return None
            elif (status := _reap().get(child)) is not None:
                return status


def _kill_all() -> None:
    """Kill every descendant and wait until the last is reaped: as orphans they all become our children."""
    while True:
        signal_all(descendants(os.getpid()), signal.SIGKILL)
        try:
            _reap()
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return
        time.sleep(0.001)


def _reap() -> dict[int, int]:
    """Wait statuses of the children that have ended."""
    ended = {}
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = found[1]
    except ChildProcessError:
        return ended
    return ended


if __name__ == "__main__":
    main()
