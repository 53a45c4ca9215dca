"""Which builders there are: decided here, for the builder service and for checks before a run."""

from autopack.errors import Reason
from autopack.policy.plan import AVAILABLE_BUILDER_KINDS, LedgerBuilder, NamedBuilder, Phase
from autopack.policy.policy import Policy
from autopack.policy.validation import listed, nearest


def builder_kind(phase: Phase, policy: Policy) -> str:
    """What kind of builder the phase asks for; empty where it is one that the policy does not name."""
    match phase.builder:
        case NamedBuilder(use=name):
            return policy.builders[name].kind if name in policy.builders else ""
        case LedgerBuilder():
            return "ledger"
        case builder:
            return builder.kind


def refuse_builder(phase: Phase, policy: Policy) -> Reason | None:
    """Why the phase cannot be built: UNKNOWN_BUILDER, BUILDER_NOT_AVAILABLE; None if it can."""
    if unknown := unknown_builder(phase, policy):
        return unknown
    kind = builder_kind(phase, policy)
    if kind in AVAILABLE_BUILDER_KINDS:
        return None
    message = f"phase `{phase.id}` asks for a builder of kind `{kind}`, which this version does not have"
    return Reason("BUILDER_NOT_AVAILABLE", message, f"use one of {listed(AVAILABLE_BUILDER_KINDS)}")


def unknown_builder(phase: Phase, policy: Policy) -> Reason | None:
    """Why the name of a builder means nothing under the policy; None if it does, or if none is named."""
    if not isinstance(phase.builder, NamedBuilder) or phase.builder.use in policy.builders:
        return None
    message = f"phase `{phase.id}` uses the builder `{phase.builder.use}`, which the policy does not name"
    fix = "name one under `builders` in autopack.yaml and commit it"
    if policy.builders:
        near = nearest(phase.builder.use, policy.builders)
        fix = f"did you mean `{near}`? The policy names {listed(policy.builders)}"
    return Reason("UNKNOWN_BUILDER", message, fix)
