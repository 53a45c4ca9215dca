"""Chooses the sandbox that a policy asks for among those that work here."""

import os
from pathlib import Path

from autopack.errors import Reason, Unavailable
from autopack.sandbox.capabilities import Capabilities
from autopack.sandbox.namespaces import NamespacesSandbox
from autopack.sandbox.port import Sandbox, Tier
from autopack.sandbox.probe import machine
from autopack.sandbox.spawner import process_spawner
from autopack.sandbox.state_directory import choose_parent, sweep

_STRENGTH: dict[str, int] = {"landlock": 1, "namespaces": 2}


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
        if name is not None and name not in _STRENGTH:
            raise _unavailable(f"there is no sandbox tier {name!r}", "name namespaces or landlock")
    fitting = [
        tier
        for tier in capabilities.tiers
        if _STRENGTH[tier] >= _STRENGTH[minimum_tier] and only in (None, tier)
    ]
    if not fitting:
        raise _no_tier(minimum_tier, only, capabilities)
    return _create(max(fitting, key=lambda tier: _STRENGTH[tier]), directory)


def _create(tier: Tier, directory: Path | None) -> Sandbox:
    identity, site = machine(os.getpid())
    parent = choose_parent(directory, identity.switched)
    sweep(parent)
    return NamespacesSandbox(process_spawner(identity), site, parent)


def _no_tier(minimum_tier: str, only: str | None, capabilities: Capabilities) -> Unavailable:
    if only is not None and _STRENGTH[only] < _STRENGTH[minimum_tier]:
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
