"""What it costs to verify a commit, and to sign one.

python benchmarks/verify.py [COMMITS]        (default: 500)
"""

import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autopack.attestation.trust import trust
from autopack.attestation.verification import Verifier
from autopack.signing.keys import create_private_key
from gate_svc.signing.process import KeySource, Signer
from tests.verify.attested import attested

ROUNDS = 50


def show(name: str, seconds: list[float]) -> None:
    """Median and worst."""
    print(f"  {name:<32}{statistics.median(seconds) * 1e3:8.2f} ms   worst {max(seconds) * 1e3:8.2f}")


def verifying(directory: Path, commits: int) -> None:
    """A run of so many commits, each in a tree of as many files."""
    made = attested(directory)
    base = made.head
    made.run("run", commits)
    made.publish("run")
    seconds = []
    # Of the processor: on a busy machine the clock on the wall says how busy it is.
    verifier = Verifier(made.store, trust(made.store, {made.key.public.key_id: made.key.public}))
    last = time.process_time()
    for line in verifier.lines(base, made.head):
        if line.reason is not None:
            raise SystemExit(f"{line.commit}: {line.reason}")
        seconds.append(time.process_time() - last)
        last = time.process_time()
    show("verify, a commit (processor)", seconds)
    command = [sys.executable, "-m", "autopack.cli", "verify", "run", "--repo", str(made.path)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "--key", str(directory / "gate.pub")], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  autopack verify run: {whole:.2f} s of the processor for {commits} commits, start included")


async def signing(directory: Path) -> None:
    """The four statements of a change, by the process that has the key."""
    create_private_key(directory / "gate.key")
    signer = Signer(KeySource(directory / "gate.key"))
    started = time.perf_counter()
    await signer.public_key()
    print(
        f"signer's start       {(time.perf_counter() - started) * 1e3:6.1f} ms, once, beside the first checks"
    )
    payloads = [b"x" * size for size in (4000, 400, 900, 600)]
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await signer.sign(payloads)
        seconds.append(time.perf_counter() - started)
    await signer.close()
    show("sign, a change", seconds)


def main() -> None:
    commits = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(signing(Path(directory)))
        verifying(Path(directory), commits)


if __name__ == "__main__":
    main()
