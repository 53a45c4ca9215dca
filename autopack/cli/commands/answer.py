"""`approve`, `reject`, `resume` and `cancel`: what a person answers a run; all but the last go on with it."""

import base64
import getpass
import json
import os
import re
import socket
import sys
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.cli import outcome
from autopack.cli.session import Session
from autopack.errors import InvalidInput, Reason
from autopack.signing.approvals import sign_approval
from autopack.signing.keys import read_private_key

if TYPE_CHECKING:
    from autopack.api.orchestrator.v1 import run_pb2
    from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

_DIGEST = re.compile(r"[0-9a-f]{64}")


def approve(
    run_id: str,
    phase_id: str,
    digest: str,
    key: Path | None,
    name: str,
    server: str,
    wait: bool,
    as_json: bool,
) -> int:
    """Gives consent to one change, named by its digest, and signs it where there is a key."""
    _check_digest(digest, f"take it from `autopack show {run_id} --json`")
    if not phase_id:
        raise InvalidInput(Reason("USAGE", "the phase is not named", f"autopack approve {run_id} PHASE ..."))
    private = read_private_key(key) if key else None
    session = Session(server)
    from autopack.api.gate.v1 import verdict_pb2
    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.rpc.errors import call

    async def ask(stub: "OrchestratorServiceAsyncStub") -> "run_pb2.Run":
        approval = verdict_pb2.Approval(change_digest=digest, approver=name or approver())
        if private is not None:
            approval.key_id, approval.signature = sign_approval(private, digest, approval.approver)
        approval.approve_time.GetCurrentTime()
        request = messages.ApprovePhaseRequest(
            request_id=f"approve/{uuid.uuid4()}", run_id=run_id, phase_id=phase_id, approval=approval
        )
        return (await call(stub.ApprovePhase(request))).run

    return _go_on(session, ask, wait, as_json)


def consent(digest: str, key: Path | None, name: str) -> int:
    """Prints consent to one change as an entry for the file that `autopack gate --approvals` reads."""
    _check_digest(digest, "take it from `autopack gate`")
    entry = {"change_digest": digest, "approver": name or approver()}
    entry["time"] = datetime.now(UTC).isoformat(timespec="seconds")
    if key is not None:
        entry["key_id"], signature = sign_approval(read_private_key(key), digest, entry["approver"])
        entry["signature"] = base64.b64encode(signature).decode()
    sys.stdout.write(f"- {json.dumps(entry)}\n")
    return outcome.DONE


def _check_digest(digest: str, fix: str) -> None:
    if not _DIGEST.fullmatch(digest):
        message = f"{digest[:100]!r} is no change digest of 64 hex digits"
        raise InvalidInput(Reason("DIGEST_INVALID", message, fix))


def reject(run_id: str, phase_id: str, why: str, server: str, wait: bool, as_json: bool) -> int:
    """Refuses one change, for good."""
    session = Session(server)
    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.rpc.errors import call

    async def ask(stub: "OrchestratorServiceAsyncStub") -> "run_pb2.Run":
        request = messages.RejectPhaseRequest(
            request_id=f"reject/{uuid.uuid4()}", run_id=run_id, phase_id=phase_id, why=why
        )
        return (await call(stub.RejectPhase(request))).run

    return _go_on(session, ask, wait, as_json)


def resume(run_id: str, server: str, wait: bool, as_json: bool) -> int:
    """Has a run driven on."""
    session = Session(server)
    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.rpc.errors import call

    async def ask(stub: "OrchestratorServiceAsyncStub") -> "run_pb2.Run":
        request = messages.ResumeRunRequest(request_id=f"resume/{uuid.uuid4()}", run_id=run_id)
        return (await call(stub.ResumeRun(request))).run

    return _go_on(session, ask, wait, as_json)


def cancel(run_id: str, server: str, as_json: bool) -> int:
    """Stops a run; what has landed stays."""
    session = Session(server, start=("orchestrator",))
    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.cli.documents import run_document
    from autopack.cli.driving import in_session
    from autopack.cli.summary import print_run
    from autopack.rpc.errors import call

    async def work(session: Session) -> "run_pb2.Run":
        stub = await session.orchestrator()
        request = messages.CancelRunRequest(request_id=f"cancel/{uuid.uuid4()}", run_id=run_id)
        return (await call(stub.CancelRun(request))).run

    run = in_session(session, work)
    if as_json:
        outcome.print_json("run", run_document(run, os.environ, server))
    else:
        print_run(run, server)
    return outcome.DONE


def approver() -> str:
    """Who says so: the user of this machine; without a key, recorded as unproven."""
    return f"{getpass.getuser()}@{socket.gethostname()}"[:200]


def _go_on(
    session: Session,
    ask: "Callable[[OrchestratorServiceAsyncStub], Awaitable[run_pb2.Run]]",
    wait: bool,
    as_json: bool,
) -> int:
    from autopack.cli.driving import drive, in_session

    async def work(session: Session) -> int:
        return await drive(session, await ask(await session.orchestrator()), wait, as_json)

    return in_session(session, work)
