"""Puts the sandbox of a tier together for this machine."""

import os
from functools import lru_cache
from pathlib import Path

from autopack.sandbox import cgroups
from autopack.sandbox.cgroups import CgroupSite, find_site
from autopack.sandbox.identity import Identity, choose_identity
from autopack.sandbox.landlock import LandlockSandbox
from autopack.sandbox.landlock_launcher import SUPERVISOR
from autopack.sandbox.leftovers import end_leftovers
from autopack.sandbox.namespaces import NamespacesSandbox
from autopack.sandbox.port import Sandbox, Tier
from autopack.sandbox.spawner import process_spawner
from autopack.sandbox.state_directory import choose_parent, sweep
from autopack.sandbox.supervisor import kernel
from autopack.sandbox.system_files import find_system_files

STRENGTH: dict[str, int] = {"landlock": 1, "namespaces": 2}
"""Tiers, a greater number for the stronger."""

LEAST_LANDLOCK = 3
"""Earlier versions let an ordinary user's files be emptied by truncate(2)."""
_NEWEST_LANDLOCK = 6


def machine() -> tuple[Identity, CgroupSite]:
    """Whom sandboxes run as and where their control groups are made, chosen once per process."""
    return _machine_of(os.getpid())


@lru_cache(maxsize=1)
def _machine_of(process: int) -> tuple[Identity, CgroupSite]:
    del process  # another one after a fork
    return choose_identity(), find_site()


def create(
    tier: Tier,
    directory: Path | None = None,
    *,
    overlay: bool = True,
    landlock_version: int | None = None,
) -> Sandbox:
    """A sandbox of that tier, which keeps what commands write below `directory`.

    Without `overlay` the namespaces tier copies its bases; the landlock tier uses no more of Landlock than
    `landlock_version` of its interface has.
    Raises Unavailable where there is no directory for it, OSError where root may not do what root can.
    """
    identity, site = machine()
    parent = choose_parent(directory, identity.switched)
    end_leftovers()
    sweep(parent)
    cgroups.sweep(site)
    host = process_spawner(identity)
    if tier == "namespaces":
        return NamespacesSandbox(host, site, parent, overlay)
    system = find_system_files()
    version = min(landlock_version or _NEWEST_LANDLOCK, kernel.landlock_version())
    spawner = process_spawner(identity, (SUPERVISOR, *system.pythons))
    return LandlockSandbox(system, version, spawner, host, site, parent)
