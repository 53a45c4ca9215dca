"""How a run stands, in words, and the exact commands to type next."""

import os
from pathlib import Path

from rich.table import Table
from rich.text import Text

from autopack.api.gate.v1 import verdict_pb2
from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.documents import (
    approve_command,
    command_line,
    phase_state,
    run_state,
    trace_url,
    usage,
    word,
)
from autopack.cli.live import style_of
from autopack.cli.outcome import print_reasons
from autopack.cli.pull_request import pull_request_lines
from autopack.cli.terminal import neutralise, output
from autopack.rpc.errors import reasons_from_proto

MAXIMUM_REASONS = 5
SHORT = 10
"""Hex digits of a commit that are shown."""


def print_run(run: run_pb2.Run, server: str = "", repo: str = "") -> None:
    """The run's phases with reasons, and what to do next, on standard output."""
    state = run_state(run)
    heading = Text.assemble(f"run {run.run_id} ", (state, f"bold {style_of(state)}"))
    heading.append(f"  {neutralise(run.plan_name, True)}", "dim")
    output().print(heading)
    table = Table(box=None, pad_edge=False, show_header=False)
    for phase in run.phases:
        name = phase_state(phase)
        attempts = f"{len(phase.attempts)} attempts" if len(phase.attempts) > 1 else ""
        table.add_row(
            f"  {phase.slot or '-'}",
            neutralise(phase.phase_id, True),
            Text(name, style_of(name)),
            phase.commit[:SHORT],
            attempts,
        )
    output().print(table)
    for phase in run.phases:
        _print_phase_reasons(phase)
    if run.reasons:
        print_reasons(reasons_from_proto(run.reasons))
    spent = usage(run.usage)
    tokens = spent["input_tokens"] + spent["output_tokens"]
    costs = f", {tokens} tokens" if tokens else ""
    costs += f", ${spent['usd']:.2f}" if "usd" in spent else ""
    output().print(Text(f"spent {spent['seconds']:.1f} s of building{costs}", "dim"))
    if url := trace_url(run, os.environ):
        output().print(Text(f"trace {url}", "dim"))
    _print_next(run, server, repo)


def _print_phase_reasons(phase: run_pb2.Phase) -> None:
    found = phase.approval.reasons if phase.HasField("approval") else phase.reasons
    if not found:
        return
    title = f"{phase.phase_id} waits for approval:" if phase.HasField("approval") else f"{phase.phase_id}:"
    output().print(Text(neutralise(title, True), "bold"))
    for reason in reasons_from_proto(found[:MAXIMUM_REASONS]):
        place = ":".join(filter(None, (reason.path, str(reason.line or ""))))
        line = Text(f"  {neutralise(reason.code, True)} ", "red")
        line.append(f"{neutralise(place, True)} " if place else "", "cyan")
        line.append(neutralise(reason.message))
        output().print(line)
        if reason.fix:
            output().print(Text(f"    -> {neutralise(reason.fix)}", "green"))
    if len(found) > MAXIMUM_REASONS:
        output().print(Text(f"  and {len(found) - MAXIMUM_REASONS} more", "dim"))


def _print_next(run: run_pb2.Run, server: str, repo: str) -> None:
    lines: list[str] = []
    for phase in run.phases:
        if phase.HasField("approval"):
            lines.append(command_line("diff", run.run_id, phase.phase_id, server=server))
            lines.append(approve_command(run.run_id, phase, server))
            lines.append(command_line("reject", run.run_id, phase.phase_id, "--why", "TEXT", server=server))
    failed = [phase for phase in run.phases if phase.state == run_pb2.PHASE_STATE_FAILED]
    for phase in failed[:2]:
        if any(attempt.change for attempt in phase.attempts):
            lines.append(command_line("diff", run.run_id, phase.phase_id, server=server))
    if run.state == run_pb2.RUN_STATE_RUNNING and not run.driven:
        lines.append(command_line("resume", run.run_id, server=server))
    ended = run.state not in (run_pb2.RUN_STATE_RUNNING, run_pb2.RUN_STATE_WAITING_APPROVAL)
    if ended and run.head and run.head != run.base:
        lines += pull_request_lines(run, Path(repo) if repo and "://" not in repo else None)
    lines.append(command_line("show", run.run_id, "--json", server=server))
    lines.append(command_line("trace", run.run_id, server=server))
    output().print(Text("next:", "bold"))
    for line in lines:
        output().print(Text(f"  {neutralise(line, True)}"))


def print_attempts(run: run_pb2.Run) -> None:
    """Every attempt with its checks and reasons, on standard output."""
    for phase in run.phases:
        for attempt in phase.attempts:
            state = word(run_pb2.AttemptState, attempt.state, "ATTEMPT_STATE_")
            line = Text(f"{phase.phase_id} attempt {attempt.number} ")
            line.append(state, style_of(state))
            line.append(f" {attempt.change[:SHORT]}", "dim")
            output().print(line)
            for reason in reasons_from_proto(attempt.reasons):
                output().print(Text(f"    {neutralise(reason.code, True)}: {neutralise(reason.message)}"))
        for check in phase.verdict.checks:
            name = word(verdict_pb2.CheckOutcome, check.outcome, "CHECK_OUTCOME_")
            counts = f"{check.tests.passed} passed, {check.tests.failed + check.tests.errors} failed"
            output().print(Text(f"    check {check.name} {name} in {check.seconds:.1f} s ({counts})"))


def print_diff(diff: str) -> None:
    """A unified diff, in colours on a terminal, harmless anywhere."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in neutralise(diff).removesuffix("\n").split("\n"):
        output().print(Text(line, styles.get(line[:1], "")), soft_wrap=True)
