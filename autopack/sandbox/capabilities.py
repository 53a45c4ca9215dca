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

    def not_enforced(self, tier: Tier) -> tuple[str, ...]:
        """What that tier does not keep a command from here, for people who must know: one sentence each."""
        found = [
            "disk use is measured five times a second, not capped: a fast writer gets a little further",
            "processor time is bounded by the time limit only, not shared out",
            "a command that is given the network has the host's, its loopback included",
        ]
        if not self.fact("cgroup_memory").holds:
            found.append("memory of all processes is measured five times a second, not capped")
        if tier == "namespaces":
            found.append("paths of the workspace on the host, and the host's load and memory, show in /proc")
        else:
            found.append(
                "that a file of the host exists, its size and times can be seen, its contents cannot"
            )
            if not self.fact("cgroup_processes").holds and not self.fact("other_user").holds:
                found.append("processes are counted together with the user's others when the command starts")
            if not self.fact("other_user").holds:
                found.append(
                    "times of the user's own files, and the scheduling of his processes, can be changed"
                )
        return tuple(found)
