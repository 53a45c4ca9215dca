"""What builders have given: whether it came and is something new, and what of it is audited and judged."""

from collections.abc import Mapping

from autopack.api.builder.v1 import build_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.errors import Reason
from autopack.gitstore.digest import change_digest
from autopack.gitstore.store import GitStore
from autopack.rpc.errors import reasons_to_proto
from orchestrator_svc.domain.refusal import Halt
from orchestrator_svc.domain.run import Attempt, Phase, Run
from orchestrator_svc.domain.train import Prediction
from orchestrator_svc.projects import Project
from orchestrator_svc.work import Audited


def refusal_of(store: GitStore, phase: Phase, attempt: Attempt, commit: str) -> Reason | None:
    """Why a change that was received is none that could be accepted; None where it might be.

    Raises:
        Halt: `CHANGE_NOT_RECEIVED`.
    """
    if not store.has(commit) or store.parents(commit) != (attempt.base,):
        raise Halt(
            Reason(
                "CHANGE_NOT_RECEIVED",
                f"The builder names commit {commit[:12]}, which it has not given on {attempt.base[:12]}.",
                "This is a fault of the builder service: look at its log.",
            )
        )
    tree = store.commit_tree(commit)
    for earlier in phase.attempts[: attempt.number - 1]:
        if earlier.change and earlier.base == attempt.base and store.commit_tree(earlier.change) == tree:
            return Reason(
                "SAME_CHANGE_AGAIN",
                f"Attempt {attempt.number} made the same change as attempt {earlier.number}.",
                "Change the goal, the hints or the builder.",
            )
    return None


def what_is_judged(
    project: Project, run: Run, attempt: Attempt, prediction: Prediction
) -> tuple[str, str, Audited]:
    """Commits to judge, and the change to audit: the one that was built, where it is the same. Blocks."""
    store = project.store
    base, head = project.predicted(run, attempt, prediction)
    if head == attempt.change:
        return base, head, Audited(base, head, "")
    built = change_digest(store.diff(attempt.base, attempt.change), "")
    if change_digest(store.diff(base, head), "") == built:
        return base, head, Audited(attempt.base, attempt.change, "")
    return base, head, Audited(base, head, f"/{prediction.base_tree[:12]}-{(prediction.tree or '')[:12]}")


def recorded_build(
    recorded: Mapping[tuple[str, int], messages.RecordedBuild], phase: Phase, attempt: Attempt
) -> build_pb2.Build:
    """What the builder of the run that is replayed gave for this attempt."""
    known = recorded.get((phase.phase_id, attempt.number))
    if known is None:
        diverged = Reason(
            "REPLAY_DIVERGED",
            f"The recorded run built nothing for attempt {attempt.number} of {phase.phase_id}.",
            "An earlier step has come out differently: see which.",
        )
        return build_pb2.Build(state=build_pb2.BUILD_STATE_FAILED, reasons=reasons_to_proto([diverged]))
    done = build_pb2.BUILD_STATE_SUCCEEDED if known.change else build_pb2.BUILD_STATE_FAILED
    return build_pb2.Build(
        state=done,
        commit=known.change,
        reasons=known.reasons,
        builder_kind=known.builder_kind,
        exchange_digest=known.exchange_digest,
    )
