"""What is to be judged."""

from dataclasses import dataclass

from autopack.policy.plan import Check
from gate_svc.domain.decide import ApprovalGiven


@dataclass(frozen=True, slots=True)
class GateRequest:
    """One change with what a plan allows it to do."""

    request_id: str
    project_id: str
    base: str
    """Commit before the change."""
    head: str
    """Commit with the change: its tree is what would land."""
    policy_commit: str
    """Commit that policy and judge are read from."""
    scope: tuple[str, ...]
    """Globs that may be changed; empty: what the policy allows."""
    category: str
    checks: tuple[Check, ...]
    """Added to the policy's."""
    audit_request_id: str
    approvals: tuple[ApprovalGiven, ...]
    git_address: str
