"""Plans to and from their messages; the only module of the policy kit that knows messages."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from autopack.api.plan.v1 import plan_pb2 as pb
from autopack.errors import InvalidInput, Reason
from autopack.policy.plan import (
    Budget,
    Builder,
    Check,
    CommandBuilder,
    LedgerBuilder,
    NamedBuilder,
    PatchBuilder,
    Phase,
    Plan,
    RepairBuilder,
    ReplayBuilder,
    check_plan,
)
from autopack.policy.validation import validate

MAXIMUM_MESSAGE_BYTES = 3_900_000
"""Of a plan as a message: it travels with a few words beside it under gRPC's 4 MiB."""

_LANDINGS: dict[str, pb.Landing] = {"branch": pb.LANDING_BRANCH, "fast-forward": pb.LANDING_FAST_FORWARD}


def plan_to_proto(plan: Plan) -> pb.Plan:
    """Raises InvalidInput PLAN_TOO_LARGE where the plan with its patches does not fit into one message."""
    message = pb.Plan(
        version=plan.version,
        name=plan.name,
        base=plan.base,
        landing=_LANDINGS[plan.land],
        phases=map(phase_to_proto, plan.phases),
    )
    if (size := message.ByteSize()) > MAXIMUM_MESSAGE_BYTES:
        text = f"the plan with its patches weighs {size} bytes, the limit is {MAXIMUM_MESSAGE_BYTES}"
        raise InvalidInput(Reason("PLAN_TOO_LARGE", text, "split it into plans that run one after the other"))
    return message


def plan_from_proto(message: pb.Plan, ledgers_too: bool = False) -> Plan:
    """Checked like a document; `ledgers_too`: also one of tidy's. Raises InvalidInput with every reason."""
    landing = {number: name for name, number in _LANDINGS.items()}.get(message.landing, "")
    ledgers = [phase.phase_id for phase in message.phases if phase.builder.WhichOneof("kind") == "ledger"]
    data = {
        "version": message.version,
        "name": message.name,
        "base": message.base,
        "land": landing,
        "phases": tuple(map(_phase_data, message.phases)),
    }
    plan, reasons = check_plan(data, "")
    reasons += [
        Reason(
            "PLAN_INVALID", f"phase `{phase_id}`: a plan cannot write ledgers", "let `autopack tidy` do it"
        )
        for phase_id in ledgers
        if not ledgers_too
    ]
    if plan is None or reasons:
        raise InvalidInput(*reasons)
    return replace(plan, phases=tuple(map(_as_ledger, plan.phases, message.phases)))


def phase_to_proto(phase: Phase) -> pb.Phase:
    return pb.Phase(
        phase_id=phase.id,
        goal=phase.goal,
        category=phase.category,
        depends_on=phase.depends_on,
        scope=pb.Scope(paths=phase.scope.paths, context=phase.scope.context),
        builder=builder_to_proto(phase.builder),
        checks=map(check_to_proto, phase.checks),
        hints=phase.hints,
        budget=budget_to_proto(phase.budget),
        decision=pb.PhaseDecision(**asdict(phase.decision)) if phase.decision else None,
    )


def phase_from_proto(message: pb.Phase) -> Phase:
    """Checked like a phase of a document. Raises InvalidInput with every reason."""
    data = _phase_data(message)
    phase, reasons = validate(Phase, data, "PHASE_INVALID", "", lambda _: 0)
    if phase is None:
        raise InvalidInput(*reasons)
    return _as_ledger(phase, message)


def _as_ledger(phase: Phase, message: pb.Phase) -> Phase:
    """With the builder that no document can name."""
    if message.builder.WhichOneof("kind") != "ledger":
        return phase
    return replace(phase, builder=LedgerBuilder(tuple(message.builder.ledger.run_ids)))


def check_to_proto(check: Check) -> pb.Check:
    return pb.Check(name=check.name, run=check.run, reports=check.reports, timeout_seconds=check.timeout)


def check_from_proto(message: pb.Check) -> Check:
    return Check(message.name, message.run, message.reports, message.timeout_seconds)


def budget_to_proto(budget: Budget) -> pb.Budget:
    return pb.Budget(attempts=budget.attempts, seconds=budget.seconds, tokens=budget.tokens, usd=budget.usd)


def budget_from_proto(message: pb.Budget) -> Budget:
    return Budget(message.attempts, message.seconds, message.tokens, message.usd)


def builder_to_proto(builder: Builder) -> pb.BuilderSpec:
    match builder:
        case PatchBuilder(diff, files):
            contents = [pb.FileContent(path=path, contents=text) for path, text in files.items()]
            return pb.BuilderSpec(patch=pb.PatchBuilder(diff=diff, files=contents))
        case CommandBuilder(run):
            return pb.BuilderSpec(command=pb.CommandBuilder(run=run))
        case RepairBuilder():
            return pb.BuilderSpec(repair=pb.RepairBuilder())
        case ReplayBuilder(of):
            return pb.BuilderSpec(replay=pb.ReplayBuilder(run_id=of))
        case NamedBuilder(use):
            return pb.BuilderSpec(named=pb.NamedBuilder(use=use))
        case LedgerBuilder(run_ids):
            return pb.BuilderSpec(ledger=pb.LedgerBuilder(run_ids=run_ids))


def _builder_data(message: pb.BuilderSpec) -> Mapping[str, Any]:
    match kind := message.WhichOneof("kind"):
        case "patch":
            patch = message.patch
            files = {f.path: f.contents if f.HasField("contents") else None for f in patch.files}
            return {"kind": kind, "diff": patch.diff, "files": files}
        case "command":
            return {"kind": kind, "run": message.command.run}
        case "named":
            return {"use": message.named.use}
        case "replay":
            return {"kind": kind, "of": message.replay.run_id}
        case "repair" | "ledger":  # documents cannot name a ledger builder: its callers deal with it
            return {"kind": "repair"}
        case _:
            return {}


def _phase_data(message: pb.Phase) -> dict[str, Any]:
    budget = message.budget
    return {
        "id": message.phase_id,
        "goal": message.goal,
        "category": message.category,
        "depends_on": tuple(message.depends_on),
        "scope": {"paths": tuple(message.scope.paths), "context": tuple(message.scope.context)},
        "builder": _builder_data(message.builder),
        "checks": tuple(
            {"name": check.name, "run": check.run, "reports": check.reports, "timeout": check.timeout_seconds}
            for check in message.checks
        ),
        "hints": tuple(message.hints),
        "budget": {
            "attempts": budget.attempts,
            "seconds": budget.seconds,
            "tokens": budget.tokens,
            "usd": budget.usd,
        },
        "decision": _decision_data(message.decision) if message.HasField("decision") else None,
    }


def _decision_data(message: pb.PhaseDecision) -> dict[str, Any]:
    names = ("title", "context", "decision", "alternatives", "consequences")
    return {name: getattr(message, name) for name in names} | {"supersedes": tuple(message.supersedes)}
