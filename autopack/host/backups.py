"""Copies of everything in an AUTOPACK_HOME that runs need, taken while they go on, and their way back.

What follows from other things is left out: checkouts, objects that a service has of others, memory's index.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from autopack.errors import AlreadyExists, FailedPrecondition, InvalidInput, Reason, Unavailable
from autopack.gitstore.command import GitFailed, run_git
from autopack.host.places import SERVICES, Places

MANIFEST = "backup.json"
SCHEMA = "backup/v1alpha1"
PASSES = 10
"""Times that a repository is gone through while its loose objects move into packs."""
LOCK_SECONDS = 30.0
CHECK_SECONDS = 3600.0
_REFS = ("HEAD", "config", "packed-refs", "refs", "shallow")


def back_up(places: Places, destination: Path) -> list[str]:
    """Makes a directory that has it all, whatever runs meanwhile; names of its files.

    Rows name what other services and repositories have, so the orchestrator's are copied first: whatever
    they name is there still when the rest is copied.

    Raises:
        AlreadyExists: `BACKUP_EXISTS`.
        FailedPrecondition: `BACKUP_INCOMPLETE`, `NOTHING_TO_BACK_UP`.
    """
    if destination.exists():
        raise AlreadyExists(
            Reason("BACKUP_EXISTS", f"{destination} is there already", "name a new directory")
        )
    databases = [places.directory(service) / f"{service}.db" for service in SERVICES]
    if not databases[0].exists():
        fix = "set AUTOPACK_HOME to the one that has runs"
        raise FailedPrecondition(Reason("NOTHING_TO_BACK_UP", f"{places.home} has no runs", fix))
    partial = destination.with_name(destination.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    for database in (*databases, places.spans):
        if database.exists():
            _copy_database(database, _below(partial, places, database))
    for repository in sorted((places.directory("orchestrator") / "git").glob("*.git")):
        _copy_repository(repository, _below(partial, places, repository))
    if places.key.parent.exists():
        shutil.copytree(places.key.parent, _below(partial, places, places.key.parent))
    digests = _digests(partial)
    (partial / MANIFEST).write_text(json.dumps({"schema": SCHEMA, "files": digests}, indent=2) + "\n")
    partial.rename(destination)
    return sorted(digests)


def restore(places: Places, source: Path) -> list[str]:
    """Makes an AUTOPACK_HOME from a backup, where there is none; names of its files.

    Raises:
        InvalidInput: `BACKUP_INVALID`, if it is none or has been changed.
        FailedPrecondition: `HOME_IN_USE`, `HOME_UNUSABLE`.
    """
    files = _manifest(source)
    if _digests(source) != files:
        raise _invalid(source, "its files are not those that were backed up")
    places.prepare()
    with places.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(places, "an all-in-one runs there") from None
        taken = [places.directory(service).name for service in SERVICES if places.directory(service).exists()]
        if taken or places.key.exists():
            raise _in_use(places, f"it has {', '.join(taken) or 'keys'}")
        try:
            _bring_back(places, source, files)
        except BaseException:
            for directory in (*map(places.directory, SERVICES), places.key.parent):
                shutil.rmtree(directory, ignore_errors=True)
            raise
    return sorted(files)


def _bring_back(places: Places, source: Path, files: Iterable[str]) -> None:
    for name in files:
        target = places.home / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(source / name, target)
    for repository in (places.directory("orchestrator") / "git").glob("*.git"):
        # Directories without files are in no list, and git wants them.
        for directory in ("objects/info", "objects/pack", "refs/heads"):
            (repository / directory).mkdir(parents=True, exist_ok=True)


def _below(root: Path, places: Places, path: Path) -> Path:
    """Where the copy of a path in the home is."""
    copy = root / path.relative_to(places.home)
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return copy


def _copy_database(source: Path, copy: Path) -> None:
    """One consistent state; whoever writes goes on. A transaction that lasts is waited for."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=LOCK_SECONDS)) as reading,
        closing(sqlite3.connect(copy)) as writing,
    ):
        try:
            reading.backup(writing)
        except sqlite3.OperationalError as error:
            raise Unavailable(Reason("DATABASE_BUSY", f"{source}: {error}", "try again")) from error
        # One file, which needs no log beside it.
        writing.execute("PRAGMA journal_mode=DELETE")
    copy.chmod(0o600)


def _copy_repository(source: Path, copy: Path) -> None:
    """Refs first: objects are only added, so that what refs and rows name is there afterwards."""
    for name in _REFS:
        _copy_tree(source / name, copy / name)
    for _ in range(PASSES):
        if _copy_tree(source / "objects", copy / "objects"):
            break
    try:
        run_git(["fsck", "--connectivity-only", "--no-dangling"], git_dir=copy, timeout=CHECK_SECONDS)
    except GitFailed as error:
        raise FailedPrecondition(
            Reason("BACKUP_INCOMPLETE", f"the copy of {source.name}: {error.message[-300:]}", "try again")
        ) from None


def _copy_tree(source: Path, copy: Path) -> bool:
    """Copies what is not there yet; False where something went away meanwhile, as loose objects do."""
    complete = True
    for path in [source, *sorted(source.rglob("*"))] if source.exists() else []:
        target = copy / path.relative_to(source)
        if path.name.startswith("tmp_") or path.suffix == ".lock" or target.is_file():
            continue
        try:
            if path.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
        except FileNotFoundError:
            target.unlink(missing_ok=True)
            complete = False
    return complete


def _digests(root: Path) -> dict[str, str]:
    """SHA-256 of every file but the manifest, by name."""
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory, name)
            with path.open("rb") as file:
                found[str(path.relative_to(root))] = hashlib.file_digest(file, "sha256").hexdigest()
    found.pop(MANIFEST, None)
    return found


def _manifest(source: Path) -> dict[str, str]:
    try:
        document = json.loads((source / MANIFEST).read_text())
        files: dict[str, str] = document["files"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _invalid(source, f"{MANIFEST} cannot be read: {error}") from error
    if document.get("schema") != SCHEMA or not isinstance(files, dict):
        raise _invalid(source, f"{MANIFEST} is not of {SCHEMA}")
    return files


def _invalid(source: Path, found: str) -> InvalidInput:
    fix = "name a directory that `autopack backup` has made"
    return InvalidInput(Reason("BACKUP_INVALID", f"{source} is no whole backup: {found}", fix))


def _in_use(places: Places, found: str) -> FailedPrecondition:
    fix = "restore into another AUTOPACK_HOME, or move this one away"
    return FailedPrecondition(Reason("HOME_IN_USE", f"{places.home} is in use: {found}", fix))
