"""Where attestations are kept in a repository: a ref of each run, and one branch that plain clones have.

A run's ref is a chain of commits, one for each landing, whose trees hold a file for each landed commit.
Each has the builder's own commit as a second parent, so that what was built travels with the proof of it.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from autopack.gitstore import trees
from autopack.gitstore.objects import REGULAR
from autopack.gitstore.store import GitStore, Signature

RUN_REFS = "refs/autopack/attestations/"
BRANCH = "refs/heads/autopack-attestations"
KEYS_FILE = "keys.jsonl"
"""On the branch: which key follows which."""
RUN_FILE = "run.json"
LOG_FILE = "log.jsonl"
INPUT_FILE = "input.json"
"""Beside the changes of a run: how it ended, what happened, what it was given."""
_AUTHOR = ("Autopack", "autopack@localhost")


def ref_of(run_id: str) -> str:
    """The ref of a run."""
    return RUN_REFS + run_id


def change_file(commit: str) -> str:
    """The file of a landed commit: DSSE envelopes, one a line."""
    return f"{commit}.jsonl"


def directory_of(run_id: str) -> str:
    """Where a run's files are on the branch; in 256 directories, so that none has too many."""
    return f"runs/{hashlib.sha256(run_id.encode()).hexdigest()[:2]}/{run_id}"


def add_files(
    store: GitStore,
    previous: str | None,
    files: Mapping[str, bytes],
    also: Sequence[str],
    message: str,
    seconds: int,
) -> str:
    """The commit that adds files to those of an earlier one; equal arguments give an equal one.

    Args:
        store: where it is written.
        previous: the commit before it.
        files: contents by path.
        also: commits that it keeps alive.
        message: what it says.
        seconds: its Unix time.
    """
    leaves = {path.encode(): (REGULAR, bytes.fromhex(store.write_blob(data))) for path, data in files.items()}
    root = None if previous is None else store.tree(previous)
    tree = trees.edit(store.read_tree, store.write_tree, root, leaves).hex()
    parents = [previous] if previous else []
    parents += [commit for commit in dict.fromkeys(also) if commit != previous]
    return store.commit(tree=tree, parents=parents, message=message, author=Signature(*_AUTHOR, seconds))


def add_run(store: GitStore, branch: str | None, run_id: str, run: str, seconds: int) -> str:
    """The commit that puts a run's files, as its ref has them, on the branch."""
    files = {
        f"{directory_of(run_id)}/{entry.path}": store.read_blob(entry.oid) for entry in store.entries(run)
    }
    return add_files(store, branch, files, [run], f"Attest run {run_id}\n", seconds)


def tips_of(store: GitStore, run_id: str) -> Iterator[tuple[str, str]]:
    """Commits whose trees may have a run's files, with the directory there; the run's own ref first."""
    if own := store.resolve(ref_of(run_id)):
        yield own, ""
    for tip in branch_tips(store):
        yield tip, directory_of(run_id) + "/"


def branch_tips(store: GitStore) -> Iterator[str]:
    """The branch here, and as the remotes were last seen."""
    name = BRANCH.removeprefix("refs/heads/")
    found = [store.resolve(BRANCH)]
    found += [oid for ref, oid in store.refs("refs/remotes/").items() if ref.endswith(f"/{name}")]
    yield from dict.fromkeys(tip for tip in found if tip)


def read_file(store: GitStore, run_id: str, name: str) -> bytes | None:
    """A file of a run, from wherever the repository has it; it is somebody's word until it is verified.

    Raises InvalidInput `FILE_TOO_LARGE`, `NOT_A_FILE`.
    """
    for tip, directory in tips_of(store, run_id):
        data = store.read(tip, directory + name)
        if data is not None:
            return data
    return None
