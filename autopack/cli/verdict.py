"""Verdicts and audits, in words."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from autopack.api.auditor.v1 import audit_pb2
from autopack.api.gate.v1 import verdict_pb2
from autopack.cli.documents import decision, word
from autopack.cli.terminal import neutralise, output
from autopack.rpc.errors import reasons_from_proto
from autopack.text import counted

STYLES = {
    "ACCEPT": "green",
    "REJECT": "red",
    "NEEDS_APPROVAL": "magenta",
    "APPROVE": "green",
    "PASSED": "green",
}
SEVERITIES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "dim"}


def print_verdict(
    verdict: verdict_pb2.Verdict, look: Sequence[str], again: Sequence[str], approvals: Path | None
) -> None:
    """What was decided, why, and what the checks said, on standard output.

    `look` is the command that shows the change, `again` are the options that have it judged again.
    """
    name = decision(verdict)
    output().print(Text(name, f"bold {STYLES[name]}"))
    for check in verdict.checks:
        print_check(check)
    for reason in reasons_from_proto(verdict.reasons):
        place = ":".join(filter(None, (reason.path, str(reason.line or ""))))
        line = Text(f"  {neutralise(reason.code, True)} ", "red" if name == "REJECT" else "yellow")
        line.append(f"{neutralise(place, True)} " if place else "", "cyan")
        line.append(neutralise(reason.message))
        output().print(line)
        if reason.fix:
            output().print(Text(f"    -> {neutralise(reason.fix)}", "green"))
    output().print(
        f"  risk {verdict.risk.score} ({verdict.risk.level}), categories {', '.join(verdict.categories)}"
    )
    for factor in verdict.risk.factors:
        output().print(
            Text(f"    {factor.points} for {factor.name}: {neutralise(factor.detail, True)}", "dim")
        )
    output().print(f"  change digest {verdict.change_digest}")
    if name == "NEEDS_APPROVAL":
        output().print("next, if you approve of it:")
        for command in approve_lines(verdict.change_digest, look, again, approvals):
            output().print(Text(f"  {neutralise(command, True)}"), soft_wrap=True)


def approve_lines(
    digest: str, look: Sequence[str], again: Sequence[str], approvals: Path | None
) -> Iterator[str]:
    """Commands that look at the change, note a consent to it, and have it judged again."""
    file = approvals or Path("approvals.yaml")
    yield shlex.join(look)
    yield f"autopack approve --digest {digest} >> {shlex.quote(str(file))}"
    yield shlex.join(["autopack", "gate", *again, "--approvals", str(file)])


def print_check(check: verdict_pb2.CheckResult) -> None:
    """One check's result in one line."""
    name = word(verdict_pb2.CheckOutcome, check.outcome, "CHECK_OUTCOME_")
    counts = [
        f"{count} {what}"
        for count, what in (
            (check.tests.passed, "passed"),
            (check.tests.failed, "failed"),
            (check.tests.errors, "errors"),
            (check.tests.skipped, "skipped"),
            (check.tests.blind, "judged blind"),
            (check.tests.compared, "compared"),
            (check.tests.self_reported, "self-reported"),
            (len(check.new_failures), "new failures"),
            (len(check.old_failures), "old failures"),
        )
        if count
    ]
    line = Text(f"  check {neutralise(check.name, True)} ")
    line.append(name, STYLES.get(name, "red"))
    line.append(f" {check.seconds:.1f} s {', '.join(counts)}{' (cached)' if check.cached else ''}", "dim")
    output().print(line)
    if check.HasField("probe"):
        _print_probe(check.probe)


def _print_probe(probe: verdict_pb2.Probe) -> None:
    tried = probe.killed + probe.survived
    said = f"    of {tried} mutants tests notice {probe.killed}"
    said += f", {probe.not_reached} more they do not come to" if probe.not_reached else ""
    if probe.changed_lines:
        said += f"; they come to {probe.reached_lines} of {counted(probe.changed_lines, 'changed line')}"
    output().print(Text(said, "dim"))
    for survivor in probe.survivors:
        output().print(Text(f"      survives: {neutralise(survivor, True)}", "dim"))


def print_audit(audit: audit_pb2.Audit) -> None:
    """What the change introduces, worst first, on standard output."""
    for finding in audit.findings:
        severity = word(audit_pb2.Severity, finding.severity, "SEVERITY_")
        line = Text(f"{neutralise(finding.path, True)}:{finding.line}: ", "cyan")
        line.append(severity, SEVERITIES.get(severity, ""))
        line.append(
            f" {finding.analyzer} {neutralise(finding.rule_id, True)}: {neutralise(finding.message, True)}"
        )
        output().print(line)
    recommendation = word(audit_pb2.Recommendation, audit.recommendation, "RECOMMENDATION_")
    output().print(
        Text(
            f"{recommendation}: {counted(audit.finding_count, 'finding')}", STYLES.get(recommendation, "red")
        )
    )
    for reason in reasons_from_proto(audit.reasons):
        output().print(Text(f"  {neutralise(reason.code, True)}: {neutralise(reason.message)}"))
    for analyzer in audit.analyzers:
        output().print(
            Text(
                f"  {analyzer.name} {analyzer.version}: {analyzer.files} files in {analyzer.seconds:.2f} s",
                "dim",
            )
        )
