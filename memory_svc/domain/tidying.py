"""Renders the entries of merged runs into the ledgers and proposes them as one commit."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from autopack.errors import NotFound, Reason
from autopack.ledger.derived import render_derived
from autopack.ledger.document import Ledger
from autopack.ledger.entry import Entry, Kind
from autopack.ledger.files import parse_files, render_files
from memory_svc.domain.records import RunRecord
from memory_svc.domain.store import DocumentStore, LedgerRepository, Proposal, Snapshot
from memory_svc.domain.tidy import recorded_runs, tidy


@dataclass(frozen=True, slots=True)
class TidyOrder:
    """What is to be consolidated, and for whom."""

    request_id: str
    project_id: str
    base: str
    run_ids: Sequence[str]
    upload_token: str
    git_address: str
    time: datetime | None = None
    """Dates drafts where no run is new; None: now."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """The proposed commit with the entries that it adds; empty where nothing was to add."""

    commit: str = ""
    entries: tuple[Entry, ...] = ()


class Tidying:
    """Decides nothing about what is merged or lands: the orchestrator does both."""

    def __init__(
        self, store: DocumentStore, repository: LedgerRepository, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._repository = repository
        self._clock = clock

    async def tidy(self, order: TidyOrder) -> Tidied:
        """Raises NotFound `RUN_RECORD_NOT_FOUND`, and InvalidInput with the reasons why a ledger of the base
        cannot be added to."""
        base = await self._repository.at(order.project_id, order.base, order.git_address)
        old = await asyncio.to_thread(lambda: {kind: parse_files(kind, base.read) for kind in Kind})
        records = await self._records(order, old)
        # The commit is the same however often it is made, but for drafts when no run is new.
        time = max((record.submit_time for record in records), default=order.time or self._now())
        new = await asyncio.to_thread(tidy, old, records, time.date())
        entries = tuple(entry for kind in Kind for entry in new[kind].entries[len(old[kind].entries) :])
        if not entries:
            return Tidied()
        files = await asyncio.to_thread(_changed_files, base, new)
        commit = await self._repository.propose(
            Proposal(
                project_id=order.project_id,
                base=order.base,
                files=files,
                message=_message(entries),
                time=time,
                request_id=order.request_id,
                upload_token=order.upload_token,
                git_address=order.git_address,
            )
        )
        return Tidied(commit, entries)

    async def _records(self, order: TidyOrder, ledgers: dict[Kind, Ledger]) -> list[RunRecord]:
        """Records of the runs that have no entry yet, in the order asked."""
        known = recorded_runs(ledgers)
        wanted = [run_id for run_id in dict.fromkeys(order.run_ids) if run_id not in known]
        records = {record.run_id: record for record in await self._store.records(order.project_id, wanted)}
        if missing := [run_id for run_id in wanted if run_id not in records]:
            raise NotFound(
                Reason(
                    "RUN_RECORD_NOT_FOUND",
                    f"nothing is recorded of {', '.join(missing[:20])}",
                    "record these runs again, or leave them out",
                )
            )
        return [records[run_id] for run_id in wanted]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _changed_files(base: Snapshot, ledgers: Mapping[Kind, Ledger]) -> dict[str, bytes]:
    files = render_derived(base.read, ledgers)
    for ledger in ledgers.values():
        files |= render_files(ledger)
    return {path: text.encode() for path, text in files.items() if text != base.read(path)}


def _message(entries: Sequence[Entry]) -> str:
    ids = "\n".join(f"- {entry.entry_id}: {entry.content.title}" for entry in entries)
    return f"Add {len(entries)} {'entry' if len(entries) == 1 else 'entries'} to the ledgers\n\n{ids}\n"
