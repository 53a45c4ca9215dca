"""What the checks of a project need beside its files: made once for each content of the policy's inputs.

How, the policy's commit says. Where a change alters the inputs, its own environment is made from its own, in
quarantine: nothing that is shared is ever made from what nobody has approved.
"""

import asyncio
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.gitstore.files import write_files
from autopack.gitstore.records import TreeEntry
from autopack.gitstore.store import GitStore
from autopack.policy.paths import matches
from autopack.policy.policy import Policy
from autopack.sandbox import Command, Limits, Sandbox, Workspace
from gate_svc.domain.keys import environment_digest
from gate_svc.domain.text import one_line
from gate_svc.shared_work import SharedWork

SETUP_SECONDS = 1800
ARCHIVE_LIMIT = 1_000_000_000
"""Bytes of all files of an environment."""
KEEP_SECONDS = 30 * 24 * 3600.0
"""Since its last use."""

_ARCHIVE = "autopack-environment.tar"
_QUARANTINE, _FILES, _CONTENTS = "quarantine", "files", "contents.sha256"


@dataclass(frozen=True, slots=True)
class PreparedEnvironment:
    """An environment that is there."""

    digest: str
    """Of what it is made from: the same on every machine."""
    contents: str
    """SHA-256 of what was made, which the network may have made another another time; empty for nothing."""
    path: tuple[str, ...]
    """Directories for PATH, relative to the work tree."""
    mounts: Mapping[str, Path]
    """Name at the root of the work tree -> what appears there, read-only."""


class Environments:
    """Environments by digest, below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._making: SharedWork[None] = SharedWork()

    async def prepare(
        self, store: GitStore, policy_commit: str, policy: Policy, sandbox: Sandbox, commit: str
    ) -> PreparedEnvironment:
        """The environment of a commit under a policy, made if need be.

        Raises FailedPrecondition `ENVIRONMENT_SETUP_FAILED`.
        """
        settings = policy.environment
        inputs: tuple[TreeEntry, ...] = ()
        approved = inputs
        if settings.inputs:
            inputs, approved = await asyncio.to_thread(
                lambda: [_inputs(store, each, policy) for each in (commit, policy_commit)]
            )
        digest = environment_digest(settings, ((entry.path, entry.oid) for entry in inputs))
        if not settings.setup:
            return PreparedEnvironment(digest, "", settings.path, {})
        place = (self._directory if inputs == approved else self._directory / _QUARANTINE) / digest
        if not await asyncio.to_thread(_touch, place):
            await self._making.result(place, lambda: self._make(store, inputs, policy, sandbox, place))
        names, contents = await asyncio.to_thread(lambda: (os.listdir(place / _FILES), _read_contents(place)))
        mounts = {name: place / _FILES / name for name in sorted(names)}
        return PreparedEnvironment(digest, contents, settings.path, mounts)

    def prune(self, now: float) -> None:
        """Removes what was not used for long, and what was left half made. Blocks."""
        for place in (*self._directory.glob("*"), *(self._directory / _QUARANTINE).glob("*")):
            if place.name == _QUARANTINE:
                continue
            whole = len(place.name) == 64 and (place / _CONTENTS).exists()
            if not whole or now - place.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(place)

    async def _make(
        self,
        store: GitStore,
        inputs: tuple[TreeEntry, ...],
        policy: Policy,
        sandbox: Sandbox,
        place: Path,
    ) -> None:
        staging = await asyncio.to_thread(_stage, place.parent)
        try:
            base, made = staging / "inputs", staging / "made"
            await asyncio.to_thread(write_files, inputs, store.read_blob, base)
            async with sandbox.open(base) as workspace:
                archive = await _set_up(workspace, policy)
            given = {entry.path.split("/", 1)[0] for entry in inputs}
            await asyncio.to_thread(_unpack, archive, made / _FILES, given)
            await asyncio.to_thread(_publish, made, place)
        finally:
            await asyncio.to_thread(shutil.rmtree, staging)


def _inputs(store: GitStore, commit: str, policy: Policy) -> tuple[TreeEntry, ...]:
    return tuple(entry for entry in store.entries(commit) if matches(policy.environment.inputs, entry.path))


async def _set_up(workspace: Workspace, policy: Policy) -> bytes:
    """Runs the set-up and returns all that is then in the work tree, as an archive."""
    settings, rules = policy.environment, policy.sandbox
    limits = Limits(
        seconds=SETUP_SECONDS, memory_mb=rules.memory_mb, processes=rules.processes, file_size_mb=2048
    )
    made = await workspace.run(Command(settings.setup, network=settings.network), limits)
    if made.exit_code != 0:
        how = made.limit or made.exit_code
        printed = one_line(made.output[-1000:].decode(errors="replace"), 2000)
        raise _failed(f"environment.setup ended with {how}: {printed}")
    packed = await workspace.run(Command(f'tar -cf "$AUTOPACK_REPORTS/{_ARCHIVE}" .'), limits)
    try:
        archive = await workspace.read_report(_ARCHIVE, ARCHIVE_LIMIT)
    except InvalidInput as error:
        raise _failed(error.reasons[0].message) from error
    if packed.exit_code != 0 or archive is None:
        raise _failed("what environment.setup made could not be packed")
    return archive


def _stage(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="new-", dir=directory))
    staging.chmod(0o755)  # the sandbox's user looks into it
    return staging


def _unpack(archive: bytes, files: Path, given: set[str]) -> None:
    """Unpacks what the set-up made, by the program that keeps every member inside `files`.

    Python's own module does that from 3.11.4 on, and Debian has 3.11.2.
    """
    files.mkdir(parents=True)
    command = ["tar", "-xf", "-", "--no-same-owner", "--no-same-permissions", "-C", str(files)]
    unpacked = subprocess.run(command, input=archive, capture_output=True, timeout=SETUP_SECONDS)
    if unpacked.returncode:
        said = one_line(unpacked.stderr[-500:].decode(errors="replace"), 1000)
        raise _failed(f"what environment.setup made could not be unpacked: {said}")
    for path in files.rglob("*"):
        if stat.S_IFMT(path.lstat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            path.unlink()  # a pipe or device is nothing that checks are to find
    for name in given:
        shutil.rmtree(files / name) if (files / name).is_dir() else (files / name).unlink(missing_ok=True)


def _publish(made: Path, place: Path) -> None:
    for directory in (made, made / _FILES):
        directory.chmod(0o755)
    (made / _CONTENTS).write_text(_digest_contents(made / _FILES))
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():  # else another process has made the same
            raise


def _digest_contents(files: Path) -> str:
    """SHA-256 over every path with its mode and what it holds."""
    digest = hashlib.sha256()
    for path in sorted(files.rglob("*")):
        status = path.lstat()
        digest.update(f"{path.relative_to(files)}\0{status.st_mode:o}\0".encode(errors="surrogateescape"))
        if path.is_symlink():
            digest.update(os.fsencode(os.readlink(path)))
        elif path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _read_contents(place: Path) -> str:
    return (place / _CONTENTS).read_text()


def _touch(place: Path) -> bool:
    try:
        os.utime(place, (time.time(), time.time()))
    except FileNotFoundError:
        return False
    return True


def _failed(message: str) -> FailedPrecondition:
    return FailedPrecondition(
        Reason(
            "ENVIRONMENT_SETUP_FAILED",
            message,
            "mend environment.setup in autopack.yaml; it sees nothing but environment.inputs",
            path="autopack.yaml",
        )
    )
