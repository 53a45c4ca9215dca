"""An environment is made from its inputs, shared where they are approved, and in quarantine where not."""

import os
from pathlib import Path

import pytest

from autopack.testing.repositories import Files
from gate_svc.environments import KEEP_SECONDS, Environments
from tests.gate_svc.gate_bench import ACCEPT, NEEDS_APPROVAL, QUICK, Bench, codes, policy

MAKE = "mkdir -p .env/bin; cp needs.txt .env/bin/helper; chmod +x .env/bin/helper"


def project(helper: bytes, run: str = "helper; cat results", setup: str = MAKE) -> Files:
    settings = f"environment: {{setup: {setup!r}, inputs: [needs.txt], path: [.env/bin]}}"
    return {**QUICK, "autopack.yaml": policy(run, "tap", settings), "needs.txt": helper}


def made(bench: Bench) -> dict[str, list[str]]:
    """What is shared and what is in quarantine, by name."""
    directory = bench.config.directory / "environments"
    found = {"shared": [name for name in os.listdir(directory) if name != "quarantine"], "quarantine": []}
    if (directory / "quarantine").is_dir():
        found["quarantine"] = os.listdir(directory / "quarantine")
    return found


async def test_a_change_of_the_inputs_is_checked_in_its_own_environment_and_needs_a_person(
    bench: Bench,
) -> None:
    base = project(b"#!/bin/sh\necho '# old'\n")
    asked = bench.change(base, {**base, "needs.txt": b"#!/bin/sh\necho '# new'\n"})
    verdict = await bench.verdict(asked)
    assert verdict.decision == NEEDS_APPROVAL
    assert "CATEGORY_NEEDS_APPROVAL" in codes(verdict)
    assert "# new" in verdict.checks[0].output_tail
    assert {kind: len(names) for kind, names in made(bench).items()} == {"shared": 1, "quarantine": 1}


async def test_what_is_made_from_a_change_is_never_shared(bench: Bench) -> None:
    """Also not once the same inputs are the base's: then they are made anew."""
    base = project(b"#!/bin/sh\necho '# old'\n")
    head = {**base, "needs.txt": b"#!/bin/sh\necho '# new'\n"}
    await bench.judge(base, head)
    (quarantined,) = made(bench)["quarantine"]
    assert quarantined not in made(bench)["shared"]
    assert (await bench.judge(head, {**head, "a": b"1"})).decision == ACCEPT
    assert quarantined in made(bench)["shared"]


async def test_one_environment_is_shared_by_all_changes_that_leave_the_inputs_alone(bench: Bench) -> None:
    base = project(b"#!/bin/sh\n")
    for contents in (b"1", b"2"):
        assert (await bench.judge(base, {**base, "a": contents})).decision == ACCEPT
    assert {kind: len(names) for kind, names in made(bench).items()} == {"shared": 1, "quarantine": 0}


async def test_other_contents_under_the_same_digest_make_a_check_run_again(bench: Bench) -> None:
    """What the network gives may differ from one set-up to the next."""
    base = project(b"#!/bin/sh\n", setup=f"{MAKE}; date +%N >.env/when")
    asked = bench.change(base, {**base, "a": b"1"})
    first = await bench.verdict(asked)
    asked.request_id = "again"
    assert (await bench.verdict(asked)).checks[0].cached
    await bench.gate.close()
    environments = Environments(bench.config.directory / "environments")
    environments.prune(KEEP_SECONDS * 1e6)
    assert made(bench)["shared"] == []
    await bench.start()
    asked.request_id = "after pruning"
    again = await bench.verdict(asked)
    assert not again.checks[0].cached
    assert again.decision_digest == first.decision_digest


async def test_the_set_up_has_the_network_only_where_the_policy_says_so(bench: Bench) -> None:
    for network in ("false", "true"):
        settings = f'environment: {{setup: "mkdir .env; cp /proc/net/dev .env/dev", network: {network}}}'
        base = {**QUICK, "autopack.yaml": policy("cat .env/dev results", "tap", settings)}
        verdict = await bench.judge(base, {**base, "a": network.encode()})
        interfaces = [line for line in verdict.checks[0].output_tail.splitlines() if ":" in line]
        assert (len(interfaces) > len([line for line in interfaces if "lo:" in line])) == (network == "true")


@pytest.mark.parametrize("name", ["new-half-made", "quarantine/new-half-made"])
def test_what_was_left_half_made_is_removed_and_what_was_used_lately_kept(tmp_path: Path, name: str) -> None:
    kept, old = tmp_path / "quarantine" / ("a" * 64), tmp_path / ("b" * 64)
    for path in (kept, old, tmp_path / name):
        path.mkdir(parents=True)
        (path / "contents.sha256").touch()
    os.utime(old, (0, 0))
    Environments(tmp_path).prune(kept.stat().st_mtime + 60)
    assert (kept.exists(), old.exists(), (tmp_path / name).exists()) == (True, False, False)
