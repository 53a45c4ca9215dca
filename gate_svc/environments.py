"""What the checks of a project need beside its files: made once for each content of the policy's inputs.

Read from the policy's commit, never from the change: what a change does to the inputs is a dependency change.
"""

import asyncio
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
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


@dataclass(frozen=True, slots=True)
class PreparedEnvironment:
    """An environment that is there."""

    digest: str
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
        self, store: GitStore, policy_commit: str, policy: Policy, sandbox: Sandbox
    ) -> PreparedEnvironment:
        """The environment of a policy, made if need be.

        Raises FailedPrecondition `ENVIRONMENT_SETUP_FAILED`.
        """
        settings = policy.environment
        inputs = await asyncio.to_thread(_inputs, store, policy_commit, policy) if settings.inputs else ()
        digest = environment_digest(settings, ((entry.path, entry.oid) for entry in inputs))
        if not settings.setup:
            return PreparedEnvironment(digest, settings.path, {})
        place = self._directory / digest
        if not await asyncio.to_thread(_touch, place):
            await self._making.result(digest, lambda: self._make(store, inputs, policy, sandbox, place))
        names = await asyncio.to_thread(os.listdir, place)
        return PreparedEnvironment(digest, settings.path, {name: place / name for name in sorted(names)})

    def prune(self, now: float) -> None:
        """Removes what was not used for long, and what was left half made. Blocks."""
        for place in self._directory.glob("*"):
            if len(place.name) != 64 or now - place.stat().st_mtime > KEEP_SECONDS:
                shutil.rmtree(place)

    async def _make(
        self,
        store: GitStore,
        inputs: tuple[TreeEntry, ...],
        policy: Policy,
        sandbox: Sandbox,
        place: Path,
    ) -> None:
        staging = await asyncio.to_thread(_stage, self._directory)
        try:
            base, files = staging / "inputs", staging / "files"
            await asyncio.to_thread(write_files, inputs, store.read_blob, base)
            async with sandbox.open(base) as workspace:
                archive = await _set_up(workspace, policy)
            given = {entry.path.split("/", 1)[0] for entry in inputs}
            await asyncio.to_thread(_unpack, archive, files, given)
            await asyncio.to_thread(_publish, files, place)
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
    """Unpacks what the set-up made; its filter keeps every member inside `files`."""
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(files, filter="tar")
    for name in given:
        shutil.rmtree(files / name) if (files / name).is_dir() else (files / name).unlink(missing_ok=True)


def _publish(files: Path, place: Path) -> None:
    files.chmod(0o755)
    try:
        files.rename(place)
    except OSError:
        if not place.is_dir():  # else another process has made the same
            raise


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
