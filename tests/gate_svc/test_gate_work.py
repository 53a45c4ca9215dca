"""How judgements are worked on: once for each id and tree, stopped at once, never half done."""

import asyncio
import time
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from autopack.api.gate.v1 import gate_service_pb2, verdict_pb2
from autopack.errors import AlreadyExists, InvalidInput, NotFound
from autopack.rpc.errors import call
from autopack.telemetry import names
from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import ACCEPT, QUICK, REJECT, TESTED, Bench, codes, open_bench, policy

CHANGED: Files = {**QUICK, "src/maths.py": b"def double(x):\n    return x + x\n"}
SLOW: Files = {"autopack.yaml": policy("sleep 299.5", "none", timeout=600), "a": b"1"}


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def runs(spans: InMemorySpanExporter) -> int:
    """How many checks were run, on heads and bases."""
    return len(named(spans, names.CHECK_SPAN)) + len(named(spans, names.BASELINE_SPAN))


# Ids.


async def test_a_start_that_waits_brings_the_verdict_and_is_the_same_start(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    request.wait_seconds = 20
    started = await call(bench.stub.StartGate(request, timeout=60))
    assert started.judgement.verdict.decision == ACCEPT
    request.wait_seconds = 0
    assert (await call(bench.stub.StartGate(request))).judgement == started.judgement


async def test_the_same_request_gives_the_same_answer_and_is_done_once(
    bench: Bench, spans: InMemorySpanExporter
) -> None:
    request = bench.change(QUICK, CHANGED)
    first = await bench.judgement(request)
    again = await call(bench.stub.StartGate(request))
    assert again.judgement == first
    assert len(named(spans, names.GATE_SPAN)) == 1


async def test_an_id_with_other_content_is_refused(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    await call(bench.stub.StartGate(request))
    request.scope.category = "docs"
    with pytest.raises(AlreadyExists, match="REQUEST_ID_REUSED"):
        await call(bench.stub.StartGate(request))


async def test_a_request_that_breaks_the_contract_is_refused_field_by_field(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    request.base = "--upload-pack=evil"
    request.audit_request_id = ""
    with pytest.raises(InvalidInput) as refused:
        await call(bench.stub.StartGate(request))
    assert [reason.path for reason in refused.value.reasons] == ["base", "audit_request_id"]


async def test_waiting_for_what_was_never_started_is_not_found(bench: Bench) -> None:
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await call(bench.stub.WaitGate(gate_service_pb2.WaitGateRequest(request_id="never")))


async def test_start_answers_at_once_and_wait_when_it_has_ended(bench: Bench) -> None:
    bench.auditor.answers.clear()
    request = bench.change(QUICK, CHANGED)
    started = await call(bench.stub.StartGate(request))
    assert started.judgement.state == verdict_pb2.JUDGEMENT_STATE_RUNNING
    bench.auditor.answers.set()
    assert (await bench.wait(request.request_id)).state == verdict_pb2.JUDGEMENT_STATE_SUCCEEDED


# Checks run once.


async def test_in_a_train_each_tree_is_checked_once(bench: Bench, spans: InMemorySpanExporter) -> None:
    base = bench.commit(QUICK)
    files, before = dict(QUICK), base
    for number in range(3):
        files[f"src/part{number}.py"] = b"x = 1\n"
        head = bench.commit(files, before)
        verdict = await bench.verdict(bench.request(before, head, policy_commit=base))
        assert verdict.decision == ACCEPT
        before = head
    assert runs(spans) == 4  # the base's tree, and three heads


async def test_a_tree_that_was_checked_is_not_checked_again_and_the_verdict_says_so(
    bench: Bench, spans: InMemorySpanExporter
) -> None:
    first, second = await bench.judge(QUICK, CHANGED), await bench.judge(QUICK, CHANGED)
    assert (first.checks[0].cached, second.checks[0].cached) == (False, True)
    assert runs(spans) == 2
    assert first.decision_digest == second.decision_digest


async def test_old_failures_once_seen_are_not_run_again(bench: Bench, spans: InMemorySpanExporter) -> None:
    base = {**QUICK, "results": b"1..1\nnot ok - a\n"}
    head = {**base, "src/maths.py": b"x = 1\n"}
    assert (await bench.judge(base, head)).decision == ACCEPT
    assert (await bench.judge(base, head)).checks[0].cached
    assert runs(spans) == 2


async def test_a_refused_tree_is_run_again_when_asked_again(
    bench: Bench, spans: InMemorySpanExporter
) -> None:
    head = {**QUICK, "results": b"1..2\nok 1 - adds\nnot ok 2 - divides\n"}
    assert (await bench.judge(QUICK, head)).decision == REJECT
    assert (await bench.judge(QUICK, head)).decision == REJECT
    assert len(named(spans, names.CHECK_SPAN)) == 2
    assert len(named(spans, names.BASELINE_SPAN)) == 1


async def test_the_same_tree_judged_twice_at_once_is_checked_once(
    bench: Bench, spans: InMemorySpanExporter
) -> None:
    slowly = {**QUICK, "autopack.yaml": policy("sleep 0.5; cat results", "tap")}
    requests = [bench.change(slowly, {**slowly, "a": b"1"}) for _ in range(3)]
    verdicts = await asyncio.gather(*(bench.verdict(request) for request in requests))
    assert [verdict.decision for verdict in verdicts] == [ACCEPT] * 3
    assert runs(spans) == 2


async def test_results_outlive_the_gate(bench: Bench, spans: InMemorySpanExporter) -> None:
    await bench.judge(QUICK, CHANGED)
    await bench.gate.close()
    await bench.start()
    assert (await bench.judge(QUICK, CHANGED)).checks[0].cached
    assert runs(spans) == 2


async def test_another_policy_is_another_check(bench: Bench) -> None:
    await bench.judge(QUICK, CHANGED)
    more = policy("cat results; ! grep -q '^not ok' results", "tap", "sandbox: {memory_mb: 1000}")
    second = await bench.judge({**QUICK, "autopack.yaml": more}, {**CHANGED, "autopack.yaml": more})
    assert not second.checks[0].cached


# Faults of the machine are no verdicts.


async def test_objects_that_nobody_has_are_a_fault(bench: Bench) -> None:
    base = bench.commit(QUICK)
    assert await bench.faults(bench.request(base, "1" * 40)) == ["OBJECT_NOT_FOUND"]


async def test_a_git_service_that_is_away_is_a_fault(bench: Bench, tmp_path: Path) -> None:
    request = bench.change(QUICK, CHANGED, git_address=f"unix:{tmp_path}/nobody.sock")
    assert await bench.faults(request) == ["SERVICE_UNAVAILABLE"]


async def test_an_auditor_that_is_away_is_a_fault(bench: Bench, tmp_path: Path) -> None:
    await bench.gate.close()
    await bench.start(auditor_address=f"unix:{tmp_path}/nobody.sock")
    assert await bench.faults(bench.change(QUICK, CHANGED)) == ["SERVICE_UNAVAILABLE"]


async def test_a_machine_without_the_policys_sandbox_is_a_fault_with_its_own_code(bench: Bench) -> None:
    await bench.gate.close()
    await bench.start(sandbox_tier="landlock")
    strict = {**QUICK, "autopack.yaml": policy("cat results", "tap", "sandbox: {tier: namespaces}")}
    assert await bench.faults(bench.change(strict, {**strict, "a": b"1"})) == ["SANDBOX_UNAVAILABLE"]


async def test_a_policy_that_cannot_be_read_is_a_fault_that_names_the_line(bench: Bench) -> None:
    base: Files = {"autopack.yaml": b"version: 1\nchekcs: []\n", "a": b"1"}
    judgement = await bench.judgement(bench.change(base, {**base, "a": b"2"}))
    assert judgement.state == verdict_pb2.JUDGEMENT_STATE_FAILED
    assert (judgement.reasons[0].path, judgement.reasons[0].line) == ("autopack.yaml", 2)


# Stopping.


def sleeping(seconds: str) -> bool:
    """Whether a check runs that sleeps for so long: no other test does."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cmdline").read_bytes() == b"sleep\0%s\0" % seconds.encode():
                return True
        except OSError:
            continue  # it has ended
    return False


async def until_sleeping(seconds: str) -> None:
    """Returns when such a check runs; nothing but the process table tells."""
    async with asyncio.timeout(20):
        while not sleeping(seconds):  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.02)


async def test_cancel_kills_the_checks_within_two_seconds(bench: Bench) -> None:
    request = bench.change(SLOW, {**SLOW, "a": b"2"})
    await call(bench.stub.StartGate(request))
    await until_sleeping("299.5")
    began = time.monotonic()
    cancel = gate_service_pb2.CancelGateRequest(request_id=request.request_id)
    cancelled = (await call(bench.stub.CancelGate(cancel))).judgement
    assert cancelled.state == verdict_pb2.JUDGEMENT_STATE_CANCELLED
    assert time.monotonic() - began < 2
    assert not sleeping("299.5")
    assert (await call(bench.stub.StartGate(request))).judgement == cancelled


async def test_cancelling_what_has_ended_changes_nothing(bench: Bench) -> None:
    request = bench.change(QUICK, CHANGED)
    judgement = await bench.judgement(request)
    cancel = gate_service_pb2.CancelGateRequest(request_id=request.request_id)
    assert (await call(bench.stub.CancelGate(cancel))).judgement == judgement


async def test_cancelling_one_of_two_judgements_of_a_tree_leaves_the_other_its_check(bench: Bench) -> None:
    slowly: Files = {**QUICK, "autopack.yaml": policy("sleep 1; cat results", "tap")}
    first, second = (bench.change(slowly, {**slowly, "a": b"1"}) for _ in range(2))
    await call(bench.stub.StartGate(first))
    await call(bench.stub.StartGate(second))
    await bench.auditor.asked.wait()
    await call(bench.stub.CancelGate(gate_service_pb2.CancelGateRequest(request_id=first.request_id)))
    assert (await bench.wait(second.request_id)).verdict.decision == ACCEPT


async def test_a_gate_that_stops_in_the_middle_leaves_no_process_and_goes_on_when_asked_again(
    bench: Bench,
) -> None:
    slowly: Files = {**QUICK, "autopack.yaml": policy("sleep 1.9713; cat results", "tap")}
    request = bench.change(slowly, {**slowly, "a": b"1"})
    await call(bench.stub.StartGate(request))
    await until_sleeping("1.9713")
    await bench.gate.close()
    assert not sleeping("1.9713")
    await bench.start()
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await bench.wait(request.request_id)
    started = await call(bench.stub.StartGate(request))
    assert started.judgement.state == verdict_pb2.JUDGEMENT_STATE_RUNNING
    assert (await bench.wait(request.request_id)).verdict.decision == ACCEPT


# The weaker tier.


async def test_where_only_the_landlock_tier_works_it_judges_the_same(
    bench: Bench, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    first = await bench.judge(TESTED, {**TESTED, "src/maths.py": b"def double(x):\n    return x + x\n"})
    await bench.gate.close()
    await bench.start(sandbox_tier="landlock")
    second = await bench.judge(TESTED, {**TESTED, "src/maths.py": b"def double(x):\n    return x + x\n"})
    assert (second.decision, second.sandbox_tier) == (ACCEPT, "landlock")
    assert second.decision_digest == first.decision_digest
    assert runs(spans) == 4  # a result of one tier is none of the other
    with_environment = helping(b"#!/bin/sh\ntest -e src/maths.py\n")
    assert (await bench.judge(with_environment, {**with_environment, "a": b"1"})).decision == ACCEPT


async def test_judgements_are_kept_over_either_database(bench: Bench, database_url: str) -> None:
    await bench.gate.close()
    await bench.start(database_url=database_url)
    request = bench.change(QUICK, CHANGED)
    judgement = await bench.judgement(request)
    assert judgement.verdict.decision == ACCEPT
    await bench.gate.close()
    await bench.start(database_url=database_url)
    assert await bench.wait(request.request_id) == judgement


# What others see.


async def test_two_gates_come_to_the_same_decision_digest(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    async with open_bench(tmp_path / "other") as other:
        first, second = await bench.judge(QUICK, CHANGED), await other.judge(QUICK, CHANGED)
    assert not second.checks[0].cached
    assert first.decision_digest == second.decision_digest


async def test_the_trace_shows_the_checks_below_the_judgement(
    bench: Bench, spans: InMemorySpanExporter
) -> None:
    await bench.judge(QUICK, CHANGED)
    (gate,) = named(spans, names.GATE_SPAN)
    assert gate.context is not None
    assert gate.attributes is not None
    assert gate.attributes[names.VERDICT] == "ACCEPT"
    (check,), (base,) = named(spans, names.CHECK_SPAN), named(spans, names.BASELINE_SPAN)
    for span in (check, base):
        assert span.context is not None
        assert span.context.trace_id == gate.context.trace_id
        assert span.attributes is not None
        assert span.attributes[names.CHECK_NAME] == "tests"


async def test_capabilities_tell_tiers_and_facts(bench: Bench) -> None:
    found = await call(bench.stub.GetCapabilities(gate_service_pb2.GetCapabilitiesRequest()))
    assert found.tiers
    assert {"bubblewrap", "seccomp"} <= {fact.name for fact in found.capabilities}
    assert all(fact.available or fact.detail for fact in found.capabilities)


async def test_the_same_change_is_judged_the_same_over_and_over(bench: Bench) -> None:
    digests = {(await bench.judge(QUICK, CHANGED)).decision_digest for _ in range(3)}
    assert len(digests) == 1


# Environments.


def prepared(setup: str, run: str = "helper; cat results") -> Files:
    settings = f"environment: {{setup: {setup!r}, inputs: [needs.txt], path: [.env/bin]}}"
    return {**QUICK, "autopack.yaml": policy(run, "tap", settings), "needs.txt": b"one\n"}


MAKE = "mkdir -p .env/bin; cp needs.txt .env/bin/helper; chmod +x .env/bin/helper; ls"


def helping(contents: bytes) -> Files:
    return {**prepared(MAKE), "needs.txt": contents}


async def test_what_the_environment_sets_up_is_there_for_the_checks(bench: Bench) -> None:
    base = helping(b"#!/bin/sh\ntest -e src/maths.py\n")
    assert (await bench.judge(base, {**base, "a": b"1"})).decision == ACCEPT


async def test_the_set_up_sees_nothing_but_its_inputs(bench: Bench) -> None:
    base = prepared("test ! -e src; mkdir -p .env/bin; touch .env/bin/helper; chmod +x .env/bin/helper")
    assert (await bench.judge(base, {**base, "a": b"1"})).decision == ACCEPT


async def test_a_check_cannot_write_to_the_environment(bench: Bench) -> None:
    base = {
        **helping(b"#!/bin/sh\n"),
        "autopack.yaml": prepared(MAKE, "echo x >.env/x || cat results")["autopack.yaml"],
    }
    assert (await bench.judge(base, {**base, "a": b"1"})).decision == ACCEPT


async def test_a_set_up_that_fails_is_a_fault_that_says_what_it_printed(bench: Bench) -> None:
    base = prepared("echo no such package; exit 7")
    judgement = await bench.judgement(bench.change(base, {**base, "a": b"1"}))
    assert judgement.reasons[0].code == "ENVIRONMENT_SETUP_FAILED"
    assert "no such package" in judgement.reasons[0].message


async def test_a_change_cannot_be_where_the_environment_is(bench: Bench) -> None:
    base = helping(b"#!/bin/sh\n")
    verdict = await bench.judge(base, {**base, ".env/bin/helper": b"#!/bin/sh\nexit 0\n"})
    assert "ENVIRONMENT_PATH_TAKEN" in codes(verdict)


async def test_a_change_of_the_inputs_is_a_dependency_change(bench: Bench) -> None:
    base = helping(b"#!/bin/sh\n")
    verdict = await bench.judge(base, {**base, "needs.txt": b"#!/bin/sh\necho\n"})
    assert "dependency" in verdict.categories
    assert verdict.decision == verdict_pb2.DECISION_NEEDS_APPROVAL
