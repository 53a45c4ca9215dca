"""Attempts to escape, each run in every tier and also without a sandbox: there it succeeds, so it is one."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from autopack.sandbox import Command, Limits, Workspace

PRELUDE = """
import ctypes, os, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
ANY = ctypes.create_string_buffer(8192)
def call(number, *arguments):
    words = (a if isinstance(a, bytes) else ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result
def escaped(): print("ESCAPED", flush=True)
def attempt(work):
    try:
        if work() is not False: escaped()
    except (OSError, ValueError) as error: print(type(error).__name__, error, flush=True)
"""
TRIED = "TRIED"
"""Printed at the end: what was not tried to its end proves nothing."""

ALONE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--mount-proc")
"""Where a control could harm the machine it runs in namespaces of its own."""


@dataclass(frozen=True)
class Escape:
    """One attempt; `{...}` is filled in with what the test has on the host."""

    name: str
    code: str
    root: bool = False
    """Whether only root succeeds without a sandbox."""
    alone: bool = False
    """Whether the control runs in namespaces of its own."""
    native: bool = False
    """Whether it has numbers of x86_64."""


READ = 'attempt(lambda: "secret of the host" in open(f"{}{{secret}}").read())'

# Somewhere in what the parent may write.
PARENT = (
    "def place():\n"
    '    with open(f"/proc/{{os.getppid()}}/maps") as maps:\n'
    '        return next(int(line.split("-")[0], 16) for line in maps if " rw-p " in line)\n'
)

ESCAPES = (
    Escape("read a file of the host", READ.format("")),
    Escape("read it through the root of a process", READ.format("/proc/{{os.getppid()}}/root")),
    Escape("write a file of the host", 'attempt(lambda: open("{secret}", "a").close())'),
    Escape("empty a file of the host", 'attempt(lambda: os.truncate("{spare}", 0))'),
    Escape("link to a file of the host", 'attempt(lambda: os.link("{spare}", "linked"))'),
    Escape("move a file of the host", 'attempt(lambda: os.rename("{spare}", "moved"))'),
    Escape(
        "change what the base has through a link",
        'attempt(lambda: os.link("{base}/README", "linked") or open("linked", "a").close())',
    ),
    Escape("list the host's processes", "attempt(lambda: open('/proc/{bystander}/cmdline').read())"),
    Escape("signal a process of the host", "attempt(lambda: os.kill({bystander}, 0))"),
    Escape("signal it by descriptor", "attempt(lambda: call(424, os.pidfd_open({bystander}), 0, None, 0))"),
    Escape(
        "limit a process of the host",
        "import resource\nattempt(lambda: resource.prlimit({bystander}, resource.RLIMIT_MSGQUEUE, (0, 0)))",
    ),
    Escape(
        "write the memory of the parent",
        f"{PARENT}def write():\n"
        "    start = place()\n"
        '    with open(f"/proc/{{os.getppid()}}/mem", "r+b", 0) as memory:\n'
        "        memory.seek(start); byte = memory.read(1); memory.seek(start); memory.write(byte)\n"
        "attempt(write)",
    ),
    Escape(
        "write the memory of the parent by a call",
        "class Vector(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]\n"
        f"{PARENT}def read():\n"
        "    own, other = Vector(ctypes.addressof(ANY), 1), Vector(place(), 1)\n"
        "    call(310, os.getppid(), ctypes.byref(own), 1, ctypes.byref(other), 1, 0)\n"
        "    call(311, os.getppid(), ctypes.byref(own), 1, ctypes.byref(other), 1, 0)\n"
        "attempt(read)",
        native=True,
    ),
    Escape("trace", "attempt(lambda: libc.ptrace(0, 0, 0, 0) == 0)"),
    Escape("use an inherited descriptor", 'attempt(lambda: os.write({descriptor}, b"attack"))'),
    Escape(
        "connect to an abstract socket",
        'attempt(lambda: socket.socket(socket.AF_UNIX).connect("\\0{socket}"))',
    ),
    Escape(
        "connect to a socket's path", 'attempt(lambda: socket.socket(socket.AF_UNIX).connect("{socket}"))'
    ),
    Escape("connect to the host", 'attempt(lambda: socket.create_connection(("127.0.0.1", {port}), 3))'),
    Escape("make a virtual machine's socket", "attempt(lambda: socket.socket(40, socket.SOCK_STREAM))"),
    Escape(
        "listen to the kernel's events",
        "attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15))",
    ),
    Escape("see every packet", "attempt(lambda: socket.socket(17, socket.SOCK_RAW, 0))", root=True),
    Escape("make a user namespace", "attempt(lambda: libc.unshare(0x10000000) == 0)"),
    Escape(
        "make a user namespace by clone",
        "def clone():\n    child = call(56, 0x10000000 | 17, 0, 0, 0, 0)\n"
        "    if child == 0: os._exit(0)\n    os.waitpid(child, 0)\nattempt(clone)",
        native=True,
    ),
    Escape("make a mount namespace", "attempt(lambda: libc.unshare(0x20000) == 0)", root=True),
    Escape(
        "enter a namespace of the host",
        'attempt(lambda: libc.setns(os.open("/proc/{bystander}/ns/uts", os.O_RDONLY), 0) == 0)',
        root=True,
    ),
    Escape(
        "mount",
        'attempt(lambda: libc.mount(b"tmpfs", b"/mnt", b"tmpfs", 0, None) == 0)',
        root=True,
        alone=True,
    ),
    Escape(
        "remount the root writable",
        'attempt(lambda: libc.mount(b"none", b"/", None, 32, None) == 0)',
        root=True,
        alone=True,
    ),
    Escape("change the root", 'attempt(lambda: os.chroot("/"))', root=True),
    Escape(
        "make a block device",
        'attempt(lambda: os.mknod("device", 0o060600, os.stat("/dev/null").st_rdev))',
        root=True,
    ),
    Escape("open the kernel's log", 'attempt(lambda: os.open("/dev/kmsg", os.O_WRONLY))', root=True),
    Escape(
        "set where cores are piped",
        'attempt(lambda: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))',
        root=True,
    ),
    Escape("drop the kernel's caches", 'attempt(lambda: os.open("/proc/sys/vm/drop_caches", 1))', root=True),
    Escape("set the machine's name", 'attempt(lambda: socket.sethostname("attack"))', root=True, alone=True),
    Escape(
        "set the clock",
        "attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME)))",
        root=True,
    ),
    Escape(
        "run before everybody else",
        "attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))",
        root=True,
    ),
    Escape("raise one's priority", "attempt(lambda: os.setpriority(os.PRIO_PROCESS, 0, -5))", root=True),
    Escape(
        "leave one's control group",
        'attempt(lambda: os.open("{cgroup}/cgroup.procs", os.O_WRONLY))',
        root=True,
    ),
    Escape("make a ring", "attempt(lambda: call(425, 8, ANY))", native=True),
    Escape("use the user's keys", "attempt(lambda: call(250, 0, -4, 1, 0, 0))", native=True),
    Escape(
        "make a map of the kernel's programs",
        "attempt(lambda: call(321, 0, struct.pack('6I', 2, 4, 4, 1, 0, 0).ljust(128, b'\\0'), 128))",
        root=True,
        native=True,
    ),
    Escape(
        "count the kernel's events",
        "attempt(lambda: call(298, struct.pack('II', 1, 112).ljust(112, b'\\0'), 0, -1, -1, 0))",
        root=True,
        native=True,
    ),
    Escape("handle others' page faults", "attempt(lambda: call(323, 0))", native=True),
    Escape(
        "open a file by its handle",
        "def handle():\n"
        "    buffer = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 136)\n"
        "    mount = ctypes.c_int()\n"
        "    call(303, -100, b'{known}', buffer, ctypes.byref(mount), 0)\n"
        "    call(304, os.open('{known}', os.O_RDONLY), buffer, os.O_RDONLY)\n"
        "attempt(handle)",
        root=True,
        native=True,
    ),
    Escape(
        "name a file's handle",
        "def handle():\n"
        "    buffer = ctypes.create_string_buffer(struct.pack('Ii', 128, 0), 136)\n"
        "    mount = ctypes.c_int()\n"
        "    call(303, -100, b'{known}', buffer, ctypes.byref(mount), 0)\n"
        "attempt(handle)",
        native=True,
    ),
)


@dataclass(frozen=True)
class Host:
    """What the attempts are about."""

    facts: dict[str, object]
    descriptor: int


@contextmanager
def host_with_things(directory: Path, base: Path) -> Iterator[Host]:
    """A secret, a process, sockets and an open descriptor, all as easy to reach as can be."""
    for path in (directory, *directory.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    for name in ("secret", "spare"):
        (directory / name).write_text("the secret of the host")
        (directory / name).chmod(0o666)
    address = str(directory / "socket")
    with ExitStack() as stack:
        for name in (address, f"\0{address}"):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(name)
            listening.listen()
        os.chmod(address, 0o777)
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        reader, writer = os.pipe()
        stack.callback(os.close, reader)
        stack.callback(os.close, writer)
        os.set_inheritable(writer, True)
        bystander = stack.enter_context(subprocess.Popen(["sh", "-c", "read line"], stdin=subprocess.PIPE))
        cgroup = next(Path("/sys/fs/cgroup").rglob("cgroup.procs"), Path("/sys/fs/cgroup/none")).parent
        yield Host(
            {
                "secret": directory / "secret",
                "spare": directory / "spare",
                "base": base,
                "socket": address,
                "port": server.getsockname()[1],
                "bystander": bystander.pid,
                "descriptor": writer,
                "cgroup": cgroup,
                "known": "/usr/bin/env",
            },
            writer,
        )
        assert bystander.stdin is not None
        assert bystander.poll() is None
        bystander.stdin.close()


def outside(script: Path, escape: Escape, host: Host, directory: Path) -> str:
    """What the same attempt prints without a sandbox."""
    argv = [*(ALONE if escape.alone else ()), sys.executable, "-I", str(script)]
    done = subprocess.run(
        argv, cwd=directory, capture_output=True, text=True, timeout=60, pass_fds=(host.descriptor,)
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("escape", ESCAPES, ids=lambda escape: escape.name.replace(" ", "-"))
async def test_what_escapes_without_a_sandbox_does_not_from_one(
    escape: Escape, workspace: Workspace, tmp_path: Path, base: Path
) -> None:
    if escape.native and os.uname().machine != "x86_64":
        pytest.skip("these are the numbers of x86_64")
    with host_with_things(tmp_path, base) as host:
        code = f"{PRELUDE}\n{escape.code.format(**host.facts)}\nprint({TRIED!r})\n"
        inside = await workspace.run(Command('python -I -c "$CODE"', environment={"CODE": code}), Limits(30))
        said = inside.output.decode()
        assert "ESCAPED" not in said
        # What ends the attempt by a signal has refused it.
        assert TRIED in said or inside.signal, said
        script = tmp_path / "escape.py"
        script.write_text(code)
        if os.geteuid() == 0 or not (escape.root or escape.alone):
            control = outside(script, escape, host, tmp_path)
            if "ESCAPED" not in control:
                pytest.skip(f"this machine refuses it to everybody: {control}")
