"""The one write path: every builder's output becomes a tree here, and every change is checked here."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from autopack.errors import InvalidInput, Reason, ResourceExhausted
from autopack.gitstore import trees
from autopack.gitstore.objects import DIRECTORY, EXECUTABLE, GITLINK, REGULAR, SYMLINK, Entry
from autopack.gitstore.records import from_path
from autopack.gitstore.store import GitStore
from autopack.gitstore.symlinks import stays_inside
from autopack.policy.paths import PathRules, canonical_path

MAXIMUM_REASONS = 50
"""Of one refusal; more help nobody."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one file. No contents: it goes."""

    path: str
    contents: bytes | None
    executable: bool | None = None
    """None keeps what it was; a new file is not executable."""
    symlink: bool = False
    """The contents are the target of a symbolic link."""


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """How large one change may be; sizes in bytes, of the files as they become."""

    files: int = 5_000
    file_bytes: int = 10_000_000
    total_bytes: int = 50_000_000


DEFAULT_LIMITS = ChangeLimits()
LEDGER_LIMITS = ChangeLimits(file_bytes=64_000_000, total_bytes=256_000_000)
"""Of tidy's changes: a ledger's year has one file, which nobody can make smaller."""


def apply_edits(
    store: GitStore,
    base: str,
    edits: Sequence[Edit],
    allowed: PathRules,
    limits: ChangeLimits = DEFAULT_LIMITS,
) -> str:
    """Writes the tree that `base` becomes and returns its id.

    Raises InvalidInput with every reason at once: `NO_CHANGE`, what `canonical_path` and `allowed`
    refuse, `PATH_TWICE`, `PATH_NOT_FOUND` (a deletion), `PATH_THROUGH_SYMLINK`, `PATH_THROUGH_FILE`,
    `PATH_IS_DIRECTORY`, and all that `check_change` finds in the result.
    """
    root = store.tree(base)
    reasons: list[Reason] = []
    by_path: dict[str, Edit] = {}
    for edit in edits:
        try:
            path = canonical_path(edit.path)
        except InvalidInput as error:
            reasons += error.reasons
            continue
        if path in by_path:
            reasons.append(_reason("PATH_TWICE", "named twice in one change", "name it once", path))
        by_path[path] = edit
    sizes = {path: len(edit.contents) for path, edit in by_path.items() if edit.contents is not None}
    if too_large := refuse_sizes(sizes, limits):
        raise InvalidInput(*too_large, *reasons[:MAXIMUM_REASONS])
    deleted = {from_path(path) for path, edit in by_path.items() if edit.contents is None}
    changes: dict[bytes, trees.Leaf | None] = {}
    for path, edit in by_path.items():
        old, reason = _locate(store, root, path, edit, deleted)
        if reason is not None:
            reasons.append(reason)
        elif edit.contents is None:
            changes[from_path(path)] = None
        else:
            blob = bytes.fromhex(store.write_blob(edit.contents))
            changes[from_path(path)] = (_mode(edit, old), blob)
    tree = trees.edit(store.read_tree, store.write_tree, root, changes)
    reasons += check_change(store, root.hex(), tree.hex(), allowed, limits)
    if reasons:
        raise InvalidInput(*reasons[:MAXIMUM_REASONS])
    if tree == root:
        raise InvalidInput(
            Reason("NO_CHANGE", "every file stays as it is", "check whether it was done before")
        )
    return tree.hex()


def check_change(
    store: GitStore, base: str, head: str, allowed: PathRules, limits: ChangeLimits = DEFAULT_LIMITS
) -> tuple[Reason, ...]:
    """Why the change from `base` to `head` (ids of commits or trees) may not be made; empty if it may.

    Codes: what `allowed` refuses, `PATH_NOT_UTF8`, `PATH_CLASH`, `SUBMODULE_CHANGED`,
    `MODE_INVALID`, `SYMLINK_ESCAPES`, `CHANGE_TOO_LARGE`.
    """
    old, new = store.tree(base), store.tree(head)
    try:
        changes = trees.difference(store.read_tree, old, new, limits.files)
    except ResourceExhausted as error:
        return error.reasons
    sizes = {
        _shown(change.path): store.size(change.new[1].hex())
        for change in changes
        if change.new and change.new[0] != GITLINK
    }
    if too_large := refuse_sizes(sizes, limits):
        return tuple(too_large)
    reasons = [reason for change in changes if (reason := _check(store, change, allowed)) is not None]
    reasons += _clashes(store, old, new, [change.path for change in changes if change.old is None])
    return tuple(reasons[:MAXIMUM_REASONS])


def _check(store: GitStore, change: trees.Difference, allowed: PathRules) -> Reason | None:
    """The rules for one path, whoever changed it and however."""
    try:
        path = change.path.decode()
    except UnicodeDecodeError:
        return _reason("PATH_NOT_UTF8", "the name is not UTF-8", "rename the file", _shown(change.path))
    if reason := allowed.refuse(path):
        return reason
    old_mode, new_mode = (leaf[0] if leaf else 0 for leaf in (change.old, change.new))
    if GITLINK in (old_mode, new_mode):
        return _reason(
            "SUBMODULE_CHANGED",
            "the change touches a submodule",
            "change submodules in a commit of your own",
            path,
        )
    if new_mode == SYMLINK and change.new:
        target = store.read_blob(change.new[1].hex())
        if not stays_inside(change.path, target):
            return _reason(
                "SYMLINK_ESCAPES",
                f"the link leads to {_shown(target)[:200]!r}",
                "link to a file of the repository, with `..` only at the start",
                path,
            )
    elif new_mode not in (0, REGULAR, EXECUTABLE):
        return _reason("MODE_INVALID", f"mode {new_mode:o}", "use 100644, 100755 or 120000", path)
    return None


def refuse_sizes(sizes: Mapping[str, int], limits: ChangeLimits = DEFAULT_LIMITS) -> list[Reason]:
    """Why a change that gives files these sizes, by path, is too large."""
    reasons = [
        _reason(
            "CHANGE_TOO_LARGE",
            f"the file has {size} bytes, more than {limits.file_bytes}",
            "keep large files out of the repository",
            path,
        )
        for path, size in sizes.items()
        if size > limits.file_bytes
    ]
    total = sum(sizes.values())
    if len(sizes) > limits.files or total > limits.total_bytes:
        most = f"{limits.files} files or {limits.total_bytes} bytes"
        found = f"{len(sizes)} files with {total} bytes, more than {most}"
        reasons.insert(0, Reason("CHANGE_TOO_LARGE", found, "split it into smaller changes"))
    return reasons[:MAXIMUM_REASONS]


def _locate(
    store: GitStore, root: bytes, path: str, edit: Edit, deleted: Set[bytes]
) -> tuple[trees.Leaf | None, Reason | None]:
    """What is at an edit's path in the base, and why the edit cannot be made there."""
    raw = from_path(path)
    for end in (index for index, byte in enumerate(raw) if byte == 0x2F):
        found = trees.find(store.read_tree, root, raw[:end])
        if found is None or (found[0] != DIRECTORY and raw[:end] in deleted):
            break
        if found[0] == SYMLINK:
            fix = "name the file that the link leads to"
            return None, _reason("PATH_THROUGH_SYMLINK", f"{_shown(raw[:end])} is a symbolic link", fix, path)
        if found[0] == GITLINK:
            fix = "change submodules in their own repository"
            return None, _reason("SUBMODULE_CHANGED", f"{_shown(raw[:end])} is a submodule", fix, path)
        if found[0] != DIRECTORY:
            fix = "delete that file in the same change, or choose another name"
            return None, _reason("PATH_THROUGH_FILE", f"{_shown(raw[:end])} is a file", fix, path)
    found = trees.find(store.read_tree, root, raw)
    if edit.contents is None and found is None:
        return None, _reason("PATH_NOT_FOUND", "there is no such file to delete", "correct the name", path)
    if edit.contents is None and found and found[0] == DIRECTORY:
        return None, _reason("PATH_IS_DIRECTORY", "a directory", "name the files to delete in it", path)
    if found and found[0] == GITLINK:
        return None, _reason("SUBMODULE_CHANGED", "a submodule", "change it in a commit of your own", path)
    return found, None


def _mode(edit: Edit, old: trees.Leaf | None) -> int:
    if edit.symlink:
        return SYMLINK
    executable = edit.executable
    if executable is None:
        executable = old is not None and old[0] not in (SYMLINK, DIRECTORY) and bool(old[0] & 0o100)
    return EXECUTABLE if executable else REGULAR


def _clashes(store: GitStore, old: bytes, new: bytes, added: Sequence[bytes]) -> Iterator[Reason]:
    """New names that some file system cannot tell from another name in the same directory."""
    names_below: dict[bytes, set[bytes]] = {}
    for path in added:
        parent, _, name = path.rpartition(b"/")
        while name not in names_below.setdefault(parent, set()):
            names_below[parent].add(name)
            parent, _, name = parent.rpartition(b"/")
            if not name:
                break
    for parent, names in sorted(names_below.items()):
        fresh = names - {entry[1] for entry in _directory(store, old, parent)}
        if not fresh:
            continue
        by_key: dict[str, list[bytes]] = {}
        for entry in _directory(store, new, parent):
            by_key.setdefault(_fold(entry[1]), []).append(entry[1])
        for name in sorted(fresh):
            other = next((other for other in by_key[_fold(name)] if other != name), None)
            if other is not None:
                yield _reason(
                    "PATH_CLASH",
                    f"some file systems take it for {_shown(other)!r} beside it",
                    "choose a name that differs in more than case or Unicode form",
                    _shown(parent + b"/" + name if parent else name),
                )


def _directory(store: GitStore, root: bytes, path: bytes) -> Sequence[Entry]:
    found = trees.find(store.read_tree, root, path) if path else (DIRECTORY, root)
    return store.read_tree(found[1]) if found and found[0] == DIRECTORY else ()


def _fold(name: bytes) -> str:
    """What file systems that ignore case, Unicode form, invisible characters or a tail make of a name."""
    text = name.decode(errors="surrogateescape")
    if not text.isascii():
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return text.lower().rstrip(" .")


def _shown(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _reason(code: str, message: str, fix: str, path: str) -> Reason:
    return Reason(code, message, fix, path=path)
