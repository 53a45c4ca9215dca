"""What was proven of a sandbox is kept for this boot, by nobody else, and a broken one is never used."""

import json
import os
import stat
from pathlib import Path

import pytest

from autopack.errors import Unavailable
from autopack.sandbox import Capabilities, Fact, Sandbox, prove_limits, proven_limits, select
from autopack.sandbox import proof_record as record
from autopack.sandbox.proofs import ESSENTIAL

HOLDS = (Fact("limit_time", True, "tried"), Fact("limit_disk", True, "tried"))


class Proving:
    """Stands in for the trials, which `test_what_the_machine_can_do` really makes, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *facts: Fact) -> None:
        self.facts, self.times = facts, 0
        monkeypatch.setattr(record, "prove_limits", self)

    async def __call__(self, sandbox: Sandbox) -> tuple[Fact, ...]:
        self.times += 1
        return self.facts


@pytest.fixture
def some_sandbox(capabilities: Capabilities, tmp_path: Path) -> Sandbox:
    tmp_path.chmod(0o711)
    return select("landlock", capabilities, directory=Path("/tmp"))


async def test_it_is_proven_once_a_boot(
    some_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(monkeypatch, *HOLDS)
    for _ in range(3):
        assert await proven_limits(some_sandbox, tmp_path) == HOLDS
    assert proving.times == 1
    monkeypatch.setattr(record, "_circumstances", lambda: "another boot")
    assert await proven_limits(some_sandbox, tmp_path) == HOLDS
    assert proving.times == 2


async def test_what_does_not_hold_is_tried_again(
    some_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(monkeypatch, HOLDS[0], Fact("limit_memory_of_all_processes", False, "no", "mend"))
    for number in (1, 2):
        await proven_limits(some_sandbox, tmp_path)
        assert proving.times == number


@pytest.mark.parametrize(
    "name", ["limit_time", "no_network", "no_privileges", "no_survivors", "no_host_files"]
)
async def test_a_sandbox_that_holds_nothing_is_none(
    some_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Proving(monkeypatch, Fact(name, False, "it got out", "report this"))
    with pytest.raises(Unavailable, match="SANDBOX_UNAVAILABLE"):
        await proven_limits(some_sandbox, tmp_path)


async def test_a_record_that_others_can_write_is_not_believed(
    some_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proving = Proving(monkeypatch, *HOLDS)
    await proven_limits(some_sandbox, tmp_path)
    directory = tmp_path / f"autopack-proofs-{os.geteuid()}"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    directory.chmod(0o777)
    assert await proven_limits(some_sandbox, tmp_path) == HOLDS
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")
    assert await proven_limits(some_sandbox, tmp_path) == HOLDS
    assert proving.times == 3


@pytest.mark.parametrize("text", ["", "[", "[]", '{"by": 1}', '{"facts": [{}], "by": "x"}'])
async def test_a_damaged_record_is_made_anew(
    some_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    Proving(monkeypatch, *HOLDS)
    await proven_limits(some_sandbox, tmp_path)
    file = tmp_path / f"autopack-proofs-{os.geteuid()}" / f"{some_sandbox.tier}.json"
    file.write_text(text)
    assert await proven_limits(some_sandbox, tmp_path) == HOLDS
    assert len(json.loads(file.read_text())["facts"]) == 2


async def test_every_essential_fact_is_one_that_is_tried(some_sandbox: Sandbox) -> None:
    tried = {fact.name for fact in await prove_limits(some_sandbox)}
    assert set(ESSENTIAL) < tried
