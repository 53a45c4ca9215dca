"""Hands a plan in, for a run or only to hear what would be done."""

import asyncio
import uuid

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.plan.v1 import plan_pb2
from autopack.cli import outcome
from autopack.cli.documents import reasons
from autopack.cli.driving import drive
from autopack.cli.repository import repository_of
from autopack.cli.session import Session
from autopack.cli.terminal import neutralise, output, progress
from autopack.errors import InvalidInput
from autopack.policy.convert import plan_to_proto
from autopack.policy.plan import Plan
from autopack.policy.run_ids import refuse_run_id
from autopack.rpc.errors import call, reasons_from_proto
from autopack.text import counted

SUBMIT_SECONDS = 600.0
"""A first submission brings a whole repository in."""


async def submit(
    session: Session, plan: Plan, repo: str, run_id: str | None, wait: bool, as_json: bool
) -> int:
    """Submits the plan and follows the run to its next stop; the exit code. None: the run is given an id."""
    if run_id is not None and (refusal := refuse_run_id(run_id)):
        raise InvalidInput(refusal)
    message_of_plan = plan_to_proto(plan)
    repository = await asyncio.to_thread(repository_of, repo, session.all_in_one)
    stub = await session.orchestrator()
    request = messages.SubmitRunRequest(
        request_id=f"submit/{uuid.uuid4()}", plan=message_of_plan, repository=repository, run_id=run_id or ""
    )
    response = await call(stub.SubmitRun(request, timeout=SUBMIT_SECONDS))
    outcome.print_reasons(reasons_from_proto(response.notices), "note")
    if not as_json:
        progress().print(
            f"run {response.run.run_id}: {counted(len(plan.phases), 'phase')} on {response.run.base[:10]}"
        )
    return await drive(session, response.run, wait, as_json, repo)


async def plan_only(session: Session, plan: Plan, repo: str, as_json: bool) -> int:
    """Says all that can be known before the plan runs; changes nothing."""
    message_of_plan = plan_to_proto(plan)
    repository = await asyncio.to_thread(repository_of, repo, session.all_in_one)
    stub = await session.orchestrator()
    request = messages.PlanRunRequest(plan=message_of_plan, repository=repository)
    answer = await call(stub.PlanRun(request, timeout=SUBMIT_SECONDS))
    if as_json:
        outcome.print_json(
            "dry-run",
            {
                "name": plan.name,
                "base": answer.base,
                "order": list(answer.order),
                "checks": [_check(check) for check in answer.checks],
                "notices": reasons(answer.notices),
                "policy_digest": answer.policy_digest,
            },
        )
        return outcome.DONE
    outcome.print_reasons(reasons_from_proto(answer.notices), "note")
    output().print(f"{neutralise(plan.name, True)}: would start from {answer.base}")
    phases = {phase.id: phase for phase in plan.phases}
    for slot, phase_id in enumerate(answer.order, 1):
        phase = phases[phase_id]
        after = f" after {', '.join(phase.depends_on)}" if phase.depends_on else ""
        output().print(f"  {slot} {phase_id}{after}: {neutralise(phase.goal, True)}")
    for check in answer.checks:
        output().print(f"  check {check.name}: {neutralise(check.run, True)}")
    if not answer.checks:
        output().print("  no checks in the policy: only phases with checks of their own can land (NO_CHECKS)")
    return outcome.DONE


def _check(check: plan_pb2.Check) -> dict[str, object]:
    return {"name": check.name, "run": check.run, "reports": check.reports, "timeout": check.timeout_seconds}
