"""What this machine can and cannot do for sandboxes, as facts that were each tried."""

from dataclasses import dataclass

from autopack.sandbox.port import Tier


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was tried."""

    name: str
    """Stable: bubblewrap, seccomp, namespaces, overlay, other_user, cgroup_memory, cgroup_processes ..."""
    holds: bool
    detail: str
    """What was found."""
    fix: str = ""
    """One line that mends it, where it does not hold."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The tiers that really work here, strongest first, and every fact behind that."""

    tiers: tuple[Tier, ...]
    facts: tuple[Fact, ...]

    def fact(self, name: str) -> Fact:
        """The fact of that name; one that was not tried does not hold."""
        return next((fact for fact in self.facts if fact.name == name), Fact(name, False, "not tried"))
