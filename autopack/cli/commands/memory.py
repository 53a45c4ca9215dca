"""`tidy`, `index` and `recall`: the ledgers, their index, and what they know."""

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.cli import outcome
from autopack.cli.session import Session
from autopack.errors import Reason, Unavailable

if TYPE_CHECKING:
    from autopack.api.memory.v1.memory_pb2 import Index
    from autopack.api.memory.v1.memory_service_pb2 import RecallResponse
    from autopack.api.orchestrator.v1.orchestrator_service_pb2 import ImportRevisionsResponse
    from autopack.api.orchestrator.v1.run_pb2 import Run

TIDY_SECONDS = 600.0
WAIT_SECONDS = 60.0


def tidy(execute: bool, repo: str, branch: str, server: str, as_json: bool) -> int:
    """Shows what the ledgers would get, or lands it."""
    session = Session(server)
    import asyncio

    from autopack.api.ledger.v1 import ledger_pb2
    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.api.orchestrator.v1 import run_pb2
    from autopack.cli.documents import entry_document, run_document, word
    from autopack.cli.driving import follow, in_session, run_exit_code
    from autopack.cli.repository import repository_of
    from autopack.cli.summary import print_diff, print_run
    from autopack.cli.terminal import neutralise, output
    from autopack.rpc.errors import call

    async def work(session: Session) -> "tuple[messages.TidyProjectResponse, Run | None]":
        repository = await asyncio.to_thread(repository_of, repo, session.all_in_one)
        stub = await session.orchestrator()
        await session.started()
        request = messages.TidyProjectRequest(
            request_id=f"tidy/{uuid.uuid4()}", repository=repository, branch=branch, execute=execute
        )
        answer = await call(stub.TidyProject(request, timeout=TIDY_SECONDS))
        if not answer.run_id:
            return answer, None
        return answer, await follow(session, run_pb2.Run(run_id=answer.run_id), wait=False)

    answer, run = in_session(session, work)
    if as_json:
        document = {
            "executed": run is not None,
            "entries": [entry_document(entry) for entry in answer.entries],
            "diff": answer.diff,
        }
        if run is not None:
            document["run"] = run_document(run, os.environ, server)
        outcome.print_json("tidy", document)
    else:
        if not execute and answer.diff:
            print_diff(answer.diff)
        for entry in answer.entries:
            kind = word(ledger_pb2.LedgerKind, entry.kind, "LEDGER_KIND_")
            output().print(f"{entry.entry_id or kind}  {neutralise(entry.title, True)}")
        if not answer.entries:
            output().print("nothing to add: no merged run is missing from the ledgers")
        elif run is None:
            output().print("next:\n  autopack tidy --execute")
        if run is not None:
            print_run(run, server, repo)
    return outcome.DONE if run is None else run_exit_code(run)


def index(rebuild: bool, repo: Path, as_json: bool) -> int:
    """Brings the index up to the ledgers at HEAD."""
    session = Session(start=("orchestrator", "memory"))
    from autopack.api.memory.v1 import memory_pb2
    from autopack.cli.driving import in_session
    from autopack.cli.importing import bring
    from autopack.cli.terminal import output
    from autopack.rpc.errors import reasons_from_proto

    async def work(session: Session) -> "tuple[Index, str]":
        brought = await bring(session, str(repo), ["HEAD"])
        return await _index(session, brought, f"index/{uuid.uuid4()}", rebuild), brought.commits[0]

    result, commit = in_session(session, work)
    if result.state != memory_pb2.WORK_STATE_SUCCEEDED:
        fallback = Reason("NO_RESULT", "indexing ended without a result", "run it again")
        raise Unavailable(*(reasons_from_proto(result.reasons) or [fallback]))
    if as_json:
        counts = {"chunks": result.chunks, "added": result.added, "removed": result.removed}
        outcome.print_json("index", {"commit": commit, "rebuilt": rebuild, **counts})
    else:
        changes = f"{result.added} added, {result.removed} removed"
        output().print(f"{result.chunks} passages at {commit[:10]} ({changes})")
    return outcome.DONE


async def _index(
    session: Session, brought: "ImportRevisionsResponse", request_id: str, rebuild: bool
) -> "Index":
    from autopack.api.memory.v1 import memory_service_pb2 as messages
    from autopack.cli.importing import patiently
    from autopack.rpc.errors import call

    stub = await session.memory()
    request = messages.StartIndexRequest(
        request_id=request_id,
        project_id=brought.project_id,
        commit=brought.commits[0],
        rebuild=rebuild,
        git_address=brought.git_address,
        include_code=True,
    )
    await call(stub.StartIndex(request))
    wait = messages.WaitIndexRequest(request_id=request_id)
    return (await patiently(lambda: stub.WaitIndex(wait, timeout=WAIT_SECONDS))).index


def recall(query: str, repo: Path, pending: bool, code: bool, as_json: bool) -> int:
    """Finds passages, best first."""
    session = Session(start=("orchestrator", "memory"))
    from rich.text import Text

    from autopack.api.memory.v1 import memory_service_pb2 as messages
    from autopack.cli.documents import hit_document
    from autopack.cli.driving import in_session
    from autopack.cli.importing import bring
    from autopack.cli.terminal import neutralise, output
    from autopack.rpc.errors import call, reasons_from_proto

    async def work(session: Session) -> "RecallResponse":
        brought = await bring(session, str(repo), ["HEAD"])
        # By difference, and nothing where this commit is in the index already.
        identity = f"{brought.project_id}/{brought.commits[0]}/index/code"
        indexed = await _index(session, brought, identity, False)
        outcome.print_reasons(reasons_from_proto(indexed.reasons), "note")
        request = messages.RecallRequest(
            project_id=brought.project_id, query=query, include_pending=pending, include_code=code
        )
        return await call((await session.memory()).Recall(request, timeout=WAIT_SECONDS))

    hits = in_session(session, work).hits
    if as_json:
        outcome.print_json_list("recall", [hit_document(hit) for hit in hits])
        return outcome.DONE
    for hit in hits:
        line = Text(f"{hit.score:.3f} ", "dim")
        line.append(" ".join(filter(None, (hit.entry_id, neutralise(hit.source, True)))), "bold cyan")
        dated = (
            f" of {hit.create_time.ToDatetime().date().isoformat()}" if hit.HasField("create_time") else ""
        )
        line.append(f" {hit.trust}{dated} at {hit.commit[:10]}", "dim")
        output().print(line)
        output().print(Text(neutralise(hit.text)))
    if not hits:
        output().print(
            "nothing is known about that; `autopack tidy --execute` brings merged runs into the ledgers"
        )
    return outcome.DONE
