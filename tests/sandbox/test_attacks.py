"""Ways out that have worked against naive sandboxes: each must fail in every tier that claims to stop it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from autopack.errors import InvalidInput
from autopack.gitstore.write_path import Edit
from autopack.sandbox import Command, Limits, Result, Sandbox, Workspace

Run = Callable[..., Awaitable[Result]]

SYSCALL = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    result = libc.syscall(number, *(ctypes.c_long(argument) for argument in arguments))
    return errno.errorcode[ctypes.get_errno()] if result < 0 else "DONE"
"""


def text(path: Path) -> str:
    return path.read_text()


def python(code: str) -> str:
    """A shell line that runs Python code holding no single quotes."""
    assert "'" not in code
    return f"python -c '{code}'"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the host outside the base, as readable as can be."""
    path = tmp_path / "secret"
    path.write_text("the secret of the host")
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o055)
    return path


async def test_files_of_the_host_cannot_be_read(run: Run, secret: Path) -> None:
    for path in (secret, Path.home() / ".bashrc", Path("/etc/shadow"), Path("/etc/hostname"), Path(__file__)):
        result = await run(f"cat {path}")
        assert result.exit_code != 0
        assert b"secret" not in result.output.replace(os.fsencode(path), b"")


async def test_home_is_not_that_of_the_host(run: Run) -> None:
    result = await run(
        'echo "$HOME"; ls -A ~; '
        "for home in /root /home/*; do cat $home/.profile $home/.bashrc 2>/dev/null || true; done"
    )
    assert result.output.strip() == result.output.splitlines()[0]
    assert result.output.strip() != os.fsencode(Path.home())


async def test_nothing_outside_can_be_written(run: Run, base: Path, secret: Path) -> None:
    targets = (
        "/usr/x",
        "/etc/x",
        "/x",
        "/proc/x",
        "/dev/x",
        "/opt/x",
        f"{base}/README",
        secret,
        sys.executable,
    )
    for target in targets:
        result = await run(f"echo attack >{target}")
        assert result.exit_code != 0, target
    assert text(base / "README") == "read me\n"
    assert text(secret) == "the secret of the host"


async def test_modes_outside_cannot_be_changed(run: Run, secret: Path) -> None:
    mode = os.lstat(secret).st_mode
    environment = os.path.join(sys.prefix, "pyvenv.cfg")
    code = (
        "import os\n"
        f'paths = ["{secret}", "{environment}", "{secret.parent}"]\n'
        'os.symlink(paths[0], "to-secret")\n'
        'for path in [*paths, "to-secret"]:\n'
        "  for change in (lambda: os.chmod(path, 0o777), lambda: os.chown(path, -1, os.getgid()),\n"
        '    lambda: os.setxattr(path, b"user.x", b"x"),\n'
        "    lambda: os.fchmod(os.open(path, os.O_RDONLY), 0o777)):\n"
        '    try: change(); print("CHANGED", path)\n'
        "    except OSError: pass"
    )
    assert (await run(python(code))).output == b""
    assert os.lstat(secret).st_mode == mode


async def test_modes_inside_can_be_changed(run: Run) -> None:
    code = (
        "import os, tempfile\n"
        'os.chmod("README", 0o600); os.chmod(os.path.abspath("run.sh"), 0o700)\n'
        'directory = os.open("package", os.O_RDONLY); os.chmod("module.py", 0o640, dir_fd=directory)\n'
        'os.symlink("run.sh", "l"); os.chmod("l", 0o711)\n'
        "f = tempfile.TemporaryFile(); os.fchmod(f.fileno(), 0o604)\n"
        "assert os.fstat(f.fileno()).st_mode & 7 == 4\n"
        'try: os.chmod("missing", 0)\nexcept FileNotFoundError: print("missing")'
    )
    result = await run(
        python(code) + "; chmod +x package/module.py; stat -c %a README run.sh package/module.py"
    )
    assert result.output == b"missing\n600\n711\n751\n"


async def test_variables_and_arguments_of_others_cannot_be_read(run: Run) -> None:
    marker = "argument-of-another-process"
    with running_outside(marker, {"SECRET": "variable-of-another-process"}):
        result = await run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n' || true")
    assert b"variable-of-another-process" not in result.output
    assert b"argument-of-another-process" not in result.output


@contextlib.contextmanager
def running_outside(marker: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host, which must be alive at the end."""
    process = subprocess.Popen(["sh", "-c", "echo; read line", marker], stdin=-1, stdout=-1, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdout.read(1)
        yield process
        assert process.poll() is None
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


async def test_no_process_outside_can_be_signalled(run: Run) -> None:
    with running_outside("bystander", {}) as bystander:
        await run(f"kill -9 {bystander.pid}; kill -9 -{os.getpgid(0)}; kill -9 {os.getpid()} $PPID 0")
        await run("kill -9 -1")
        await run(python("import os\nos.kill(-1, 9)"))
        await run(python("import os\nos.killpg(0, 9)"))
        await run(f"for p in $(seq 2 400) {bystander.pid}; do kill -9 $p 2>/dev/null || true; done")


async def test_a_command_that_kills_its_parents_ends_only_itself(run: Run) -> None:
    result = await run("sleep 4721.1 & kill -9 $PPID; sleep 0.2; kill -9 1; echo here", seconds=10)
    assert result.limit is None
    assert (await run("echo fine")).output == b"fine\n"


async def test_memory_of_parents_cannot_be_written(run: Run) -> None:
    result = await run(
        python(
            "import os\n"
            "for name in (os.getppid(), 1):\n"
            "  try:\n"
            '    f = open(f"/proc/{name}/mem", "r+b", 0)\n'
            '    line = open(f"/proc/{name}/maps").readline()\n'
            '    f.seek(int(line.split("-")[0], 16)); f.write(b"attack"); print("WROTE", name)\n'
            "  except OSError as error: print(error)\n"
        )
    )
    assert b"WROTE" not in result.output


async def test_own_session_and_no_terminal(run: Run) -> None:
    result = await run(
        python('import os\nprint(os.getsid(0) == os.getpgid(0), flush=True)\nopen("/dev/tty")')
    )
    assert result.output.startswith(b"True\n")
    assert b"Error" in result.output


async def test_no_descriptor_but_the_three_is_inherited(run: Run) -> None:
    read, write = os.pipe()
    try:
        os.set_inheritable(write, True)
        result = await run(
            python(
                "import os\n"
                "for n in range(3, 4096):\n"
                '  try: os.fstat(n); print("OPEN", n)\n'
                "  except OSError: pass\n"
                "print(os.fstat(0).st_rdev == os.makedev(1, 3))"
            )
        )
    finally:
        os.close(read)
        os.close(write)
    assert result.output == b"True\n"


async def test_the_network_cannot_be_reached(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        accepted = threading.Event()
        server.settimeout(20)

        def accept() -> None:
            with contextlib.suppress(OSError):
                server.accept()
                accepted.set()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        for address in (("127.0.0.1", port), ("1.1.1.1", 53), ("::1", port)):
            result = await run(
                python(f"import socket\nsocket.create_connection({address!r}, 2)".replace("'", '"'))
            )
            assert result.exit_code == 1, result.output
        udp = 'import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("1.1.1.1", 53))'
        assert (await run(python(udp))).exit_code == 1
        assert not accepted.is_set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_own_loopback_works_where_there_is_a_network_of_its_own(run: Run, sandbox: Sandbox) -> None:
    if sandbox.tier == "landlock":
        pytest.skip("this tier has no sockets at all")
    code = (
        'import socket\ns = socket.create_server(("127.0.0.1", 0))\n'
        'c = socket.create_connection(s.getsockname(), 5)\nc.send(b"hello")\nprint(s.accept()[0].recv(9))'
    )
    assert (await run(python(code))).output == b"b'hello'\n"


async def test_the_network_where_it_is_named_brings_no_local_sockets(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0autopack-named-network")
        abstract.listen()
        code = (
            f'import socket\nsocket.create_connection(("127.0.0.1", {server.getsockname()[1]}), 5)\n'
            'print("connected", flush=True)\n'
            'socket.socket(socket.AF_UNIX).connect("\\0autopack-named-network")'
        )
        result = await workspace.run(Command(python(code), network=True), Limits(10))
    assert result.output.startswith(b"connected\n")
    assert result.exit_code == 1
    resolver = await workspace.run(Command("cat /etc/resolv.conf", network=True), Limits(10))
    assert resolver.output == os.fsencode(text(Path("/etc/resolv.conf")))


async def test_local_sockets_of_the_host_cannot_be_reached(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as abstract:
        named.bind(path)
        named.listen()
        abstract.bind("\0autopack-test")
        abstract.listen()
        for address in (f'"{path}"', '"\\0autopack-test"'):
            for kind in ("STREAM", "DGRAM"):
                code = f"import socket\nsocket.socket(socket.AF_UNIX, socket.SOCK_{kind}).connect({address})"
                assert (await run(python(code))).exit_code == 1
            code = f'import socket\nsocket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b"x", {address})'
            assert (await run(python(code))).exit_code == 1


async def test_no_other_family_of_sockets(run: Run) -> None:
    """AF_VSOCK, AF_PACKET, AF_KEY, AF_ALG, AF_XDP, AF_BLUETOOTH, AF_X25, unknown, and one in disguise."""
    families = (40, 17, 15, 38, 44, 31, 9, 200, 0x1_0000_0000 + 40)
    result = await run(python(f"{SYSCALL}for family in {families}: print(call(41, family, 1, 0))"))
    assert result.output.split() == [b"EAFNOSUPPORT"] * len(families)


FORBIDDEN_CALLS = (
    ("ptrace", 101, (0, 0, 0, 0)),
    ("process_vm_writev", 311, (1, 0, 0, 0, 0, 0)),
    ("mount", 165, (0, 0, 0, 0, 0)),
    ("umount2", 166, (0, 0)),
    ("pivot_root", 155, (0, 0)),
    ("chroot", 161, (0,)),
    ("unshare user", 272, (0x10000000,)),
    ("unshare mounts", 272, (0x20000,)),
    ("setns", 308, (0, 0)),
    ("clone user namespace", 56, (0x10000000 | 17, 0, 0, 0, 0)),
    ("clone3", 435, (0, 0)),
    ("io_uring_setup", 425, (8, 0)),
    ("keyctl", 250, (0, 0, 0, 0, 0)),
    ("add_key", 248, (0, 0, 0, 0, 0)),
    ("bpf", 321, (0, 0, 0)),
    ("perf_event_open", 298, (0, 0, 0, 0, 0)),
    ("userfaultfd", 323, (0,)),
    ("kexec_load", 246, (0, 0, 0, 0)),
    ("init_module", 175, (0, 0, 0)),
    ("finit_module", 313, (0, 0, 0)),
    ("settimeofday", 164, (0, 0)),
    ("clock_settime", 227, (0, 0)),
    ("adjtimex", 159, (0,)),
    ("sethostname", 170, (0, 0)),
    ("setdomainname", 171, (0, 0)),
    ("reboot", 169, (0, 0, 0, 0)),
    ("open_by_handle_at", 304, (0, 0, 0)),
    ("pidfd_getfd", 438, (0, 0, 0)),
    ("move_mount", 429, (0, 0, 0, 0, 0)),
    ("fsopen", 430, (0, 0)),
    ("open_tree", 428, (0, 0, 0)),
    ("mount_setattr", 442, (0, 0, 0, 0, 0)),
    ("type into a terminal", 16, (0, 0x5412, 0)),
    ("type into a terminal, disguised", 16, (0, 0x100005412, 0)),
    ("a call newer than the filter", 500, (0,)),
)
"""Name, number on x86_64, arguments."""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are the numbers of x86_64")
async def test_calls_that_lead_out_are_refused(run: Run) -> None:
    calls = [(number, *arguments) for _, number, arguments in FORBIDDEN_CALLS]
    result = await run(python(f"{SYSCALL}for arguments in {calls}: print(call(*arguments))"))
    answers = result.output.decode().split()
    allowed = [
        name
        for (name, *_), answer in zip(FORBIDDEN_CALLS, answers, strict=True)
        if answer not in ("EPERM", "ENOSYS")
    ]
    assert allowed == []


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="these are the numbers of x86_64")
async def test_the_x32_numbering_ends_the_process(run: Run) -> None:
    result = await run(python(f"{SYSCALL}print(call(0x40000000 + 165, 0, 0, 0, 0, 0))"))
    assert result.signal == signal.SIGSYS


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="machine code of x86_64")
async def test_32_bit_system_calls_end_the_process(run: Run) -> None:
    """`int 0x80` reaches the kernel's 32-bit table, where the same numbers mean other calls."""
    code = (
        "import ctypes, mmap\n"
        "m = mmap.mmap(-1, 4096, prot=7)\n"
        'm.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")\n'
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\n"
    )
    assert (await run(python(code))).signal == signal.SIGSYS


async def test_no_namespace_can_be_made(run: Run) -> None:
    for flags in ("-U", "-Ur", "-m", "-n", "-p -f", "-i", "-u", "-C", "-T"):
        result = await run(f"unshare {flags} true")
        assert result.exit_code == 1, flags


async def test_no_privilege_can_be_had(run: Run) -> None:
    code = (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()\n"
        "libc.capget(header, data)\n"
        "NO_NEW_PRIVS, SECCOMP, FILTER = 39, 21, 2\n"
        "print(list(data), libc.prctl(NO_NEW_PRIVS, 0, 0, 0, 0), libc.prctl(SECCOMP) == FILTER)\n"
        "print(0 in os.getresuid() + os.getresgid(), 0 in os.getgroups())"
    )
    assert (await run(python(code))).output == b"[0, 0, 0, 0, 0, 0] 1 True\nFalse False\n"
    assert (await run("su -c true || sudo -n true")).exit_code != 0


async def test_the_host_is_not_written_through_mounts(run: Run) -> None:
    """With root's own user id inside, the host's mounts could be made writable again."""
    result = await run(
        "mount -o remount,rw /usr; mount -o remount,rw /; mount -t tmpfs x /tmp; echo x >/usr/x"
    )
    assert result.exit_code != 0
    assert "x" not in os.listdir("/usr")


async def test_settings_of_the_kernel_cannot_be_changed(run: Run) -> None:
    before = text(Path("/proc/sys/kernel/core_pattern"))
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"):
        assert (await run(f"echo '|/tmp/attack' >{path}")).exit_code != 0
    assert text(Path("/proc/sys/kernel/core_pattern")) == before


async def test_clock_and_name_of_the_machine_stay(run: Run) -> None:
    name = socket.gethostname()
    assert (await run("hostname attack")).exit_code != 0
    assert (await run("date -s 2001-01-01")).exit_code != 0
    assert socket.gethostname() == name


async def test_links_left_behind_are_not_followed(workspace: Workspace, run: Run, secret: Path) -> None:
    await run(f"rm -r package; ln -s {secret.parent} package; ln -s {secret} stolen")
    await workspace.apply([Edit("package/secret", b"attack"), Edit("stolen", b"attack")])
    assert text(secret) == "the secret of the host"
    assert sorted(edit.path for edit in await workspace.changes()) == [
        "package/module.py",
        "package/secret",
        "stolen",
    ]


@pytest.mark.parametrize(
    "line", ["rm -r package; ln -s {} package", "ln -s {} package/x", "mkfifo package/x"]
)
async def test_nothing_is_shown_read_only_through_links(
    workspace: Workspace, run: Run, secret: Path, tmp_path: Path, line: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    await run(line.format(outside))
    command = Command("true", read_only={f"{workspace.root}/package/x": secret})
    with pytest.raises(InvalidInput, match="COMMAND_INVALID"):
        await workspace.run(command, Limits(10))
    assert os.listdir(outside) == []


async def test_places_of_read_only_paths_are_given_back_untouched(
    workspace: Workspace, run: Run, secret: Path
) -> None:
    command = Command(
        "cat package/module.py; rm -rf package 2>/dev/null; ln -s / package || true",
        read_only={f"{workspace.root}/package/module.py": secret},
    )
    assert (await workspace.run(command, Limits(10))).output.startswith(b"the secret of the host")
    assert text(secret) == "the secret of the host"
    assert "passwd" in os.listdir("/etc")


async def test_marks_of_the_overlay_cannot_be_forged(workspace: Workspace, run: Run) -> None:
    """A forged mark could hide the base's files from what `changes` sees, or bring others in."""
    code = (
        "import os\n"
        'for name, value in ((b"opaque", b"y"), (b"redirect", b"/etc"), (b"whiteout", b"y")):\n'
        '  for path in (".", "package", "README"):\n'
        '    try: os.setxattr(path, b"user.overlay." + name, value)\n'
        "    except OSError as error: pass\n"
        'try: os.mknod("w", 0o20000, 0)\n'
        "except OSError: pass"
    )
    await run(python(code))
    assert await workspace.changes() == ()
    assert (await run("cat README package/module.py")).output == b"read me\nvalue = 1\n"


async def test_secrets_given_to_a_command_are_not_in_arguments_of_processes(workspace: Workspace) -> None:
    seen: list[bytes] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    with contextlib.suppress(OSError):
                        seen.append(Path(f"/proc/{entry}/cmdline").read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        command = Command("sleep 0.2; test $TOKEN = hunter2", environment={"TOKEN": "hunter2-not"})
        await workspace.run(command, Limits(10))
    finally:
        stop.set()
        thread.join()
    assert seen
    assert not [arguments for arguments in seen if b"hunter2-not" in arguments]
