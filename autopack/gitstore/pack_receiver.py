"""Takes packs into a store, each entirely or not at all, after checks like those of fsck.

Like git's own receive-pack: a small pack is read at once (in process, 0.5 ms), a large one is indexed."""

import shutil
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import pygit2

from autopack.errors import InvalidInput, Reason, ResourceExhausted
from autopack.gitstore import pack_format
from autopack.gitstore.command import GitFailed, run_git
from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.objects import ObjectInvalid, check_tree, is_tree, parse_commit
from autopack.gitstore.pack_format import BLOB, COMMIT, TREE, PackInvalid, PackTooLarge
from autopack.gitstore.store import GitStore

SMALL_PACK_BYTES = 4_000_000
SMALL_PACK_OBJECTS = 100
SMALL_PACK_CONTENTS = 64_000_000
"""Up to these a pack is read in process; its objects become loose ones, each of which costs a file."""
MAXIMUM_OBJECTS = 2_000_000
MAXIMUM_CONTENTS = 20_000_000_000
DEFAULT_LIMIT_BYTES = 2_000_000_000

Read = Callable[[bytes], tuple[int, bytes]]
"""Type and contents of a new object by its raw id; of a blob the contents may be left out."""


class PackReceiver:
    """Takes a pack chunk by chunk; nothing of it is in the store until `finish` has checked all of it.

    A context manager: what was received is gone when it ends.
    """

    def __init__(self, store: GitStore, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._store = store
        self._limit_bytes = limit_bytes
        self._size = 0
        self._received = bytearray()
        self._quarantine: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._quarantine is not None:
            shutil.rmtree(self._quarantine, ignore_errors=True)

    @property
    def spools(self) -> bool:
        """Whether chunks go to disk already."""
        return self._quarantine is not None

    @reporting_full_disk()
    def add(self, chunk: bytes) -> None:
        """Raises ResourceExhausted `PACK_TOO_LARGE` as soon as it is."""
        self._size += len(chunk)
        if self._size > self._limit_bytes:
            raise _too_large(f"more than {self._limit_bytes} bytes")
        self._received += chunk
        if self._size > SMALL_PACK_BYTES:
            self._spool()

    @reporting_full_disk()
    def finish(self, *commits: str) -> int:
        """Takes the objects into the store and returns their number.

        Raises InvalidInput `PACK_INVALID`: not a sound pack, objects that are not sound or lack
        what they refer to, or a commit of `commits` neither among them nor in the store.
        ResourceExhausted `PACK_TOO_LARGE`.
        """
        try:
            if (
                not self._quarantine
                and pack_format.read_count(bytes(self._received[:12])) <= SMALL_PACK_OBJECTS
            ):
                return self._finish_small(commits)
            return self._finish_large(self._spool(), commits)
        except PackTooLarge:
            raise _too_large("contents of more bytes than are taken") from None
        except (PackInvalid, ObjectInvalid) as error:
            raise InvalidInput(
                Reason(
                    "PACK_INVALID", f"the pack was refused: {error}", "make it anew from a sound repository"
                )
            ) from None

    def _spool(self) -> Path:
        if self._quarantine is None:
            self._quarantine = Path(tempfile.mkdtemp(prefix="incoming-", dir=self._store.path))
        with (self._quarantine / "pack").open("ab") as spool:
            spool.write(self._received)
        self._received.clear()
        return self._quarantine

    def _finish_small(self, commits: Sequence[str]) -> int:
        store = self._store

        def read(oid: bytes) -> tuple[int, bytes] | None:
            return store.read_object(oid) if store.has_object(oid) else None

        found = pack_format.read_pack(bytes(self._received), read, SMALL_PACK_CONTENTS)
        order = list(dependencies_first(found, found.__getitem__, store))
        _require(commits, found, store)
        for oid in order:
            store.write_object(*found[oid])
        return len(found)

    def _finish_large(self, quarantine: Path, commits: Sequence[str]) -> int:
        store = self._store
        objects = quarantine / "objects"
        (objects / "pack").mkdir(parents=True)
        with (quarantine / "pack").open("rb", buffering=0) as pack:
            if pack_format.read_count(pack.read(pack_format.HEADER_BYTES)) > MAXIMUM_OBJECTS:
                raise _too_large(f"more than {MAXIMUM_OBJECTS} objects")
            pack.seek(0)
            try:
                run_git(
                    ["index-pack", "--stdin", "--fix-thin"],
                    git_dir=store.path,
                    stdin=pack,
                    timeout=600,
                    environment={
                        "GIT_OBJECT_DIRECTORY": str(objects),
                        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(store.path / "objects"),
                    },
                )
            except GitFailed as error:
                if "No space left" in error.message:
                    raise
                raise PackInvalid(error.message) from None
        received = pygit2.Odb(str(objects))
        ids = {oid.raw: None for oid in received}

        contents = 0

        def read(oid: bytes) -> tuple[int, bytes]:
            nonlocal contents
            kind, size = received.read_header(pygit2.Oid(raw=oid))
            contents += size
            if contents > MAXIMUM_CONTENTS:
                raise PackTooLarge
            return int(kind), b"" if kind == BLOB else received.read(pygit2.Oid(raw=oid))[1]

        for _ in dependencies_first(ids, read, store):
            pass
        _require(commits, ids, store)
        # The index goes last: a pack without one is not seen.
        for file in sorted((objects / "pack").iterdir(), key=lambda file: file.suffix == ".idx"):
            file.rename(store.path / "objects" / "pack" / file.name)
        return len(ids)


def receive_pack(store: GitStore, chunks: Iterable[bytes], limit_bytes: int = DEFAULT_LIMIT_BYTES) -> int:
    """Takes a pack into the store, all of it or nothing; see `PackReceiver`."""
    with PackReceiver(store, limit_bytes) as receiver:
        for chunk in chunks:
            receiver.add(chunk)
        return receiver.finish()


def _require(commits: Sequence[str], received: Container[bytes], store: GitStore) -> None:
    for commit in commits:
        if bytes.fromhex(commit) not in received and not store.has(commit):
            raise PackInvalid(f"commit {commit} is not in it")


def dependencies_first(ids: Iterable[bytes], read: Read, store: GitStore) -> Iterator[bytes]:
    """Checks new objects and what they refer to; yields the ids so that what is referred to comes first.

    Raises ObjectInvalid.
    """
    new: dict[bytes, int] = dict.fromkeys(ids, 0)
    for start in new:
        pending = [(start, _open(new, start, read, store))] if not new[start] else []
        while pending:
            oid, links = pending[-1]
            link = next(links, None)
            if link is None:
                pending.pop()
                yield oid
            elif not new[link]:
                pending.append((link, _open(new, link, read, store)))


def _open(new: dict[bytes, int], oid: bytes, read: Read, store: GitStore) -> Iterator[bytes]:
    """Checks one new object, notes its type in `new`, and yields the new objects that it needs.

    Those in the store are checked here. Raises ObjectInvalid.
    """
    kind, data = read(oid)
    new[oid] = kind
    for link, wanted in _links(kind, data):
        if link in new:
            yield link
        found = new.get(link) or store.kind(link)
        if found != wanted:
            raise ObjectInvalid(f"object {oid.hex()} needs {link.hex()}, which is missing or of another type")


def _links(kind: int, data: bytes) -> Iterable[tuple[bytes, int]]:
    """Ids and types of what an object needs; a commit does not need its parents. Raises ObjectInvalid."""
    if kind == BLOB:
        return ()
    if kind == COMMIT:
        return ((bytes.fromhex(parse_commit(data).tree), TREE),)
    if kind == TREE:
        entries = check_tree(data)
        return ((entry[2], TREE if is_tree(entry) else BLOB) for entry in entries if entry[0] != b"160000")
    raise ObjectInvalid("tags are not taken")


def _too_large(found: str) -> ResourceExhausted:
    return ResourceExhausted(Reason("PACK_TOO_LARGE", f"the pack has {found}", "make the change smaller"))
