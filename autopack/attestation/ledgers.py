"""Checks that what a commit adds to the ledgers agrees with what is attested of the runs that it tells of."""

from collections.abc import Callable, Iterator
from typing import Protocol

from autopack.gitstore.store import GitStore
from autopack.ledger.entry import LEDGERS, Entry, Kind
from autopack.ledger.files import parse_files


class Attested(Protocol):
    """What is proven of a commit; `verification.Accepted` is this."""

    @property
    def run_id(self) -> str: ...
    @property
    def run_base(self) -> str: ...
    @property
    def decision_digest(self) -> str: ...


def disagreement(
    store: GitStore, parent: str, commit: str, attested: Callable[[str], Attested]
) -> str | None:
    """What the first new entry says that is not so, in words; None where all agree.

    `attested` gives what is proven of a commit. Raises InvalidInput, also where a ledger cannot be read.
    """
    for entry in _added(store, parent, commit):
        said = {
            name: entry.content.get(name).strip("`") for name in ("Run", "Base", "Head", "Commit", "Verdict")
        }
        named = said["Head"] or said["Commit"]
        if not said["Run"] or not named or named == said["Base"]:
            continue  # written by people, or of a run that landed nothing
        if not store.has(named):
            return f"{entry.entry_id} names commit {named[:12]}, which the repository has not"
        found = attested(named)
        wanted = {"Run": found.run_id}
        if said["Head"]:
            wanted["Base"] = found.run_base
        if said["Verdict"]:
            wanted["Verdict"] = found.decision_digest
        for name, value in wanted.items():
            if said[name] != value:
                return f"{entry.entry_id} says {name} {said[name][:40]}, and {value[:40]} is attested"
    return None


def _added(store: GitStore, parent: str, commit: str) -> Iterator[Entry]:
    for kind, about in LEDGERS.items():
        if store.entry(parent, about.path) == store.entry(commit, about.path):
            continue
        known = {entry.entry_id for entry in _entries(store, parent, kind)}
        yield from (entry for entry in _entries(store, commit, kind) if entry.entry_id not in known)


def _entries(store: GitStore, commit: str, kind: Kind) -> tuple[Entry, ...]:
    def read(path: str) -> str | None:
        data = store.read(commit, path)
        return None if data is None else data.decode(errors="replace")

    return parse_files(kind, read).entries if read(LEDGERS[kind].path) is not None else ()
