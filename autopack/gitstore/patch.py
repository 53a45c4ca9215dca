"""Turns a unified or git diff into edits of a base, exactly: no fuzz, and no file is touched.

Our own rather than `git apply --cached`: that needs an index of the whole tree, does not say what it found
instead, and would give hostile input to a process that can write."""

from collections.abc import Sequence
from dataclasses import dataclass

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.hunks import HunkMismatch, apply_hunks
from autopack.gitstore.objects import DIRECTORY, EXECUTABLE, GITLINK, REGULAR, SYMLINK
from autopack.gitstore.pack_format import BLOB, object_id
from autopack.gitstore.patch_format import FilePatch, parse
from autopack.gitstore.records import to_path
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit
from autopack.policy.paths import PathRules, canonical_path, refuse_all

MAXIMUM_PATCH_BYTES = 10_000_000
GROUP_WRITABLE = 0o100664
"""What old versions of git wrote for a plain file."""


@dataclass(frozen=True, slots=True)
class _File:
    mode: int
    data: bytes


def parse_patch(store: GitStore, base: str, diff: bytes) -> tuple[Edit, ...]:
    """The edits that a diff makes of the files at `base`, one for each file; see `hunks` for what fits.

    Raises InvalidInput with a reason for each file: `PATCH_TOO_LARGE`, `PATCH_INVALID`,
    `PATCH_BINARY`, `PATCH_DOES_NOT_APPLY`, `SUBMODULE_CHANGED`, and what `canonical_path` refuses.
    """
    return _Application(store, base).apply(_read(diff))


def refuse_patch(diff: bytes, rules: PathRules) -> tuple[Reason, ...]:
    """Why a diff can be applied to no base under these rules: what its form, paths and modes say."""
    try:
        patches = _read(diff)
    except InvalidInput as error:
        return error.reasons
    reasons: dict[Reason, None] = {}
    for patch in patches:
        sides = [patch.new_path] if patch.copy else [patch.old_path, patch.new_path]
        paths = [to_path(side) for side in sides if side is not None]
        reasons.update(dict.fromkeys(refuse_all(rules, paths)))
        if mode := _refuse_modes(patch, paths[-1]):
            reasons[mode] = None
    return tuple(reasons)


def _read(diff: bytes) -> list[FilePatch]:
    if len(diff) > MAXIMUM_PATCH_BYTES:
        message = f"the patch has {len(diff)} bytes, more than {MAXIMUM_PATCH_BYTES}"
        raise InvalidInput(Reason("PATCH_TOO_LARGE", message, "split it, or use a command that makes it"))
    return parse(diff)


def _refuse_modes(patch: FilePatch, name: str) -> Reason | None:
    if GITLINK in (patch.old_mode, patch.new_mode):
        return _submodule(name)
    if patch.new_mode not in (None, REGULAR, EXECUTABLE, SYMLINK, GROUP_WRITABLE):
        message = f"line {patch.number} of the patch: mode {patch.new_mode:o}"
        return Reason("PATCH_INVALID", message, "use 100644, 100755 or 120000", path=name)
    return None


class _Application:
    """Files as the patches so far leave them; one may be edited twice, but not edited and moved."""

    def __init__(self, store: GitStore, base: str) -> None:
        self._store = store
        self._base = base
        self._files: dict[str, _File | None] = {}
        self._leaving: set[bytes] = set()
        self._edited: set[str] = set()
        self._left: set[str] = set()
        self._arrived: set[str] = set()

    def apply(self, patches: Sequence[FilePatch]) -> tuple[Edit, ...]:
        moves = [patch for patch in patches if patch.old_path != patch.new_path and not patch.copy]
        self._leaving = {patch.old_path for patch in moves if patch.old_path is not None}
        reasons: list[Reason] = []
        for patch in patches:
            try:
                self._apply(patch)
            except InvalidInput as error:
                reasons += error.reasons
        if reasons:
            raise InvalidInput(*reasons)
        return tuple(
            Edit(path, None)
            if file is None
            else Edit(path, file.data, bool(file.mode & 0o100), file.mode == SYMLINK)
            for path, file in sorted(self._files.items())
        )

    def _apply(self, patch: FilePatch) -> None:
        source = None if patch.old_path is None else canonical_path(to_path(patch.old_path))
        target = None if patch.new_path is None else canonical_path(to_path(patch.new_path))
        moves = source != target
        name = target or source or ""
        self._note(patch, source, target)
        old = None if source is None else self._read(source, edited=not moves)
        if source is not None and old is None:
            raise _does_not_apply(f"line {patch.number} of the patch: there is no {source}", source)
        if refusal := _refuse_modes(patch, name):
            raise InvalidInput(refusal)
        if old and old.mode == GITLINK:
            raise InvalidInput(_submodule(name))
        if old and patch.old_mode and (old.mode ^ patch.old_mode) & 0o170000:
            raise _does_not_apply(f"line {patch.number} of the patch: {source} is of another kind", name)
        if moves and target is not None and self._taken(patch, target):
            raise _does_not_apply(f"line {patch.number} of the patch: {target} exists already", target)
        data = self._contents(patch, old, name)
        if target is None:
            if data:
                message = f"line {patch.number} of the patch: it deletes the file, but not all lines of it"
                raise _does_not_apply(message, name)
            self._files[name] = None
            return
        mode = patch.new_mode or (old.mode if old else REGULAR)
        self._files[target] = _File(mode, data)
        if moves and source is not None and not patch.copy:
            self._files.setdefault(source, None)  # unless another file came there

    def _contents(self, patch: FilePatch, old: _File | None, name: str) -> bytes:
        data = old.data if old else b""
        if patch.binary is not None:
            if old and not object_id(BLOB, data).hex().encode().startswith(patch.old_oid):
                message = f"line {patch.number} of the patch: it is of other contents"
                raise _does_not_apply(message, name)
            return patch.binary.apply(data)
        try:
            return apply_hunks(data, patch.hunks)
        except HunkMismatch as error:
            message = f"the hunk at line {error.hunk.number} of the patch: {error.message}"
            raise _does_not_apply(message, name, error.line) from None

    def _note(self, patch: FilePatch, source: str | None, target: str | None) -> None:
        """Refuses a path that the diff names in two ways that do not go together."""
        roles: list[tuple[str | None, set[str], set[str]]] = []
        if source == target:
            roles.append((target, self._edited, self._left | self._arrived))
        else:
            roles.append((target, self._arrived, self._arrived | self._edited))
            if not patch.copy:
                roles.append((source, self._left, self._left | self._edited))
        for path, role, excluded in roles:
            if path is None:
                continue
            if path in excluded:
                message = f"line {patch.number} of the patch: it names this file twice"
                raise InvalidInput(
                    Reason("PATCH_INVALID", message, "make one diff of the whole change", path=path)
                )
            role.add(path)

    def _read(self, path: str, edited: bool) -> _File | None:
        """A file as it was in the base, which moves and copies refer to, or as it was edited."""
        if edited and path in self._files:
            return self._files[path]
        entry = self._store.entry(self._base, path)
        if entry is None or entry.mode == DIRECTORY:
            return None
        return _File(entry.mode, b"" if entry.mode == GITLINK else self._store.read_blob(entry.oid))

    def _taken(self, patch: FilePatch, target: str) -> bool:
        return patch.new_path not in self._leaving and self._read(target, edited=False) is not None


def _submodule(name: str) -> Reason:
    fix = "change submodules in a commit of your own"
    return Reason("SUBMODULE_CHANGED", "the patch touches a submodule", fix, path=name)


def _does_not_apply(message: str, path: str, line: int = 0) -> InvalidInput:
    fix = "make the patch anew against the base that the run starts from"
    return InvalidInput(Reason("PATCH_DOES_NOT_APPLY", message, fix, path=path, line=line))
