"""Keeps what was proven of a sandbox until the machine boots anew or the sandbox's code changes."""

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

from autopack.errors import Reason, Unavailable
from autopack.sandbox.capabilities import Fact
from autopack.sandbox.port import Sandbox
from autopack.sandbox.proofs import ESSENTIAL, prove_limits


async def proven_limits(sandbox: Sandbox, directory: Path | None = None) -> tuple[Fact, ...]:
    """What `prove_limits` finds, tried once for each boot, tier, user and version of this package.

    Kept below `directory` (default: the system's temporary directory, in one that only we can write to).
    Raises Unavailable `SANDBOX_UNAVAILABLE` where what makes a sandbox of it does not hold.
    """
    place = await asyncio.to_thread(_place, sandbox.tier, directory or Path(tempfile.gettempdir()))
    proven_by = await asyncio.to_thread(_circumstances)
    if place is not None and (kept := await asyncio.to_thread(_read, place, proven_by)):
        return kept
    facts = await prove_limits(sandbox)
    if broken := next((fact for fact in facts if fact.name in ESSENTIAL and not fact.holds), None):
        message = f"the sandbox does not hold here ({broken.name}): {broken.detail}"
        raise Unavailable(Reason("SANDBOX_UNAVAILABLE", message, "run `autopack doctor`, and report this"))
    # What does not hold may be mended before the next boot: it is tried again.
    if place is not None and all(fact.holds for fact in facts):
        await asyncio.to_thread(_write, place, proven_by, facts)
    return facts


def _place(tier: str, parent: Path) -> Path | None:
    """The tier's file; None where others could write it."""
    directory = parent / f"autopack-proofs-{os.geteuid()}"
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError:
        return None
    ours = status.st_uid == os.geteuid() and status.st_mode & 0o170077 == 0o040000
    return directory / f"{tier}.json" if ours else None


def _circumstances() -> str:
    """SHA-256 of what a proof depends on: the boot, and the code of this package."""
    digest = hashlib.sha256(Path("/proc/sys/kernel/random/boot_id").read_bytes())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _read(place: Path, proven_by: str) -> tuple[Fact, ...]:
    try:
        document = json.loads(place.read_text())
        return tuple(Fact(**each) for each in document["facts"]) if document["by"] == proven_by else ()
    except (OSError, ValueError, TypeError, KeyError):
        return ()


def _write(place: Path, proven_by: str, facts: tuple[Fact, ...]) -> None:
    new = place.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):  # a full disk: it is proven again
        new.write_text(json.dumps({"by": proven_by, "facts": [asdict(fact) for fact in facts]}))
        new.rename(place)
