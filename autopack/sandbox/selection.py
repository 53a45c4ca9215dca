"""Chooses the sandbox that a policy asks for among those that work here."""

from pathlib import Path

from autopack.errors import Reason, Unavailable
from autopack.sandbox.capabilities import Capabilities
from autopack.sandbox.port import Sandbox
from autopack.sandbox.tiers import STRENGTH, create


def select(
    minimum_tier: str,
    capabilities: Capabilities,
    *,
    only: str | None = None,
    directory: Path | None = None,
) -> Sandbox:
    """The strongest working tier that is no weaker than `minimum_tier`; `only` names the one to be used.

    What commands write is kept below `directory` (default: the system's temporary directory) until the
    workspace is left. Raises Unavailable SANDBOX_UNAVAILABLE.
    """
    for name in (minimum_tier, only):
        if name is not None and name not in STRENGTH:
            raise _unavailable(f"there is no sandbox tier {name!r}", "name namespaces or landlock")
    fitting = [
        tier
        for tier in capabilities.tiers
        if STRENGTH[tier] >= STRENGTH[minimum_tier] and only in (None, tier)
    ]
    if not fitting:
        raise _no_tier(minimum_tier, only, capabilities)
    strongest = max(fitting, key=lambda tier: STRENGTH[tier])
    return create(strongest, directory, overlay=capabilities.fact("overlay").holds)


def _no_tier(minimum_tier: str, only: str | None, capabilities: Capabilities) -> Unavailable:
    if only is not None and STRENGTH[only] < STRENGTH[minimum_tier]:
        return _unavailable(
            f"the policy asks for tier {minimum_tier!r} at least, this installation uses {only!r} only",
            "unset AUTOPACK_SANDBOX_TIER, or let the policy accept it (sandbox: {tier: landlock})",
        )
    wanted = only or minimum_tier
    missing = next((fact for fact in capabilities.facts if not fact.holds and fact.name == wanted), None)
    missing = missing or next((fact for fact in capabilities.facts if not fact.holds and fact.fix), None)
    if missing is None:
        return _unavailable(f"no sandbox of tier {wanted!r} works here", "run `autopack doctor`")
    return _unavailable(f"no sandbox of tier {wanted!r} works here: {missing.detail}", missing.fix)


def _unavailable(message: str, fix: str) -> Unavailable:
    return Unavailable(Reason("SANDBOX_UNAVAILABLE", message, fix))
