"""Reads runs and claims them for driving."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from autopack.database.database import Database
from autopack.errors import NotFound, Reason
from orchestrator_svc.domain.run import Event, Phase, Run
from orchestrator_svc.domain.states import ENDED_RUNS, AttemptState, PhaseState, RunState
from orchestrator_svc.storage.rows import (
    LONGEST_LEASE_SECONDS,
    Row,
    attempt_from_row,
    event_from_row,
    phase_from_row,
    reasons_to_json,
    run_from_row,
)
from orchestrator_svc.storage.tables import approvals, attempts, events, handoffs, phases, requests, runs


@dataclass(frozen=True, slots=True, order=True)
class Landed:
    """Where and as what a phase landed."""

    slot: int
    commit: str


@dataclass(frozen=True, slots=True)
class Line:
    """The part of a run that its driver looks at: the first phases in line, never all of them."""

    run: Run
    phases: tuple[Phase, ...]
    """Not ended and with a slot, in order of slots; at most a window of them."""
    landed: dict[str, Landed]
    """Dependencies of these that landed, by phase id."""
    lost: frozenset[str]
    """Dependencies of these that ended otherwise."""
    unfinished: int
    """Phases that have not ended, slot or not."""
    waiting: int
    """Phases that wait for approval."""


class RunStore:
    """Runs by id."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, run_id: str, now: float, phases_too: bool = True) -> Run:
        """The run, with all its phases unless they are not wanted.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
        """

        def read(connection: sa.Connection) -> Run:
            row = _run_row(connection, run_id)
            found = _phases(connection, phases.c.run_id == run_id) if phases_too else ()
            return run_from_row(row, now, found)

        return await self.database.read(read)

    async def exists(self, run_id: str) -> bool:
        """Whether there is such a run."""

        def read(connection: sa.Connection) -> bool:
            return (
                connection.execute(sa.select(runs.c.run_id).where(runs.c.run_id == run_id)).first()
                is not None
            )

        return await self.database.read(read)

    async def phase(self, run_id: str, phase_id: str) -> Phase:
        """One phase as it stands.

        Raises:
            NotFound: `PHASE_NOT_FOUND`.
        """

        def read(connection: sa.Connection) -> Phase:
            return one_phase(connection, run_id, phase_id)

        return await self.database.read(read)

    async def plan(self, run_id: str) -> bytes:
        """The run's plan, serialized.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
        """

        def read(connection: sa.Connection) -> bytes:
            plan: bytes = _run_row(connection, run_id).plan
            return plan

        return await self.database.read(read)

    async def replay(self, run_id: str) -> bytes | None:
        """What the builders of an earlier run gave, which is used in their place; None: builders build."""

        def read(connection: sa.Connection) -> bytes | None:
            replay: bytes | None = _run_row(connection, run_id).replay
            return replay

        return await self.database.read(read)

    async def base_branch(self, run_id: str) -> str:
        """The branch that the run's base names; empty where it names none."""

        def read(connection: sa.Connection) -> str:
            branch: str = _run_row(connection, run_id).base_branch
            return branch

        return await self.database.read(read)

    async def page(self, size: int, before: tuple[float, str] | None, now: float) -> tuple[Run, ...]:
        """Runs without their phases, newest first, after the one given by time and id."""

        def read(connection: sa.Connection) -> tuple[Run, ...]:
            key = sa.tuple_(runs.c.submit_time, runs.c.run_id)
            query = sa.select(runs).order_by(runs.c.submit_time.desc(), runs.c.run_id.desc()).limit(size)
            if before is not None:
                query = query.where(key < sa.tuple_(sa.literal(before[0]), sa.literal(before[1])))
            return tuple(run_from_row(row, now) for row in connection.execute(query))

        return await self.database.read(read)

    async def of_project(self, project_id: str, now: float) -> tuple[Run, ...]:
        """All runs of a project without their phases, oldest first."""

        def read(connection: sa.Connection) -> tuple[Run, ...]:
            query = (
                sa.select(runs)
                .where(runs.c.project_id == project_id)
                .order_by(runs.c.submit_time, runs.c.run_id)
            )
            return tuple(run_from_row(row, now) for row in connection.execute(query))

        return await self.database.read(read)

    async def line(self, run_id: str, window: int, now: float) -> Line:
        """What the run's driver needs to know to decide what is next.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
        """

        def read(connection: sa.Connection) -> Line:
            row = _run_row(connection, run_id)
            in_line = (
                sa.select(phases.c.phase_id)
                .where(phases.c.run_id == run_id, ~phases.c.ended, phases.c.slot.is_not(None))
                .order_by(phases.c.slot)
                .limit(window)
            )
            ids = [found.phase_id for found in connection.execute(in_line)]
            found = _phases(connection, phases.c.run_id == run_id, phases.c.phase_id.in_(ids))
            ordered = tuple(sorted(found, key=lambda phase: phase.slot or 0))
            needed = {name for phase in ordered for name in phase.depends_on} - set(ids)
            ends = connection.execute(
                sa.select(phases.c.phase_id, phases.c.state, phases.c.slot, phases.c.commit).where(
                    phases.c.run_id == run_id, phases.c.ended, phases.c.phase_id.in_(needed)
                )
            ).all()
            counts = connection.execute(
                sa.select(phases.c.state, sa.func.count())
                .where(phases.c.run_id == run_id, ~phases.c.ended)
                .group_by(phases.c.state)
            ).all()
            by_state = {row.state: row[1] for row in counts}
            return Line(
                run=run_from_row(row, now),
                phases=ordered,
                landed={
                    end.phase_id: Landed(end.slot, end.commit)
                    for end in ends
                    if end.state == PhaseState.LANDED
                },
                lost=frozenset(end.phase_id for end in ends if end.state != PhaseState.LANDED),
                unfinished=sum(by_state.values()),
                waiting=by_state.get(PhaseState.WAITING_APPROVAL, 0),
            )

        return await self.database.read(read)

    async def events(self, run_id: str, after: int, limit: int) -> tuple[Event, ...]:
        """Events after a number, in order."""
        return await self.database.read(lambda connection: _events(connection, run_id, after, limit))

    async def news(self, run_id: str, after: int, limit: int, now: float) -> tuple[Run, tuple[Event, ...]]:
        """The run without its phases, and its events after a number, as of one moment.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
        """

        def read(connection: sa.Connection) -> tuple[Run, tuple[Event, ...]]:
            row = _run_row(connection, run_id)
            return run_from_row(row, now), _events(connection, run_id, after, limit)

        return await self.database.read(read)

    async def approvals(self, run_id: str, phase_id: str) -> Sequence[Row]:
        """Approvals given to a phase, in order."""

        def read(connection: sa.Connection) -> Sequence[Row]:
            return connection.execute(
                sa.select(approvals)
                .where(approvals.c.run_id == run_id, approvals.c.phase_id == phase_id)
                .order_by(approvals.c.number)
            ).all()

        return await self.database.read(read)

    async def upload_token(self, run_id: str, phase_id: str, number: int) -> str:
        """The secret that binds a pack to this attempt; empty where there is no such attempt at work."""

        def read(connection: sa.Connection) -> str:
            row = connection.execute(
                sa.select(attempts.c.upload_token).where(
                    attempts.c.run_id == run_id,
                    attempts.c.phase_id == phase_id,
                    attempts.c.number == number,
                    attempts.c.state == AttemptState.BUILDING,
                )
            ).one_or_none()
            return "" if row is None else row.upload_token

        return await self.database.read(read)

    async def upload_token_of(self, request_id: str) -> str:
        """The token of the attempt that a build's request id names: run/phase/attempt/build."""
        match request_id.split("/"):
            case [run_id, phase_id, number, _] if number.isdecimal():
                return await self.upload_token(run_id, phase_id, int(number))
            case _:
                return ""

    @staticmethod
    def head_of(connection: sa.Connection, run_id: str) -> Run:
        """The run without its phases.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
        """
        return run_from_row(_run_row(connection, run_id), now=0.0)

    @staticmethod
    def unfinished(connection: sa.Connection, run_id: str) -> list[Phase]:
        """The run's phases that have not ended, in topological order."""
        return _phases(connection, phases.c.run_id == run_id, ~phases.c.ended)

    async def undriven(self, now: float, halted_too: bool) -> tuple[str, ...]:
        """Ids of running runs whose driver's lease is gone, oldest first.

        `halted_too` has those among them that could not go on when they were driven last.
        """

        def read(connection: sa.Connection) -> tuple[str, ...]:
            query = (
                sa.select(runs.c.run_id, runs.c.reasons)
                .where(runs.c.state == RunState.RUNNING, _lease_is_gone(now))
                .order_by(runs.c.submit_time)
            )
            return tuple(row.run_id for row in connection.execute(query) if halted_too or not row.reasons)

        return await self.database.read(read)

    async def prune(self, before: float) -> None:
        """Forgets runs that ended before then; their commits, proofs and records are elsewhere."""
        ended = sa.select(runs.c.run_id).where(runs.c.state.in_(ENDED_RUNS), runs.c.end_time < before)

        def work(connection: sa.Connection) -> None:
            for table in (phases, attempts, handoffs, events, approvals, requests, runs):
                connection.execute(sa.delete(table).where(table.c.run_id.in_(ended)))

        await self.database.transaction(work)

    async def claim(self, run_id: str, owner: str, now: float, lease_seconds: float) -> int | None:
        """Takes the run for driving.

        Returns:
            The fence, or None where another drives it or there is nothing to drive.
        """

        def work(connection: sa.Connection) -> int | None:
            row = connection.execute(
                sa.update(runs)
                .where(
                    runs.c.run_id == run_id,
                    runs.c.state == RunState.RUNNING,
                    sa.or_(runs.c.owner == "", runs.c.owner == owner, _lease_is_gone(now)),
                )
                .values(owner=owner, lease_until=now + lease_seconds, fence=runs.c.fence + 1, reasons=[])
                .returning(runs.c.fence)
            ).one_or_none()
            return None if row is None else row.fence

        return await self.database.transaction(work)

    async def renew(self, run_id: str, fence: int, now: float, lease_seconds: float) -> bool:
        """Keeps the claim; False where it is lost."""

        def work(connection: sa.Connection) -> bool:
            return (
                connection.execute(
                    sa.update(runs)
                    .where(runs.c.run_id == run_id, runs.c.fence == fence)
                    .values(lease_until=now + lease_seconds)
                ).rowcount
                == 1
            )

        return await self.database.transaction(work)

    async def release(self, run_id: str, fence: int, reasons: Sequence[Reason] = ()) -> None:
        """Gives the claim up, saying why where the run has not come to an end."""

        def work(connection: sa.Connection) -> None:
            values: dict[str, object] = {"owner": "", "lease_until": 0.0}
            if reasons:
                values["reasons"] = reasons_to_json(reasons)
            connection.execute(
                sa.update(runs).where(runs.c.run_id == run_id, runs.c.fence == fence).values(values)
            )

        await self.database.transaction(work)


def _lease_is_gone(now: float) -> sa.ColumnElement[bool]:
    return sa.or_(runs.c.lease_until <= now, runs.c.lease_until > now + LONGEST_LEASE_SECONDS)


def _run_row(connection: sa.Connection, run_id: str) -> Row:
    row = connection.execute(sa.select(runs).where(runs.c.run_id == run_id)).one_or_none()
    if row is None:
        raise NotFound(Reason("RUN_NOT_FOUND", f"There is no run {run_id!r}.", "`autopack runs` lists them."))
    return row


def _phases(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Phase]:
    found = connection.execute(sa.select(phases).where(*where).order_by(phases.c.position)).all()
    ids = [row.phase_id for row in found]
    run_ids = {row.run_id for row in found}
    tried = connection.execute(
        sa.select(attempts)
        .where(attempts.c.run_id.in_(run_ids), attempts.c.phase_id.in_(ids))
        .order_by(attempts.c.number)
    )
    by_phase: dict[str, list[Row]] = {}
    for row in tried:
        by_phase.setdefault(row.phase_id, []).append(row)
    return [
        phase_from_row(row, [attempt_from_row(each) for each in by_phase.get(row.phase_id, [])])
        for row in found
    ]


def _events(connection: sa.Connection, run_id: str, after: int, limit: int) -> tuple[Event, ...]:
    query = (
        sa.select(events)
        .where(events.c.run_id == run_id, events.c.sequence > after)
        .order_by(events.c.sequence)
        .limit(limit)
    )
    return tuple(event_from_row(row) for row in connection.execute(query))


def one_phase(connection: sa.Connection, run_id: str, phase_id: str) -> Phase:
    """One phase as it stands.

    Raises:
        NotFound: `PHASE_NOT_FOUND`.
    """
    found = _phases(connection, phases.c.run_id == run_id, phases.c.phase_id == phase_id)
    if not found:
        raise NotFound(
            Reason(
                "PHASE_NOT_FOUND",
                f"Run {run_id} has no phase {phase_id!r}.",
                f"`autopack status {run_id}` lists them.",
            )
        )
    return found[0]
