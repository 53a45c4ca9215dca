"""The JSON documents of the contract, made from messages."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any

from autopack.api.auditor.v1 import audit_pb2
from autopack.api.builder.v1 import build_pb2
from autopack.api.gate.v1 import verdict_pb2
from autopack.api.ledger.v1 import ledger_pb2
from autopack.api.memory.v1 import memory_pb2
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.reason.v1 import reason_pb2
from autopack.cli.outcome import reason_json
from autopack.rpc.errors import reasons_from_proto

Document = dict[str, Any]


def word(enum: Any, number: int, prefix: str) -> str:
    """An enum's value as the contract writes it: RUN_STATE_FAILED is FAILED."""
    name: str = enum.Name(number)
    return name.removeprefix(prefix)


def run_state(run: run_pb2.Run) -> str:
    return word(run_pb2.RunState, run.state, "RUN_STATE_")


def phase_state(phase: run_pb2.Phase) -> str:
    return word(run_pb2.PhaseState, phase.state, "PHASE_STATE_")


def run_document(run: run_pb2.Run, environ: Mapping[str, str], server: str = "") -> Document:
    """A run as `run` and `show` print it."""
    document: Document = {
        "run_id": run.run_id,
        "state": run_state(run),
        "plan_name": run.plan_name,
        "base": run.base,
        "head": run.head,
        "branch": f"autopack/{run.run_id}",
        "trace_id": run.trace_id,
    }
    if url := trace_url(run, environ):
        document["trace_url"] = url
    document["usage"] = usage(run.usage)
    document["phases"] = [phase_document(run, phase, server) for phase in run.phases]
    document["reasons"] = reasons(run.reasons)
    return document


def phase_document(run: run_pb2.Run, phase: run_pb2.Phase, server: str = "") -> Document:
    """One phase of a run."""
    document: Document = {
        "id": phase.phase_id,
        "state": phase_state(phase),
        "slot": phase.slot,
        "attempts": [attempt_document(attempt) for attempt in phase.attempts],
    }
    if phase.commit:
        document["commit"] = phase.commit
    if phase.HasField("verdict"):
        document["verdict"] = decision(phase.verdict)
        document["judgement"] = verdict_document(phase.verdict)
    if phase.HasField("approval"):
        document["approval"] = {
            "digest": phase.approval.digest,
            "reasons": reasons(phase.approval.reasons),
            "command": approve_command(run.run_id, phase, server),
        }
    document["reasons"] = reasons(phase.reasons)
    return document


def attempt_document(attempt: run_pb2.Attempt) -> Document:
    """One attempt at a phase."""
    document: Document = {
        "number": attempt.number,
        "state": word(run_pb2.AttemptState, attempt.state, "ATTEMPT_STATE_"),
    }
    if attempt.change:
        document["change"] = attempt.change
    return document | {"reasons": reasons(attempt.reasons), "usage": usage(attempt.usage)}


def decision(verdict: verdict_pb2.Verdict) -> str:
    """ACCEPT, REJECT or NEEDS_APPROVAL."""
    return word(verdict_pb2.Decision, verdict.decision, "DECISION_")


def verdict_document(verdict: verdict_pb2.Verdict, base: str = "") -> Document:
    """A verdict as `gate` prints it; `base` is the commit, where the command named one."""
    return {
        "verdict": decision(verdict),
        "reasons": reasons(verdict.reasons),
        "change_digest": verdict.change_digest,
        "decision_digest": verdict.decision_digest,
        "policy_digest": verdict.policy_digest,
        "tree": verdict.tree,
        "base": base or verdict.base_tree,
        "categories": list(verdict.categories),
        "checks": [check_document(check) for check in verdict.checks],
        "risk": {
            "score": verdict.risk.score,
            "level": verdict.risk.level,
            "factors": [
                {"name": factor.name, "points": factor.points, "detail": factor.detail}
                for factor in verdict.risk.factors
            ],
        },
        "sandbox_tier": verdict.sandbox_tier,
    }


def check_document(check: verdict_pb2.CheckResult) -> Document:
    """One check's result."""
    document: Document = {
        "name": check.name,
        "run": check.run,
        "outcome": word(verdict_pb2.CheckOutcome, check.outcome, "CHECK_OUTCOME_"),
        "seconds": round(check.seconds, 3),
        "cached": check.cached,
        "reports": check.reports,
        "tests": {
            "passed": check.tests.passed,
            "failed": check.tests.failed,
            "errors": check.tests.errors,
            "skipped": check.tests.skipped,
            "blind": check.tests.blind,
            "compared": check.tests.compared,
            "self_reported": check.tests.self_reported,
            "seen": {each.name: word(verdict_pb2.Proof, each.proof, "PROOF_").lower() for each in check.seen},
            "new_failures": list(check.new_failures),
            "old_failures": list(check.old_failures),
            "vanished": list(check.vanished),
        },
        "output_tail": check.output_tail,
    }
    if check.HasField("exit_code"):
        document["exit_code"] = check.exit_code
    if check.HasField("probe"):
        document["mutants"] = {
            "seed": check.probe.seed,
            "possible": check.probe.possible,
            "killed": check.probe.killed,
            "survived": check.probe.survived,
            "not_reached": check.probe.not_reached,
            "not_tried": check.probe.not_tried,
            "survivors": list(check.probe.survivors),
        }
        document["changed_lines"] = check.probe.changed_lines
        document["reached_lines"] = check.probe.reached_lines
    return document


def reasons(messages: Iterable[reason_pb2.Reason]) -> list[Document]:
    """Reasons as the contract has them."""
    return [reason_json(reason) for reason in reasons_from_proto(messages)]


def usage(message: build_pb2.Usage) -> Document:
    """What was spent; no `usd` where the price is not known."""
    document: Document = {
        "seconds": round(message.seconds, 3),
        "input_tokens": message.input_tokens,
        "output_tokens": message.output_tokens,
    }
    if message.HasField("usd"):
        document["usd"] = message.usd
    return document


def audit_document(audit: audit_pb2.Audit) -> Document:
    """An audit as `audit --format json` prints it."""
    return {
        "recommendation": word(audit_pb2.Recommendation, audit.recommendation, "RECOMMENDATION_"),
        "base": audit.base,
        "head": audit.head,
        "findings": [
            {
                "analyzer": finding.analyzer,
                "rule_id": finding.rule_id,
                "severity": word(audit_pb2.Severity, finding.severity, "SEVERITY_"),
                "message": finding.message,
                "path": finding.path,
                "line": finding.line,
                "fingerprint": finding.fingerprint,
                "cwe": list(finding.cwe),
            }
            for finding in audit.findings
        ],
        "finding_count": audit.finding_count,
        "findings_digest": audit.findings_digest,
        "analyzers": [
            {
                "name": analyzer.name,
                "version": analyzer.version,
                "files": analyzer.files,
                "seconds": round(analyzer.seconds, 3),
            }
            for analyzer in audit.analyzers
        ],
        "reasons": reasons(audit.reasons),
    }


def entry_document(entry: ledger_pb2.Entry) -> Document:
    """A ledger entry."""
    return {
        "entry_id": entry.entry_id,
        "ledger": word(ledger_pb2.LedgerKind, entry.kind, "LEDGER_KIND_"),
        "date": entry.create_time.ToDatetime().date().isoformat(),
        "title": entry.title,
        "fields": {field.name: field.value for field in entry.fields},
    }


def hit_document(hit: memory_pb2.Hit) -> Document:
    """A passage as `recall` prints it."""
    return {
        "score": hit.score,
        "text": hit.text,
        "source": hit.source,
        "entry_id": hit.entry_id,
        "trust": hit.trust,
        "commit": hit.commit,
        **({"time": hit.create_time.ToDatetime(UTC).isoformat()} if hit.HasField("create_time") else {}),
    }


def approve_command(run_id: str, phase: run_pb2.Phase, server: str = "") -> str:
    """The exact command that approves what a phase waits with."""
    return command_line("approve", run_id, phase.phase_id, "--digest", phase.approval.digest, server=server)


def command_line(*words: str, server: str = "") -> str:
    """A command to type, for the same server."""
    return shlex.join(["autopack", *words, *(("--server", server) if server else ())])


def trace_url(run: run_pb2.Run, environ: Mapping[str, str]) -> str:
    """Where the run's trace can be looked at, if AUTOPACK_TRACE_URL says so.

    `{trace_id}` and `{run_id}` in it are filled in; without either, the trace id is put behind it.
    """
    template = environ.get("AUTOPACK_TRACE_URL", "")
    if not template or not run.trace_id:
        return ""
    if "{trace_id}" not in template and "{run_id}" not in template:
        template = template.rstrip("/") + "/{trace_id}"
    return template.replace("{trace_id}", run.trace_id).replace("{run_id}", run.run_id)
