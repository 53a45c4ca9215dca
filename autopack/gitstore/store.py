"""A bare repository as a store of objects and refs, read and written in process by libgit2.

What is in a store is whole (a commit with its tree, a tree with all in it), but the parents of a commit
may be missing: only what work needs is moved between stores, not history."""

import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import FileMode, ObjectType

from autopack.errors import FailedPrecondition, InvalidInput, NotFound, Reason
from autopack.gitstore import refs, trees
from autopack.gitstore.disk import raise_if_full, reporting_full_disk
from autopack.gitstore.files import write_files
from autopack.gitstore.libgit2 import common_directory, open_repository
from autopack.gitstore.objects import DIRECTORY, Commit, Entry, ObjectInvalid, parse_commit, parse_tree
from autopack.gitstore.records import FileChange, Signature, TreeEntry, from_path, to_path
from autopack.gitstore.unified import render

MAXIMUM_ENTRIES = 1_000_000
"""Files of a tree, or of a difference: beyond it a tree is refused."""
READ_LIMIT = 10_000_000
"""Bytes of a file, where the caller does not say."""

_KNOWN_KINDS = 20_000
_KNOWN_ENTRIES = 10_000
"""Objects, and entries of trees, that are remembered: some 4 MB."""

_CONFIGURATION = """\
[core]
\trepositoryformatversion = 0
\tbare = true
\tfilemode = true
\thooksPath = /dev/null
\tlogAllRefUpdates = false
[gc]
\tauto = 0
"""


class GitStore:
    """Safe for any number of threads and processes. Ids are 40 hexadecimal digits; a `treeish` is the id
    of a commit or tree. Every method that takes an id raises NotFound `OBJECT_NOT_FOUND` without it."""

    def __init__(self, repository: pygit2.Repository, path: Path) -> None:
        self.path = path
        self._repository = repository
        self.objects_directory = common_directory(repository) / "objects"
        self._objects = repository.odb
        # libgit2's handles are for one thread at a time; each call below is short.
        self._lock = threading.RLock()
        self._kinds: dict[bytes, int] = {}  # nothing is ever taken out of a store
        self._trees: dict[bytes, tuple[Entry, ...]] = {}
        self._known_entries = 0

    @classmethod
    def open(cls, path: Path) -> "GitStore":
        """Opens the store, which is made if there is nothing at `path`.

        Raises FailedPrecondition `STORE_DAMAGED`.
        """
        if not path.exists():
            with reporting_full_disk():
                _create(path)
        try:
            return cls(open_repository(path), path)
        except pygit2.GitError as error:
            fix = "move it away: it is made anew, and filled from the remote"
            raise FailedPrecondition(Reason("STORE_DAMAGED", f"{path}: {error}", fix)) from None

    # Objects, by raw id where git's own data has them so.

    def read_object(self, oid: bytes) -> tuple[int, bytes]:
        """Type and contents of an object by its raw id."""
        try:
            with self._lock:
                kind, data = self._objects.read(pygit2.Oid(raw=oid))
        except KeyError:
            raise _not_found(oid.hex()) from None
        except pygit2.GitError as error:
            found = f"object {oid.hex()} in {self.path}: {error}"
            raise FailedPrecondition(Reason("OBJECT_DAMAGED", found, "git fsck shows what else is")) from None
        return int(kind), data

    def write_object(self, kind: int, data: bytes) -> bytes:
        """Writes an object and returns its raw id; what it refers to must be there already."""
        with self._lock, reporting_full_disk():
            try:
                return self._objects.write(kind, data).raw
            except pygit2.GitError:
                raise_if_full(self.objects_directory, len(data))  # libgit2 does not say what it met
                raise

    def write_tree(self, data: bytes) -> bytes:
        return self.write_object(ObjectType.TREE, data)

    def has_object(self, oid: bytes) -> bool:
        with self._lock:
            return self._objects.exists(pygit2.Oid(raw=oid))

    def kind(self, oid: bytes) -> int:
        """Type of an object by its raw id; 0 if it is not here."""
        found = self._kinds.get(oid)
        if found is None:
            try:
                with self._lock:
                    found = int(self._objects.read_header(pygit2.Oid(raw=oid))[0])
            except KeyError:
                return 0
            if len(self._kinds) >= _KNOWN_KINDS:
                self._kinds.clear()
            self._kinds[oid] = found
        return found

    def size(self, oid: str) -> int:
        """Bytes of an object, without reading it."""
        try:
            with self._lock:
                return self._objects.read_header(_oid(oid))[1]
        except KeyError:
            raise _not_found(oid) from None

    def read_tree(self, oid: bytes) -> tuple[Entry, ...]:
        """Entries of a tree by its raw id."""
        found = self._trees.get(oid)
        if found is None:
            kind, data = self.read_object(oid)
            if kind != ObjectType.TREE:
                raise _wrong_kind(oid.hex(), "tree")
            try:
                found = tuple(parse_tree(data))
            except ObjectInvalid as error:
                raise InvalidInput(Reason("OBJECT_INVALID", f"tree {oid.hex()}: {error}")) from None
            self._known_entries += len(found)
            if self._known_entries > _KNOWN_ENTRIES:
                self._trees.clear()
                self._known_entries = len(found)
            self._trees[oid] = found
        return found

    def has(self, oid: str) -> bool:
        with self._lock:
            return self._objects.exists(_oid(oid))

    def read_commit(self, commit: str) -> Commit:
        kind, data = self.read_object(_oid(commit).raw)
        if kind != ObjectType.COMMIT:
            raise _wrong_kind(commit, "commit")
        try:
            return parse_commit(data)
        except ObjectInvalid as error:
            raise InvalidInput(Reason("OBJECT_INVALID", f"commit {commit}: {error}")) from None

    def commit_tree(self, commit: str) -> str:
        """Id of the commit's tree."""
        return self.read_commit(commit).tree

    def parents(self, commit: str) -> tuple[str, ...]:
        return self.read_commit(commit).parents

    def message(self, commit: str) -> str:
        return self.read_commit(commit).message

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether history leads from `descendant` to `ancestor`, as far as this store has it."""
        seen, pending = {descendant}, [descendant]
        while pending:
            commit = pending.pop()
            if commit == ancestor:
                return True
            if commit != descendant and not self.has(commit):
                continue
            new = set(self.parents(commit)) - seen
            seen |= new
            pending.extend(new)
        return False

    # Trees and files.

    def tree(self, treeish: str) -> bytes:
        """Raw id of the tree that a commit or tree id names."""
        oid = _oid(treeish)
        try:
            with self._lock:
                kind = self._objects.read_header(oid)[0]
        except KeyError:
            raise _not_found(treeish) from None
        return oid.raw if kind == ObjectType.TREE else bytes.fromhex(self.commit_tree(treeish))

    def entries(self, treeish: str, prefix: str = "") -> Iterator[TreeEntry]:
        """Every file below `prefix` (a directory; "" is the root), sorted by path."""
        root, start = self.tree(treeish), from_path(prefix.strip("/"))
        if start:
            found = trees.find(self.read_tree, root, start)
            if found is None or found[0] != DIRECTORY:
                return
            root, start = found[1], start + b"/"
        for path, (mode, oid) in trees.walk(self.read_tree, root, start, MAXIMUM_ENTRIES):
            yield TreeEntry(to_path(path), mode, oid.hex())

    def entry(self, treeish: str, path: str) -> TreeEntry | None:
        """What is at a path, a directory (mode 0o40000) included."""
        found = trees.find(self.read_tree, self.tree(treeish), from_path(path))
        return None if found is None else TreeEntry(path, found[0], found[1].hex())

    def read(self, treeish: str, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """Contents of a file; None if nothing is there.

        Raises InvalidInput: `FILE_TOO_LARGE` over `limit` bytes, `NOT_A_FILE` for anything else.
        """
        found = self.entry(treeish, path)
        if found is None:
            return None
        if found.mode & 0o170000 != 0o100000:
            raise InvalidInput(
                Reason("NOT_A_FILE", "a directory, link or submodule", "make it a plain file", path=path)
            )
        return self.read_blob(found.oid, limit)

    def read_blob(self, oid: str, limit: int = READ_LIMIT) -> bytes:
        """Raises InvalidInput `FILE_TOO_LARGE` over `limit` bytes."""
        size = self.size(oid)
        if size > limit:
            raise InvalidInput(
                Reason("FILE_TOO_LARGE", f"{size} bytes, more than {limit}", "make the file smaller")
            )
        kind, data = self.read_object(_oid(oid).raw)
        if kind != ObjectType.BLOB:
            raise _wrong_kind(oid, "blob")
        return data

    def write_blob(self, data: bytes) -> str:
        return self.write_object(ObjectType.BLOB, data).hex()

    def merge_blobs(self, base: str, ours: str, theirs: str) -> bytes | None:
        """What libgit2 makes of two versions of a text in UTF-8; None in a conflict, or of other contents.

        Nothing is written, and no attribute or driver of the repository counts.
        """
        old, our, their = (pygit2.IndexEntry("_", _oid(oid), FileMode.BLOB) for oid in (base, ours, theirs))
        try:
            with self._lock:
                merged = self._repository.merge_file_from_index(old, our, their)
        except (UnicodeDecodeError, pygit2.GitError):
            return None
        return merged.contents.encode() if merged.automergeable else None

    def diff(self, old: str, new: str, limit: int = MAXIMUM_ENTRIES) -> tuple[FileChange, ...]:
        """Paths that differ, sorted, renames as two. Raises ResourceExhausted `CHANGE_TOO_LARGE`."""
        found = trees.difference(self.read_tree, self.tree(old), self.tree(new), limit)
        return tuple(
            FileChange(
                to_path(item.path),
                item.old[0] if item.old else 0,
                item.new[0] if item.new else 0,
                item.old[1].hex() if item.old else "",
                item.new[1].hex() if item.new else "",
            )
            for item in found
        )

    def patch(self, old: str, new: str, limit: int) -> bytes:
        """The difference as a unified diff for people, of at most about `limit` bytes."""
        return render(self.read_blob, self.diff(old, new), limit)

    def checkout(self, treeish: str, destination: Path) -> None:
        """Writes the files of a tree into the directory `destination`, see `files.write_files`."""
        with reporting_full_disk():
            write_files(self.entries(treeish), self.read_blob, destination)

    # Commits and refs.

    def commit(self, *, tree: str, parents: Sequence[str], message: str, author: Signature) -> str:
        """Writes a commit and returns its id; equal arguments give equal bytes on every machine."""
        if not self.has(tree):
            raise _not_found(tree)
        name, email = (_plain(text) for text in (author.name, author.email))
        who = f"{name} <{email}> {author.seconds} +0000"
        lines = [f"tree {tree}", *(f"parent {_oid(parent)}" for parent in parents)]
        lines += [f"author {who}", f"committer {who}", "", _normalized(message)]
        return self.write_object(ObjectType.COMMIT, "\n".join(lines).encode(errors="replace")).hex()

    def resolve(self, ref: str) -> str | None:
        """Id that a full ref name stands for, None if there is no such ref."""
        with self._lock:
            try:
                found = self._repository.references.get(ref)
                return None if found is None else str(found.resolve().target)
            except (pygit2.GitError, ValueError, KeyError):
                return None

    def refs(self, prefix: str) -> dict[str, str]:
        """Names and ids of the refs below a prefix such as "refs/heads/"."""
        with self._lock:
            names = [name for name in self._repository.references if name.startswith(prefix)]
            return {name: oid for name in sorted(names) if (oid := self.resolve(name))}

    def update_refs(self, updates: Sequence[tuple[str, str, str]]) -> None:
        """Moves refs, all or none: (full name, new id, expected old id).

        An expected "" says that the ref must not exist, a new "" deletes it. Raises
        FailedPrecondition `REF_MOVED` when one is not as expected or somebody holds it.
        """
        for _, new, _ in updates:
            if new and not self.has(new):
                raise _not_found(new)
        with self._lock, reporting_full_disk():
            refs.update_refs(self._repository, updates)


def _create(path: Path) -> None:
    """Makes an empty store elsewhere first, so that no one sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for directory in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
            (staging / directory).mkdir(parents=True)
        (staging / "HEAD").write_text("ref: refs/heads/main\n")
        (staging / "config").write_text(_CONFIGURATION)
        staging.rename(path)
    except OSError:
        shutil.rmtree(staging, ignore_errors=True)
        if not (path / "HEAD").exists():
            raise


def _oid(oid: str) -> pygit2.Oid:
    if len(oid) != 40:
        raise InvalidInput(Reason("OBJECT_ID_INVALID", f"{oid[:80]!r} is no object id", "give 40 digits"))
    try:
        return pygit2.Oid(hex=oid)
    except ValueError:
        raise InvalidInput(
            Reason("OBJECT_ID_INVALID", f"{oid!r} is no object id", "give 40 hexadecimal digits")
        ) from None


def _plain(text: str) -> str:
    """A name or address without the characters that have a meaning in a commit's header."""
    return "".join(c for c in text if c not in "<>" and c.isprintable()).strip()


def _normalized(message: str) -> str:
    """A message with plain line ends, no trailing blanks, and one line end after it."""
    lines = message.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def _not_found(oid: str) -> NotFound:
    return NotFound(Reason("OBJECT_NOT_FOUND", f"object {oid} is not in the store", "fetch it first"))


def _wrong_kind(oid: str, wanted: str) -> InvalidInput:
    return InvalidInput(Reason("OBJECT_INVALID", f"{oid} is no {wanted}", f"give the id of a {wanted}"))


__all__ = ["FileChange", "GitStore", "Signature", "TreeEntry"]
