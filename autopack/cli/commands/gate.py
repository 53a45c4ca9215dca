"""`autopack gate` and `autopack audit`: judge or review any change, with no plan and no builder."""

import asyncio
import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.cli import outcome
from autopack.cli.session import Session
from autopack.errors import InvalidInput, Reason, Unavailable

if TYPE_CHECKING:
    from autopack.api.auditor.v1.audit_pb2 import Audit
    from autopack.api.gate.v1.verdict_pb2 import Judgement
    from autopack.api.orchestrator.v1.orchestrator_service_pb2 import ImportRevisionsResponse

WAIT_SECONDS = 60.0


def gate(
    repo: Path,
    base: str,
    head: str,
    category: str,
    approvals: Path | None,
    sarif: Path | None,
    summary: Path | None,
    as_json: bool,
) -> int:
    """Audits and judges what `head` adds to `base`, by the policy of `base`."""
    session = Session(start=("orchestrator", "auditor", "gate"))
    from autopack.api.gate.v1 import gate_service_pb2 as messages
    from autopack.api.gate.v1 import verdict_pb2
    from autopack.cli.approvals_file import read_approvals
    from autopack.cli.documents import verdict_document
    from autopack.cli.driving import in_session
    from autopack.cli.importing import patiently
    from autopack.cli.markdown_summary import append_summary
    from autopack.cli.verdict import print_verdict
    from autopack.rpc.errors import call, reasons_from_proto

    async def work(session: Session) -> "tuple[Judgement, str]":
        given = read_approvals(approvals) if approvals else []
        brought, review = await _start_audit(session, repo, base, head, category)
        stub = await session.gate()
        request_id = f"gate/{uuid.uuid4()}"
        request = messages.StartGateRequest(
            request_id=request_id,
            project_id=brought.project_id,
            base=brought.commits[0],
            head=brought.commits[1],
            policy_commit=brought.commits[0],
            scope=messages.GateScope(category=category),
            audit_request_id=review,
            approvals=given,
            git_address=brought.git_address,
        )
        await call(stub.StartGate(request))
        wait = messages.WaitGateRequest(request_id=request_id)
        judgement = (await patiently(lambda: stub.WaitGate(wait, timeout=WAIT_SECONDS))).judgement
        if sarif is not None:
            await asyncio.to_thread(sarif.write_bytes, await _sarif(session, review))
        return judgement, brought.commits[0]

    judgement, commit = in_session(session, work)
    if judgement.state != verdict_pb2.JUDGEMENT_STATE_SUCCEEDED:
        raise Unavailable(*(reasons_from_proto(judgement.reasons) or [_no_word("gate")]))
    if summary is not None:
        append_summary(summary, judgement.verdict)
    if as_json:
        outcome.print_json("gate", verdict_document(judgement.verdict, commit))
    else:
        sarif_option = ["--sarif", str(sarif)] if sarif else []
        where = [] if repo == Path() else ["--repo", str(repo)]
        print_verdict(
            judgement.verdict,
            look=["git", *(["-C", str(repo)] if where else []), "diff", f"{base}...{head}"],
            again=[*where, "--base", base, "--head", head, "--category", category, *sarif_option],
            approvals=approvals,
        )
    return {
        verdict_pb2.DECISION_ACCEPT: outcome.DONE,
        verdict_pb2.DECISION_NEEDS_APPROVAL: outcome.WAITING,
    }.get(judgement.verdict.decision, outcome.REFUSED)


def audit(repo: Path, base: str, head: str, form: str) -> int:
    """Reviews what `head` adds to `base`; 0 when there is nothing at or above the policy's `block_at`."""
    if form not in ("text", "json", "sarif"):
        raise InvalidInput(Reason("USAGE", f"there is no format {form!r}", "ask for text, json or sarif"))
    session = Session(start=("orchestrator", "auditor"))
    from autopack.api.auditor.v1 import audit_pb2
    from autopack.cli.documents import audit_document
    from autopack.cli.driving import in_session
    from autopack.cli.verdict import print_audit
    from autopack.rpc.errors import reasons_from_proto

    async def work(session: Session) -> "tuple[Audit, bytes]":
        _, review = await _start_audit(session, repo, base, head, "")
        result = await _wait_for_audit(session, review)
        return result, await _sarif(session, review) if form == "sarif" else b""

    result, document = in_session(session, work)
    if result.state != audit_pb2.AUDIT_STATE_SUCCEEDED:
        raise Unavailable(*(reasons_from_proto(result.reasons) or [_no_word("auditor")]))
    if form == "sarif":
        outcome.print_document(json.dumps(json.loads(document), indent=2))
    elif form == "json":
        outcome.print_json("audit", audit_document(result))
    else:
        print_audit(result)
    return outcome.DONE if result.recommendation == audit_pb2.RECOMMENDATION_APPROVE else outcome.REFUSED


async def _start_audit(
    session: Session, repo: Path, base: str, head: str, category: str
) -> "tuple[ImportRevisionsResponse, str]":
    from autopack.api.auditor.v1 import auditor_service_pb2 as messages
    from autopack.cli.importing import bring, refuse_category, refuse_diverged
    from autopack.rpc.errors import call

    brought = await bring(session, str(repo), [base, head])
    await asyncio.to_thread(refuse_diverged, repo, brought.commits[0], brought.commits[1])
    if category:
        await asyncio.to_thread(refuse_category, repo, brought.commits[0], category)
    request = messages.StartAuditRequest(
        request_id=f"audit/{uuid.uuid4()}",
        project_id=brought.project_id,
        base=brought.commits[0],
        head=brought.commits[1],
        policy_commit=brought.commits[0],
        git_address=brought.git_address,
        category=category,
    )
    stub = await session.auditor()
    await call(stub.StartAudit(request))
    return brought, request.request_id


async def _wait_for_audit(session: Session, request_id: str) -> "Audit":
    from autopack.api.auditor.v1 import auditor_service_pb2 as messages
    from autopack.cli.importing import patiently

    stub = await session.auditor()
    wait = messages.WaitAuditRequest(request_id=request_id)
    return (await patiently(lambda: stub.WaitAudit(wait, timeout=WAIT_SECONDS))).audit


async def _sarif(session: Session, request_id: str) -> bytes:
    import grpc

    from autopack.api.auditor.v1 import auditor_service_pb2 as messages
    from autopack.rpc.errors import to_exception

    await _wait_for_audit(session, request_id)
    stub = await session.auditor()
    try:
        stream = stub.GetSarif(messages.GetSarifRequest(request_id=request_id))
        return b"".join([response.chunk async for response in stream])
    except grpc.aio.AioRpcError as error:
        raise to_exception(error) from error


def _no_word(service: str) -> Reason:
    return Reason(
        "NO_RESULT", f"the {service} ended without a result", "run it again; see host.log in AUTOPACK_HOME"
    )
