"""The demo's plan over the production topology: landed on the remote, in one trace, with a clean end."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autopack.telemetry import names

ROOT = Path(__file__).parents[2]
WAITS, REFUSED = 3, 1
SERVER, CLIENT = 2, 3
CALLS = {
    ("orchestrator_svc", "builder_svc"),
    ("orchestrator_svc", "auditor_svc"),
    ("orchestrator_svc", "gate_svc"),
    ("orchestrator_svc", "memory_svc"),
    ("builder_svc", "orchestrator_svc"),
    ("auditor_svc", "orchestrator_svc"),
    ("gate_svc", "orchestrator_svc"),
    ("gate_svc", "auditor_svc"),
}


@dataclass(frozen=True)
class Demo:
    """What is left of the demo when everything has ended."""

    topology: Any
    waiting: dict[str, Any]
    """The run as it was before the approval."""
    ended: dict[str, Any]
    exit_codes: dict[str, int]

    @property
    def spans(self) -> dict[str, Any]:
        """By their ids, those of the run's trace."""
        received = self.topology.received.spans
        return {key: span for key, span in received.items() if span.trace_id == self.ended["trace_id"]}


@pytest.fixture(scope="module")
def demo(topology: Any) -> Demo:
    """The plan, run until it waits, approved, run to its end; then every service is stopped."""
    plan = str(ROOT / "examples" / "demo" / "plan.yaml")
    first = topology.autopack("run", plan, "--repo", topology.url, "--run-id", "demo", "--json")
    assert first.returncode == WAITS, first.stderr
    waiting = json.loads(first.stdout)
    digest = _phases(waiting)["add-dependency"]["approval"]["digest"]
    second = topology.autopack("approve", "demo", "add-dependency", "--digest", digest, "--json")
    assert second.returncode == REFUSED, second.stderr
    exit_codes = {name: topology.services[name].stop() for name in reversed(topology.services)}
    run_ended = names.RUN_SPAN
    topology.received.wait_until(
        lambda received: any(span.name == run_ended for span in received.spans.values())
    )
    return Demo(topology, waiting, json.loads(second.stdout), exit_codes)


def _phases(run: dict[str, Any]) -> dict[str, Any]:
    return {phase["id"]: phase for phase in run["phases"]}


def test_every_phase_ends_as_the_plan_tells(demo: Demo) -> None:
    states = {name: phase["state"] for name, phase in _phases(demo.ended).items()}
    assert states == {
        "fix-rounding": "LANDED",
        "lint": "LANDED",
        "fix-quantities": "LANDED",
        "document": "LANDED",
        "add-dependency": "LANDED",
        "print-receipts": "FAILED",
    }


def test_a_refused_attempt_is_followed_by_one_that_lands(demo: Demo) -> None:
    first, second = _phases(demo.ended)["fix-quantities"]["attempts"]
    assert "NEW_FAILURES" in {reason["code"] for reason in first["reasons"]}
    assert not second["reasons"]


def test_only_the_approval_lets_the_dependency_in(demo: Demo) -> None:
    before = _phases(demo.waiting)["add-dependency"]
    assert before["state"] == "WAITING_APPROVAL"
    assert not before.get("commit")


def test_the_remote_has_one_commit_per_landed_phase(demo: Demo) -> None:
    log = ("log", "--reverse", "--format=%H %(trailers:key=Autopack-Phase,valueonly,separator=)")
    lines = _git(demo.topology.remote, *log, "main..autopack/demo").splitlines()
    landed = {
        phase["commit"]: name for name, phase in _phases(demo.ended).items() if phase["state"] == "LANDED"
    }
    assert dict(line.split(" ") for line in lines) == landed
    assert lines[-1].split(" ")[0] == demo.ended["head"]


def test_every_process_ends_cleanly_on_sigterm(demo: Demo) -> None:
    assert demo.exit_codes == dict.fromkeys(("orchestrator", "gate", "memory", "auditor", "builder"), 0), {
        name: "".join(running.lines)[-3000:] for name, running in demo.topology.services.items()
    }


def test_no_service_logs_an_error(demo: Demo) -> None:
    lines = [line for running in demo.topology.services.values() for line in running.lines]
    assert not [line for line in lines if '"level": "ERROR"' in line or not line.startswith("{")]


def test_services_call_each_other_along_the_flow_and_nowhere_else(demo: Demo) -> None:
    spans = demo.topology.received.spans
    calls = {
        (spans[span.parent_id].service, span.service)
        for span in spans.values()
        if span.kind == SERVER and span.parent_id in spans
    }
    assert calls == CALLS


@pytest.mark.parametrize(
    ("parent", "child", "called"),
    [
        (names.BUILD_SPAN, "autopack.api.memory.v1.MemoryService/Recall", "memory_svc"),
        (names.BUILD_SPAN, "autopack.api.builder.v1.BuilderService/StartBuild", "builder_svc"),
        (names.JUDGE_SPAN, "autopack.api.auditor.v1.AuditorService/StartAudit", "auditor_svc"),
        (names.JUDGE_SPAN, "autopack.api.gate.v1.GateService/StartGate", "gate_svc"),
        (names.RUN_SPAN, "autopack.api.memory.v1.MemoryService/RecordRun", "memory_svc"),
    ],
)
def test_each_step_of_a_phase_is_one_call_with_a_span_at_both_ends(
    demo: Demo, parent: str, child: str, called: str
) -> None:
    spans = demo.spans
    served = [span for span in spans.values() if span.name == child and span.kind == SERVER]
    assert served
    for span in served:
        made = spans[span.parent_id]
        assert (span.service, made.service, made.name, made.kind) == (
            called,
            "orchestrator_svc",
            child,
            CLIENT,
        )
        assert spans[made.parent_id].name == parent


@pytest.mark.parametrize(
    ("service", "span", "call"),
    [
        ("builder_svc", names.BUILD_SPAN, "autopack.api.git.v1.GitService/PutPack"),
        ("auditor_svc", "autopack.api.auditor.v1.AuditorService/StartAudit", names.AUDIT_SPAN),
        ("gate_svc", names.GATE_SPAN, names.CHECK_SPAN),
        ("gate_svc", names.GATE_SPAN, "autopack.api.auditor.v1.AuditorService/WaitAudit"),
        ("memory_svc", "autopack.api.memory.v1.MemoryService/Recall", names.RECALL_SPAN),
        ("orchestrator_svc", names.PHASE_SPAN, names.LAND_SPAN),
        ("orchestrator_svc", names.PHASE_SPAN, names.JUDGE_SPAN),
        ("orchestrator_svc", names.RUN_SPAN, names.PHASE_SPAN),
    ],
)
def test_what_a_service_does_is_under_the_call_that_asked_for_it(
    demo: Demo, service: str, span: str, call: str
) -> None:
    spans = demo.spans
    found = [one for one in spans.values() if one.name == call and one.service == service]
    assert found
    assert {spans[one.parent_id].name for one in found if one.kind != SERVER} == {span}


def test_the_runs_trace_is_one_tree_whose_root_names_the_run(demo: Demo) -> None:
    spans = demo.spans
    (root,) = [span for span in spans.values() if not span.parent_id]
    assert root.name == names.RUN_SPAN
    assert root.attributes[names.RUN_ID] == demo.ended["run_id"]
    assert not [span for span in spans.values() if span.parent_id and span.parent_id not in spans]
    phases = [span for span in spans.values() if span.name == names.PHASE_SPAN]
    assert {span.attributes[names.PHASE_ID] for span in phases} == set(_phases(demo.ended))


def test_the_metrics_of_runs_arrive_too(demo: Demo) -> None:
    wanted = {names.RUNS_METRIC, names.PHASES_METRIC, names.VERDICTS_METRIC, names.RPC_SERVER_METRIC}
    demo.topology.received.wait_until(lambda received: wanted <= received.metrics)


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
