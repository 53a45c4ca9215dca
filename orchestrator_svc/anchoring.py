"""Anchors an ended run: a signed statement of its end and of the heads of its records, at the remote."""

import asyncio
import hashlib
import subprocess
from dataclasses import asdict
from typing import Any

from autopack.api.gate.v1 import gate_service_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.attestation.log import digest_of
from autopack.attestation.storage import INPUT_FILE, LOG_FILE, RUN_FILE
from autopack.errors import Reason, Unavailable
from autopack.rpc.errors import call
from autopack.signing.document import canonical
from orchestrator_svc.domain.refusal import Halt
from orchestrator_svc.domain.run import Event, Phase, Run
from orchestrator_svc.domain.states import PhaseState, RunState
from orchestrator_svc.projects import Project
from orchestrator_svc.services import Services
from orchestrator_svc.storage.rows import Row
from orchestrator_svc.storage.runs import RunStore

EVENTS_AT_ONCE = 5000
HOOK_SECONDS = 60.0


async def anchor(
    run: Run,
    plan: bytes,
    state: RunState,
    project: Project,
    rows: RunStore,
    services: Services,
    hook: str,
) -> None:
    """Signs, stores and pushes; again is the same, unless something has happened since.

    Raises:
        Halt: `RUN_LOG_DAMAGED`, if the run's events are not what was written.
        Unavailable: `ANCHOR_HOOK_FAILED`, and what the gate and the remote say.
    """
    log = await _log(run.run_id, rows)
    given = await _input(run, plan, rows)
    predicate = {
        "run": {"id": run.run_id, "plan": run.plan_digest, "base": run.base},
        "state": str(state),
        "phases": [_phase(phase) for phase in sorted(run.phases, key=_order)],
        "log": {"events": len(log), "head": log[-1]["digest"] if log else ""},
        "input": hashlib.sha256(given).hexdigest(),
    }
    answer = await call(
        services.gate.AttestRun(
            gate_service_pb2.AttestRunRequest(
                run_id=run.run_id, head=run.head, predicate=canonical(predicate)
            )
        )
    )
    files = {
        RUN_FILE: answer.envelope,
        LOG_FILE: b"".join(canonical(event) + b"\n" for event in log),
        INPUT_FILE: given,
    }
    built = [attempt.change for phase in run.phases for attempt in phase.attempts if attempt.change]
    await asyncio.to_thread(project.anchor, run, files, built)
    if hook:
        await asyncio.to_thread(_tell, hook, answer.envelope)


async def _log(run_id: str, rows: RunStore) -> list[dict[str, Any]]:
    """The run's events as they are chained."""
    log: list[dict[str, Any]] = []
    digest = ""
    while True:
        _, found = await rows.news(run_id, len(log), EVENTS_AT_ONCE, 0.0)
        if not found:
            return log
        for event in found:
            said = _said(event)
            digest = digest_of(digest, said)
            if event.digest != digest or event.sequence != len(log) + 1:
                raise Halt(
                    Reason(
                        "RUN_LOG_DAMAGED",
                        f"Event {event.sequence} of run {run_id} is not what was written.",
                        "Somebody has changed the database: compare it with a backup.",
                    )
                )
            log.append({**said, "digest": digest})


def _said(event: Event) -> dict[str, Any]:
    return {
        "sequence": event.sequence,
        "time": event.time,
        "phase_id": event.phase_id,
        "attempt": event.attempt,
        "state": event.state,
        "message": event.message,
        "reasons": [asdict(reason) for reason in event.reasons],
    }


async def _input(run: Run, plan: bytes, rows: RunStore) -> bytes:
    """All that a replay needs beside the repository's commits."""
    message = plan_pb2.Plan.FromString(plan)
    approvals = {phase.phase_id: await rows.approvals(run.run_id, phase.phase_id) for phase in message.phases}
    document = {
        "run": run.run_id,
        "base": run.base,
        "submitTime": run.submit_time,
        "plan": plan.hex(),
        "attempts": [
            {
                "phase": phase.phase_id,
                "number": attempt.number,
                "base": attempt.base,
                "change": attempt.change,
                "builder": attempt.builder_kind,
                "exchange": attempt.exchange_digest,
                "reasons": [asdict(reason) for reason in attempt.reasons],
            }
            for phase in run.phases
            for attempt in phase.attempts
        ],
        "approvals": [_approval(phase_id, row) for phase_id, given in approvals.items() for row in given],
    }
    return canonical(document)


def _approval(phase_id: str, row: Row) -> dict[str, Any]:
    return {
        "phase": phase_id,
        "changeDigest": row.change_digest,
        "approver": row.approver,
        "time": row.time,
        "keyId": row.key_id,
        "signature": row.signature.hex(),
    }


def _order(phase: Phase) -> tuple[bool, int, int]:
    return phase.state is not PhaseState.LANDED, phase.slot or 0, phase.position


def _phase(phase: Phase) -> dict[str, Any]:
    landed = phase.state is PhaseState.LANDED and phase.judged is not None
    return {
        "id": phase.phase_id,
        "state": str(phase.state),
        "slot": phase.slot or 0,
        "commit": phase.commit,
        "decision": phase.judged.decision_digest if landed and phase.judged else "",
    }


def _tell(hook: str, envelope: bytes) -> None:
    """Gives the statement to the operator's command, for storage that nobody can write twice."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", hook], input=envelope, capture_output=True, timeout=HOOK_SECONDS
        )
        said = done.stderr.decode(errors="replace")[-300:] if done.returncode else ""
    except subprocess.TimeoutExpired:
        done, said = None, f"it took longer than {HOOK_SECONDS:g} s"
    if done is None or done.returncode:
        fix = "mend AUTOPACK_ANCHOR_COMMAND, then `autopack resume RUN`"
        raise Unavailable(Reason("ANCHOR_HOOK_FAILED", f"The anchor's command failed: {said}", fix))
