"""Nothing that a check runs can read the gate's signing key, or ask for a signature, knowing where it is."""

import asyncio
import base64
import os
import sys
from pathlib import Path

import pytest

from tests.gate_svc.gate_bench import ACCEPT, Bench, policy

ATTACK = b"""
import ctypes, os, socket, sys
key, process, address = sys.argv[1:4]

def attempt(name, work):
    try:
        if work(): print("REACHED", name)
    except (OSError, ValueError): pass

def read(path):
    with open(path, "rb") as file: return file.read(100_000)

def memory():
    with open(f"/proc/{process}/maps") as maps, open(f"/proc/{process}/mem", "rb", 0) as file:
        line = next(line for line in maps if " rw-p " in line)
        file.seek(int(line.split("-")[0], 16))
        return file.read(16)

def ask():
    with socket.socket(socket.AF_UNIX) as connection: return connection.connect(address) is None

attempt("key", lambda: read(key))
attempt("directory", lambda: os.listdir(os.path.dirname(key)))
attempt("root", lambda: read(f"/proc/{process}/root{key}"))
attempt("environ", lambda: read(f"/proc/{process}/environ"))
attempt("descriptors", lambda: os.listdir(f"/proc/{process}/fd"))
attempt("memory", memory)
attempt("signal", lambda: os.kill(int(process), 0) is None)
attempt("socket", ask)
for number in range(3, 1024):
    attempt(f"descriptor {number}", lambda: os.fstat(number))
for name, value in os.environ.items():
    if "PRIVATE" in value or "KEY" in name: print("REACHED", name)
print("TRIED")
"""


def command_line(pid: str) -> str:
    """Of a process; empty once it has ended."""
    try:
        return Path("/proc", pid, "cmdline").read_text()
    except OSError:
        return ""


async def signer_of(bench: Bench) -> int:
    """The process that has the key, once the gate has started it."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    path = str(bench.config.directory / "keys" / "gate.key")
    for _ in range(1000):
        for pid in (await asyncio.to_thread(children.read_text)).split():
            running = await asyncio.to_thread(command_line, pid)
            if path in running and await asyncio.to_thread(
                Path(path).exists
            ):  # made by the signer at its first start
                return int(pid)
        await asyncio.sleep(0.02)
    raise AssertionError("the gate has started no signer")


@pytest.mark.parametrize("tier", ["namespaces", "landlock"])
async def test_a_check_cannot_reach_the_key(bench: Bench, tier: str) -> None:
    await bench.gate.close()
    await bench.start(sandbox_tier=tier)
    first = {"autopack.yaml": policy("true", "none"), "a": b"1"}
    assert (await bench.judge(first, first | {"a": b"2"})).decision == ACCEPT
    signer, key = await signer_of(bench), bench.config.directory / "keys" / "gate.key"
    arguments = [str(key), str(signer), bench.gate.server.address.removeprefix("unix:")]
    run = f"python attack.py {' '.join(arguments)}"
    base = {"autopack.yaml": policy(run, "none"), "attack.py": ATTACK, "a": b"1"}
    verdict = await bench.judge(base, base | {"a": b"2"})
    assert verdict.sandbox_tier == tier
    assert verdict.checks[0].output_tail == "TRIED\n"

    # The same attempts without a sandbox reach the key.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ATTACK.decode(), *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert b"REACHED key\n" in output
    assert b"REACHED socket\n" in output


async def test_the_key_is_in_nothing_that_is_kept_or_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    base = {"autopack.yaml": policy("env; cat /proc/self/environ", "none"), "a": b"1"}
    judgement = await bench.judgement(bench.change(base, base | {"a": b"2"}))
    await signer_of(bench)
    await bench.gate.close()
    pem = await asyncio.to_thread((bench.config.directory / "keys" / "gate.key").read_text)
    encoded = "".join(pem.split("-----")[2].split())
    raw = base64.b64decode(encoded)[-32:]
    for form in (raw, raw.hex().encode(), base64.b64encode(raw), encoded.encode()):
        assert form not in judgement.SerializeToString()
        assert form.decode(errors="replace") not in caplog.text
        assert await asyncio.to_thread(files_with, bench.config.directory, form) == []


def files_with(directory: Path, text: bytes) -> list[Path]:
    """Files that hold some bytes, but for the key's own."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.parent.name != "keys"]
    return [path for path in files if text in path.read_bytes()]
