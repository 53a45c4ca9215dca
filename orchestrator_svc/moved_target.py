"""Moves the base branch to the head of a landed run; where it has moved, the run's train goes again on it."""

import asyncio
import logging

from autopack.errors import AutopackError, Reason, ResourceExhausted, Unavailable
from orchestrator_svc.domain.refusal import Halt
from orchestrator_svc.domain.run import Run
from orchestrator_svc.projects import Project
from orchestrator_svc.services import patiently
from orchestrator_svc.steps import Steps
from orchestrator_svc.storage.replayed import replay_on, times_landed

REPLAYS = 3
"""Times that a train goes again before the run says that its target does not stand still."""
log = logging.getLogger(__name__)


async def fast_forward(steps: Steps, run: Run, branch: str, patience_seconds: float) -> bool:
    """Moves the branch to the run's head. False: it had moved, and the run is to be driven on.

    Raises:
        Refused: with why the branch stays where it is.
        Halt: where the remote is away for longer than the patience lasts.
    """
    project = steps.project
    reasons = await patiently(lambda: asyncio.to_thread(_move, project, run, branch), patience_seconds)
    if not reasons:
        return True
    tidies = any(phase.builder.WhichOneof("kind") == "ledger" for phase in steps.plan.values())
    tip = await asyncio.to_thread(_tip, project, branch)
    if tip in {"", run.base} or tidies:  # ledger entries are numbered by what is on the branch
        raise Refused(*reasons)
    if await asyncio.to_thread(project.remote.contains, project.store, tip, run.head):
        return True  # somebody has merged it
    times = await steps.rows.database.read(
        lambda connection: times_landed(connection, run.phases[0], run.run_id)
    )
    if times > REPLAYS:
        raise Refused(_restless(run, branch, times), *reasons)
    log.info("run %s goes again on %s, to which %s has moved", run.run_id, tip[:12], branch)
    await asyncio.to_thread(_take_back, project, run)
    await steps.rows.database.transaction(
        lambda connection: replay_on(connection, run, steps.fence, tip, steps.clock(), run.phases)
    )
    steps.changed(run.run_id)
    return False


class Refused(AutopackError):
    """The branch was not moved; the run's own branch has what landed."""


def _move(project: Project, run: Run, branch: str) -> tuple[Reason, ...]:
    """Why the branch could not be moved; again is the same."""
    try:
        project.remote.move_branch(project.store, branch, run.head, run.base)
    except (Unavailable, ResourceExhausted):
        raise  # no refusal: it can be tried again
    except AutopackError as error:
        return error.reasons
    return ()


def _tip(project: Project, branch: str) -> str:
    """Where the branch is by now, brought here; empty where it is gone."""
    found = project.remote.resolve(branch)
    if found is None:
        return ""
    project.remote.fetch(project.store, [found.commit])
    return found.commit


def _take_back(project: Project, run: Run) -> None:
    """Removes the run's branch, which begins anew; its attestations stay. Again is the same.

    Raises:
        Halt: `REF_MOVED`, where it is not where this run has put it.
    """
    there = project.remote.resolve(run.branch)
    if there is not None and there.commit != run.head:
        message = f"{run.branch} is at {there.commit}, not at {run.head}"
        raise Halt(Reason("REF_MOVED", message, "Put it back, then `autopack resume RUN`."))
    if there is not None:
        project.remote.push(project.store, run.branch, "", run.head)
    here = project.store.resolve(run.branch)
    if here is not None:
        project.store.update_refs([(run.branch, "", here)])


def _restless(run: Run, branch: str, times: int) -> Reason:
    short = branch.removeprefix("refs/heads/")
    return Reason(
        "TARGET_MOVED",
        f"{short} has moved each of the {times} times that the run had landed to move it.",
        f"Merge {run.branch.removeprefix('refs/heads/')} yourself, or run again when {short} stands still.",
    )
