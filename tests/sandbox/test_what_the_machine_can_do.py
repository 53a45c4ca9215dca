"""Facts about the machine are tried, not assumed, and each that does not hold says how to mend it."""

import importlib
import os
from pathlib import Path

import pytest

from autopack.errors import Unavailable
from autopack.sandbox import Capabilities, Command, Fact, Limits, Sandbox, mounts, probe, prove_limits
from autopack.sandbox.cgroups import Cgroup, CgroupSite, find_site, sweep
from autopack.sandbox.identity import Identity, choose_identity
from autopack.sandbox.state_directory import choose_parent
from autopack.sandbox.tiers import create, machine

# `autopack.sandbox.probe` names the function.
probing = importlib.import_module("autopack.sandbox.probe")


def test_every_fact_has_a_detail_and_what_does_not_hold_a_fix(capabilities: Capabilities) -> None:
    for fact in capabilities.facts:
        assert fact.detail
        assert fact.holds or fact.fix, fact


def test_what_is_not_enforced_is_said() -> None:
    fact = Fact("other_user", True, "root")
    root = Capabilities(("namespaces", "landlock"), (fact, Fact("cgroup_memory", True, "version 2")))
    ordinary = Capabilities(("namespaces", "landlock"), ())
    assert not any("memory of all" in sentence for sentence in root.not_enforced("namespaces"))
    assert any("memory of all" in sentence for sentence in ordinary.not_enforced("namespaces"))
    assert set(root.not_enforced("landlock")) < set(ordinary.not_enforced("landlock"))


def test_it_is_tried_once_per_process(capabilities: Capabilities) -> None:
    assert probe() is capabilities


async def test_every_limit_is_proved_by_going_over_it(sandbox: Sandbox) -> None:
    facts = await prove_limits(sandbox)
    assert len(facts) == 12
    assert [fact for fact in facts if not fact.holds] == []


def test_a_bubblewrap_that_was_not_reviewed_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autopack.sandbox import bubblewrap

    monkeypatch.setattr(bubblewrap, "_SYSTEM_DIRECTORIES", ())
    found = bubblewrap.find_bubblewrap(tmp_path / "good")
    assert found.origin == "package"
    assert found.path.is_relative_to(tmp_path)
    monkeypatch.setattr(bubblewrap, "_PACKAGED", {"0" * 64})
    with pytest.raises(bubblewrap.NoBubblewrap, match=found.sha256):
        bubblewrap.find_bubblewrap(tmp_path / "bad")


async def test_where_ids_cannot_be_mapped_the_base_is_copied(
    base: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(uid: tuple[int, int], gid: tuple[int, int]) -> int:
        raise OSError(22, "this file system cannot map ids")

    monkeypatch.setattr(mounts, "open_id_mapping", refuse)
    identity, _ = machine()
    sandbox = create("namespaces", state)
    monkeypatch.setattr(sandbox._spawner, "_mappings", {})  # type: ignore[attr-defined]  # as in a new process
    async with sandbox.open(base) as workspace:
        result = await workspace.run(Command("echo more >>README; python -c 'print(42)'"), Limits(20))
        assert result.output == b"42\n"
        assert [edit.contents for edit in await workspace.changes()] == [b"read me\nmore\n"]
    await sandbox.close()
    assert identity == choose_identity() or identity.switched


class Machine:
    """Files that look like a machine's control groups."""

    def __init__(self, root: Path, membership: str, *mounts: str) -> None:
        self.root = root
        (root / "mounts").write_text("".join(f"cgroup {root}/{mount} 0 0\n" for mount in mounts))
        (root / "membership").write_text(membership)

    def group(self, path: str, handed_down: str = "") -> Path:
        directory = self.root / path
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.procs").write_text("")
        (directory / "cgroup.subtree_control").write_text(handed_down)
        return directory

    def site(self) -> CgroupSite:
        return find_site(self.root / "mounts", self.root / "membership")


def test_version_2_takes_the_nearest_group_that_hands_both_controllers_down(tmp_path: Path) -> None:
    fake = Machine(tmp_path, "0::/user.slice/app.slice/shell.scope\n", "fs cgroup2 rw")
    fake.group("fs", "cpu memory pids")
    fake.group("fs/user.slice", "memory pids")
    expected = fake.group("fs/user.slice/app.slice", "memory pids")
    fake.group("fs/user.slice/app.slice/shell.scope")
    site = fake.site()
    assert (site.version, set(site.parents.values())) == (2, {expected})
    assert site.enforces_memory
    assert site.enforces_processes


def test_version_2_without_delegation_enforces_nothing(tmp_path: Path) -> None:
    fake = Machine(tmp_path, "0::/\n", "fs cgroup2 rw")
    fake.group("fs", "cpu")
    assert fake.site() == CgroupSite(0, {})


def test_version_2_writes_its_limits_and_reads_its_events(tmp_path: Path) -> None:
    cgroup = Cgroup(CgroupSite(2, {"memory": tmp_path, "pids": tmp_path}), 1 << 20, 7)
    (directory,) = cgroup.directories
    assert (directory / "memory.max").read_text() == "1048576"
    assert (directory / "pids.max").read_text() == "7"
    assert (directory / "memory.oom.group").read_text() == "1"
    assert not cgroup.memory_exceeded()
    (directory / "memory.events").write_text("low 0\noom 1\noom_kill 1\n")
    (directory / "pids.events").write_text("max 3\n")
    (directory / "memory.peak").write_text("4096\n")
    assert cgroup.memory_exceeded()
    assert cgroup.processes_exceeded()
    assert cgroup.peak_memory_bytes() == 4096
    assert cgroup.join_files == (directory / "cgroup.procs",)


def test_version_1_takes_our_own_group_of_each_controller(tmp_path: Path) -> None:
    membership = "4:memory:/jobs/7\n3:cpu,pids:/\n0::/\n"
    fake = Machine(tmp_path, membership, "m cgroup rw,memory", "p cgroup rw,cpu,pids", "unified cgroup2 rw")
    memory, pids = fake.group("m/jobs/7"), fake.group("p")
    fake.group("unified", "hugetlb")
    assert fake.site() == CgroupSite(1, {"memory": memory, "pids": pids})


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    assert find_site(tmp_path / "none", tmp_path / "none") == CgroupSite(0, {})


def test_groups_of_living_processes_are_not_swept(tmp_path: Path) -> None:
    site = CgroupSite(2, {"memory": tmp_path})
    names = (f"autopack-{os.getpid()}-a", "autopack-4194999-b", "another")
    for name in names:
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / "autopack-4194999-new").mkdir()
    sweep(site)
    assert sorted(os.listdir(tmp_path)) == sorted([names[0], "another", "autopack-4194999-new"])


def test_directories_that_the_other_user_cannot_reach_are_not_used(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="SANDBOX_UNAVAILABLE"):
        choose_parent(closed, others_must_pass=True)
    assert choose_parent(closed, others_must_pass=False) == closed


def test_root_has_commands_run_as_somebody_else() -> None:
    identity = choose_identity()
    if os.geteuid() == 0:
        assert identity.uid not in (0, 65534)
        assert identity.switched
    else:
        assert identity == Identity(os.geteuid(), os.getegid(), False)


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ],
)
def test_a_refusal_of_user_namespaces_names_the_switch_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, mend: str
) -> None:
    """The first is Ubuntu 24.04's."""
    switches = [(str(tmp_path / Path(file).name), *rest) for file, *rest in probing._SWITCHES]
    monkeypatch.setattr(probing, "_SWITCHES", switches)
    assert "container" in probing._why_no_namespaces("refused").fix
    (tmp_path / name).write_text(f"{value}\n")
    fact = probing._why_no_namespaces("refused")
    assert (fact.holds, fact.fix) == (False, f"sudo sysctl -w {mend}")
