"""`autopack replay`: runs the line of an earlier run again, from a clone and what its builders gave alone.

Everything happens in a store and a home of its own; the clone is only read. A run of tidy's is replayed
after the runs that it tells of, so that its entries are made anew of what these have left.
"""

import asyncio
import itertools
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autopack.attestation.repository import Clone, open_clone
from autopack.attestation.storage import INPUT_FILE, RUN_FILE, change_file, read_file
from autopack.attestation.trust import trust
from autopack.attestation.verification import run_statement
from autopack.cli import outcome
from autopack.cli.session import Session
from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.ledger.entry import Kind
from autopack.ledger.files import parse_files
from autopack.signing.document import Document, parse
from autopack.signing.dsse import parse_envelope
from autopack.signing.keys import read_public_keys
from autopack.signing.statement import parse_statement

if TYPE_CHECKING:
    from autopack.api.plan.v1.plan_pb2 import Plan

WATCH_SECONDS = 0.05
UNDRIVEN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as the clone has it."""

    run_id: str
    given: Document
    plan: "Plan"
    phases: list[Document]
    """How each ended, in the order in which they landed."""

    @property
    def tells_of(self) -> list[str]:
        """Runs whose ledger entries it adds, or has found there."""
        return [run_id for phase in self.plan.phases for run_id in phase.builder.ledger.run_ids]


def replay(run_id: str, directory: Path, keys: list[Path], as_json: bool) -> int:
    """0 where commits and verdicts are the same, else 1 with the first divergence."""
    clone = open_clone(directory)
    runs = list(_with_those_it_tells_of(clone, run_id, keys))
    with tempfile.TemporaryDirectory(prefix="autopack-replay-") as name:
        place = Path(name)
        copy = _copy(clone, runs, place / "repository")
        ended = asyncio.run(_all_again(runs, copy, place / "home"))
        again = open_clone(copy)
        found = (_divergences(run, ended[run.run_id], clone, again) for run in runs)
        first = next(itertools.chain.from_iterable(found), None)
    phases = [phase for run in runs for phase in run.phases]
    commits = [phase["commit"] for phase in phases if phase["commit"]]
    if as_json:
        document = {"run_id": run_id, "runs": [run.run_id for run in runs], "same": first is None}
        outcome.print_json("replay", {**document, "commits": commits, "first": first})
    elif first is None:
        whole = f" of {len(runs)} runs" if len(runs) > 1 else ""
        said = f"{len(phases)} phases{whole} ended alike, {len(commits)} commits and verdicts bit for bit"
        print(f"same: {said}")
    else:
        where = f"{first['run']}/{first['phase']}"
        print(f"diverged at {where}: {first['what']} was {first['was']}, is {first['is']}")
    return outcome.DONE if first is None else outcome.REFUSED


def _with_those_it_tells_of(clone: Clone, run_id: str, keys: list[Path]) -> Iterator[Recorded]:
    """The run, after those whose entries it has added to the ledgers of its base."""
    recorded = _recorded(clone, run_id, keys)
    if recorded.tells_of:
        base = recorded.given["base"]
        entries = parse_files(Kind.BUILD, lambda path: _text(clone, base, path)).entries
        known = {entry.content.get("Run") for entry in entries}
        for each in recorded.tells_of:
            if each not in known:
                yield _recorded(clone, each, keys)
    yield recorded


def _text(clone: Clone, commit: str, path: str) -> str | None:
    data = clone.store.read(commit, path)
    return None if data is None else data.decode(errors="replace")


def _recorded(clone: Clone, run_id: str, keys: list[Path]) -> Recorded:
    """What the clone says of the run; signed by one of the keys, where any is given."""
    statement, given = read_file(clone.store, run_id, RUN_FILE), read_file(clone.store, run_id, INPUT_FILE)
    if statement is None or given is None:
        fix = "fetch the branch autopack-attestations, or name a run that has ended"
        raise InvalidInput(Reason("RUN_NOT_ATTESTED", f"the clone has no record of run {run_id!r}", fix))
    if keys:
        predicate, _ = run_statement(clone.store, trust(clone.store, read_public_keys(keys)), run_id)
    else:
        predicate = parse_statement(parse_envelope(statement, RUN_FILE), RUN_FILE).predicate
    from autopack.api.plan.v1 import plan_pb2

    document = parse(given, INPUT_FILE)
    plan = plan_pb2.Plan.FromString(bytes.fromhex(document["plan"]))
    return Recorded(run_id, document, plan, predicate["phases"])


def _copy(clone: Clone, runs: list[Recorded], place: Path) -> Path:
    """A repository with the runs' bases, and with what their builders gave."""
    from autopack.gitstore.packs import copy_commits
    from autopack.gitstore.store import GitStore

    store = GitStore.open(place)
    changes = [attempt["change"] for run in runs for attempt in run.given["attempts"] if attempt["change"]]
    bases = [base for change in changes for base in clone.store.parents(change)]
    bases += [run.given["base"] for run in runs]
    copy_commits(clone.store, store, [*dict.fromkeys(bases + changes)])
    store.update_refs([("refs/heads/main", runs[-1].given["base"], "")])
    return place


async def _all_again(runs: list[Recorded], copy: Path, home: Path) -> dict[str, Mapping[str, Any]]:
    """Runs them one after the other; the phases as they ended, by run and id."""
    # Its own home, where nothing is remembered that could be taken for something done now.
    environ = {**os.environ, "AUTOPACK_HOME": str(home), "AUTOPACK_ANCHOR_COMMAND": ""}
    async with Session("", environ=environ) as session:
        stub = await session.orchestrator()
        return {run.run_id: await _again(stub, run, copy) for run in runs}


async def _again(stub: Any, recorded: Recorded, copy: Path) -> Mapping[str, Any]:
    """Has the line run, and answers for people as they did; the phases as they ended, by id."""
    from google.protobuf.timestamp_pb2 import Timestamp

    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.api.orchestrator.v1 import run_pb2
    from autopack.api.plan.v1 import plan_pb2
    from autopack.cli.driving import get_run
    from autopack.rpc.errors import call, reasons_to_proto

    plan = plan_pb2.Plan()
    plan.CopyFrom(recorded.plan)
    plan.base, plan.landing = recorded.given["base"], plan_pb2.LANDING_BRANCH
    submitted = Timestamp()
    submitted.FromMicroseconds(round(recorded.given["submitTime"] * 1_000_000))
    builds = [
        messages.RecordedBuild(
            phase_id=attempt["phase"],
            number=attempt["number"],
            change=attempt["change"],
            builder_kind=attempt["builder"],
            exchange_digest=attempt["exchange"],
            reasons=reasons_to_proto([Reason(**reason) for reason in attempt["reasons"]]),
        )
        for attempt in recorded.given["attempts"]
    ]
    submit = messages.SubmitRunRequest(
        request_id=f"replay/{recorded.run_id}",
        plan=plan,
        repository=run_pb2.Repository(path=str(copy)),
        run_id=recorded.run_id,
        replay=messages.Replay(submit_time=submitted, builds=builds),
    )
    await call(stub.SubmitRun(submit))
    approvals = sorted(recorded.given["approvals"], key=lambda each: each["time"])
    for look in itertools.count():
        run = await get_run(stub, recorded.run_id)
        if run.state == run_pb2.RUN_STATE_RUNNING:
            if run.reasons and not run.driven:
                reason = run.reasons[0]
                raise InvalidInput(Reason(reason.code, reason.message, reason.fix))
            if not run.driven:
                # Its driver met a change of its own and let go: the rows say where it goes on.
                await asyncio.sleep(UNDRIVEN_SECONDS)
                resume = messages.ResumeRunRequest(
                    request_id=f"replay/{run.run_id}/resume/{look}", run_id=run.run_id
                )
                with suppress(FailedPrecondition):  # it has ended meanwhile
                    await call(stub.ResumeRun(resume))
        elif run.state != run_pb2.RUN_STATE_WAITING_APPROVAL or not await _answer(
            stub, recorded, run, approvals
        ):
            break
        await asyncio.sleep(WATCH_SECONDS)
    return {phase.phase_id: phase for phase in run.phases}


async def _answer(stub: Any, recorded: Recorded, run: Any, approvals: list[Document]) -> bool:
    """Approves or rejects what waits, as a person did; False where nobody did."""
    from autopack.api.gate.v1 import verdict_pb2
    from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
    from autopack.api.orchestrator.v1 import run_pb2
    from autopack.rpc.errors import call

    waiting = {p.phase_id: p for p in run.phases if p.state == run_pb2.PHASE_STATE_WAITING_APPROVAL}
    given = next((each for each in approvals if each["phase"] in waiting), None)
    if given is not None:
        approvals.remove(given)
        approval = verdict_pb2.Approval(
            change_digest=given["changeDigest"],
            approver=given["approver"],
            key_id=given["keyId"],
            signature=bytes.fromhex(given["signature"]),
        )
        asked = f"replay/{given['phase']}/{given['time']}"
        request = messages.ApprovePhaseRequest(
            request_id=asked, run_id=run.run_id, phase_id=given["phase"], approval=approval
        )
        await call(stub.ApprovePhase(request))
        return True
    rejected = [each["id"] for each in recorded.phases if each["state"] == "FAILED" and each["id"] in waiting]
    for phase_id in rejected:
        rejection = messages.RejectPhaseRequest(
            request_id=f"replay/{phase_id}", run_id=run.run_id, phase_id=phase_id, why="rejected then"
        )
        await call(stub.RejectPhase(rejection))
    return bool(rejected)


def _divergences(
    recorded: Recorded, phases: Mapping[str, Any], clone: Clone, again: Clone
) -> Iterator[dict[str, str]]:
    """What came out differently, in the order of landing: first what went in, then what came out."""
    from autopack.api.orchestrator.v1 import run_pb2

    for was in recorded.phases:
        now = phases[was["id"]]
        state = run_pb2.PhaseState.Name(now.state).removeprefix("PHASE_STATE_")
        before, after = (
            _decision(where, recorded.run_id, commit)
            for where, commit in ((clone, was["commit"]), (again, now.commit))
        )
        for name in before.keys() & after.keys():
            if before[name] != after[name]:
                yield _divergence(recorded, was["id"], name, before[name], after[name])
        if was["state"] not in (state, "CANCELLED"):
            reasons = "; ".join(f"{reason.code}: {reason.message}" for reason in now.reasons)
            why = f"{state} ({reasons})" if reasons else state
            yield _divergence(recorded, was["id"], "state", was["state"], why)
        if was["commit"] != now.commit:
            yield _divergence(recorded, was["id"], "commit", was["commit"], now.commit)


def _divergence(recorded: Recorded, phase: str, what: str, was: object, now: object) -> dict[str, str]:
    shown = [each if isinstance(each, str) else json.dumps(each) for each in (was, now)]
    return {"run": recorded.run_id, "phase": phase, "what": what, "was": shown[0], "is": shown[1]}


def _decision(clone: Clone, run_id: str, commit: str) -> Document:
    """What decided about a commit; nothing where there is none."""
    data = read_file(clone.store, run_id, change_file(commit)) if commit else None
    if data is None:
        return {}
    envelope = parse_envelope(data.splitlines()[0], change_file(commit))
    decision: Document = parse_statement(envelope, change_file(commit)).predicate["decision"]
    return decision
