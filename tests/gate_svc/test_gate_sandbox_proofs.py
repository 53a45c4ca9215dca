"""A verdict's record names the limits that were proven; a sandbox that holds nothing gives no verdict."""

import json

import pytest

from autopack.errors import Reason, Unavailable
from autopack.sandbox import Fact, Sandbox
from gate_svc import sandboxes
from tests.gate_svc.gate_bench import ACCEPT, QUICK, Bench

CHANGED = {**QUICK, "src/maths.py": b"def double(x):\n    return x + x\n"}
LIMITS = {"time", "memory_of_a_process", "processes", "open_files", "file_size", "disk", "output"}


async def test_the_record_names_what_was_proven(bench: Bench) -> None:
    judgement = await bench.judgement(bench.change(QUICK, CHANGED))
    assert judgement.verdict.decision == ACCEPT
    enforced = set(json.loads(judgement.record)["machine"]["sandbox"]["enforced"])
    assert enforced >= {f"limit_{name}" for name in LIMITS}
    assert enforced >= {"no_network", "no_host_files", "no_privileges", "no_survivors"}


async def test_a_limit_that_does_not_hold_is_not_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def weak(sandbox: Sandbox) -> tuple[Fact, ...]:
        return Fact("limit_time", True, "tried"), Fact("limit_disk", False, "it went on", "mend")

    monkeypatch.setattr(sandboxes, "proven_limits", weak)
    judgement = await bench.judgement(bench.change(QUICK, CHANGED))
    enforced = set(json.loads(judgement.record)["machine"]["sandbox"]["enforced"])
    assert "limit_time" in enforced
    assert "limit_disk" not in enforced


async def test_without_a_sandbox_that_holds_there_is_no_verdict_until_it_is_mended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = False

    async def broken(sandbox: Sandbox) -> tuple[Fact, ...]:
        if mended:
            return (Fact("no_network", True, "tried"),)
        raise Unavailable(Reason("SANDBOX_UNAVAILABLE", "it has the network", "mend it"))

    monkeypatch.setattr(sandboxes, "proven_limits", broken)
    assert await bench.faults(bench.change(QUICK, CHANGED)) == ["SANDBOX_UNAVAILABLE"]
    mended = True
    assert (await bench.judge(QUICK, CHANGED)).decision == ACCEPT
