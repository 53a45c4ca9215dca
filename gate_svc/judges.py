"""Puts the judge on a tree: the tests of the run's base over another product, without their expectations."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from autopack.gitstore.objects import DIRECTORY, REGULAR
from autopack.gitstore.records import FileChange
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit
from autopack.policy.policy import Policy
from gate_svc.domain.blinding.blind import blind
from gate_svc.domain.blinding.sites import Blinded
from gate_svc.domain.judge_files import is_judge
from gate_svc.domain.test_diff.test_files import is_test_file
from gate_svc.trees import PreparedTree, edit

FILES_LIMIT = 500
BYTES_LIMIT = 5_000_000
"""Test files that are blinded at most, and their bytes together; the others report for themselves."""
_KNOWN_FILES = 2000
_KNOWN_TREES = 20_000


@dataclass(frozen=True, slots=True)
class JudgedTree:
    """A tree as a check is to find it."""

    tree: PreparedTree
    digest: str
    """Stands for what of it is not the tree's own."""
    blinded: Mapping[str, Blinded] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    """Files of the judge that the tree has otherwise than the run's base."""
    only: tuple[str, ...] = ()
    """Test files that are to be run; empty: all."""


class Judges:
    """Prepares trees with their judges."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._blind = lru_cache(_KNOWN_FILES)(self._blinded)
        self._listed: dict[bytes, tuple[tuple[str, str], ...]] = {}

    async def pinned(
        self, store: GitStore, run_base: str, tree: str, policy: Policy, prepared: PreparedTree
    ) -> JudgedTree:
        """The tree with the judge of the run's base in place of its own, blinded."""
        return await asyncio.to_thread(self._pinned, store, run_base, tree, policy, prepared)

    async def own(
        self, store: GitStore, run_base: str, tree: str, policy: Policy, prepared: PreparedTree
    ) -> JudgedTree | None:
        """The tree with its own judge where that is another one: only what is new of it is to be run."""
        return await asyncio.to_thread(self._own, store, run_base, tree, policy, prepared)

    async def lent(
        self,
        store: GitStore,
        run_base: str,
        policy: Policy,
        prepared: PreparedTree,
        head: str,
        own: JudgedTree,
    ) -> JudgedTree:
        """A base with what the head has of its own tests: those of a bug fix must fail on it."""

        def put() -> JudgedTree:
            brought = [edit(store, each) for each in _judge_changes(store, run_base, head, policy)]
            tree = PreparedTree(prepared.checkout, _merged(prepared.edits, brought))
            return JudgedTree(tree, f"lent by {head}", own.blinded, own.changed, own.only)

        return await asyncio.to_thread(put)

    def _pinned(
        self, store: GitStore, run_base: str, tree: str, policy: Policy, prepared: PreparedTree
    ) -> JudgedTree:
        changes = _judge_changes(store, run_base, tree, policy)
        put_back = [edit(store, _reversed(change)) for change in changes]
        files = dict(self._tests(store, tree))
        for change in changes:
            files.pop(change.path, None)
            if change.old_mode and is_test_file(change.path):
                files[change.path] = change.old_oid
        return JudgedTree(
            tree=PreparedTree(prepared.checkout, _merged(prepared.edits, put_back)),
            digest=run_base if changes else "",
            blinded=self._all_blinded(store, files),
            changed=tuple(change.path for change in changes),
        )

    def _own(
        self, store: GitStore, run_base: str, tree: str, policy: Policy, prepared: PreparedTree
    ) -> JudgedTree | None:
        changes = [each for each in _judge_changes(store, run_base, tree, policy) if each.new_mode]
        if not changes:
            return None
        whole = not all(is_test_file(change.path) for change in changes)
        files = dict(self._tests(store, tree))
        only = tuple(change.path for change in changes if change.path in files)
        if not only and not whole:
            return None
        blinded = self._all_blinded(store, files if whole else {path: files[path] for path in only})
        return JudgedTree(prepared, "own", blinded, only, () if whole else only)

    def _all_blinded(self, store: GitStore, files: Mapping[str, str]) -> Mapping[str, Blinded]:
        found, left = {}, BYTES_LIMIT
        for path, oid in sorted(files.items())[:FILES_LIMIT]:
            left -= store.size(oid)
            if left < 0:
                break
            if made := self._blind(store, oid, path):
                found[path] = made
        return found

    def _blinded(self, store: GitStore, oid: str, path: str) -> Blinded | None:
        return blind(store.read_blob(oid), path, self._key)

    def _tests(self, store: GitStore, tree: str) -> Iterator[tuple[str, str]]:
        return iter(self._below(store, bytes.fromhex(tree)))

    def _below(self, store: GitStore, tree: bytes) -> tuple[tuple[str, str], ...]:
        """Test files below a tree with their blobs; trees that are alike are looked at once."""
        known = self._listed.get(tree)
        if known is not None:
            return known
        found: list[tuple[str, str]] = []
        for octal, name, oid in store.read_tree(tree):
            mode, path = int(octal, 8), name.decode(errors="surrogateescape")
            if mode == DIRECTORY:
                found += [(f"{path}/{below}", blob) for below, blob in self._below(store, oid)]
            elif mode & REGULAR == REGULAR and is_test_file(path):
                found.append((path, oid.hex()))
        if len(self._listed) >= _KNOWN_TREES:
            self._listed.clear()
        self._listed[tree] = tuple(found)
        return self._listed[tree]


def blinded_edits(blinded: Mapping[str, Blinded]) -> tuple[Edit, ...]:
    """What puts blinded files in the place of the tests."""
    return tuple(Edit(path, each.source) for path, each in blinded.items())


def _judge_changes(store: GitStore, run_base: str, tree: str, policy: Policy) -> list[FileChange]:
    return [change for change in store.diff(run_base, tree) if is_judge(change.path, policy)]


def _reversed(change: FileChange) -> FileChange:
    return FileChange(change.path, change.new_mode, change.old_mode, change.new_oid, change.old_oid)


def _merged(first: tuple[Edit, ...], then: list[Edit]) -> tuple[Edit, ...]:
    return tuple({each.path: each for each in (*first, *then)}.values())
