"""The builder `repair`: starts the search in the sandbox; takes from it text for files in scope only."""

import asyncio
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from autopack.errors import FailedPrecondition, Reason
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.write_path import Edit
from autopack.policy.narrowing import merge_checks
from autopack.policy.paths import matches
from autopack.sandbox.port import Command, Limits, Result, Sandbox
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from autopack.text import head, neutralise, tail
from builder_svc.builders.readable_file import readable_file
from builder_svc.builders.repair.search.specification import Check, Specification
from builder_svc.domain.builder import Work
from builder_svc.domain.building import timed_out

SEARCH = Path(__file__).parent / "search"
FINDINGS = "findings.json"
MAXIMUM_FINDINGS_BYTES = 10_000_000
MAXIMUM_FILES = 200
MAXIMUM_FILE_BYTES = 200_000
SHARE = 0.8
"""Of the allowance for the search itself; the rest is for starting and for the checks at its end."""
MAXIMUM_WORKERS = 8
SHOWN_CHARACTERS = 2_000
_REFUSALS = (
    Reason("REPAIR_NOT_FOUND", "", "widen scope.paths, raise budget.seconds, or use another builder"),
    Reason("REPAIR_NOTHING_FAILS", "", "add a check with a test that fails as long as the fault is there"),
    Reason(
        "REPAIR_NO_SOURCE",
        "",
        "name Python files in scope.paths; a file with a syntax error needs another builder",
    ),
)
"""How a search ends without a change, and what to do then; the message is the search's own."""


class RepairBuilder:
    """Searches for a change in scope that the checks accept; no model, no network."""

    kind = "repair"

    def __init__(self, sandbox: Callable[[str], Awaitable[Sandbox]], checkouts: Checkouts) -> None:
        """`sandbox` gives one of at least the tier that a policy names."""
        self._sandbox = sandbox
        self._checkouts = checkouts

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises FailedPrecondition: REPAIR_NOT_FOUND, REPAIR_NOTHING_FAILS, REPAIR_NO_SOURCE,
        REPAIR_NO_CHECKS, REPAIR_FAILED, BUILD_TIMED_OUT."""
        specification = await asyncio.to_thread(_specification, work)
        sandbox = await self._sandbox(work.policy.sandbox.tier)
        checkout = await asyncio.to_thread(self._checkouts.get, work.store, work.task.base)
        given = readable_file("specification.json", specification.dump())
        async with given as path, sandbox.open(checkout) as workspace:
            limits = Limits(
                seconds=work.task.allowance.seconds,
                memory_mb=work.policy.sandbox.memory_mb,
                processes=work.policy.sandbox.processes,
            )
            with span(names.SANDBOX_SPAN, {names.SANDBOX_TIER: sandbox.tier}) as current:
                result = await workspace.run(_command(path), limits)
                if result.exit_code is not None:
                    current.set_attribute(names.EXIT_CODE, result.exit_code)
            report = await workspace.read_report(FINDINGS, MAXIMUM_FINDINGS_BYTES)
        findings = _parsed(report)
        work.record.exchange.append({"search": json.loads(specification.dump()), "findings": findings})
        return _edits(findings, specification, result, work.task.allowance.seconds)


def _specification(work: Work) -> Specification:
    """The phase's own checks say what to mend; where it has none, the policy's do."""
    phase, policy, store, base = work.task.phase, work.policy, work.store, work.task.base
    checks = merge_checks(policy, phase.checks)
    if not checks:
        fix = "add a check to the phase or to the policy: it is what tells a repair from any other change"
        raise FailedPrecondition(Reason("REPAIR_NO_CHECKS", "no check says what fails", fix))
    own = {check.run for check in phase.checks} or {check.run for check in checks}
    files = [
        entry.path
        for entry in store.entries(base)
        if entry.mode in (REGULAR, EXECUTABLE)
        and entry.path.endswith(".py")
        and work.rules.refuse(entry.path) is None
        and not matches(policy.judge.paths, entry.path)
        and store.size(entry.oid) <= MAXIMUM_FILE_BYTES
    ]
    digest = hashlib.sha256(f"{store.commit_tree(base)} {phase.id}".encode()).digest()
    return Specification(
        checks=tuple(Check(check.run, check.reports, check.timeout, check.run in own) for check in checks),
        files=tuple(files[:MAXIMUM_FILES]),
        seconds=SHARE * work.task.allowance.seconds,
        seed=int.from_bytes(digest[:4], "big"),
        workers=min(MAXIMUM_WORKERS, os.cpu_count() or 1),
        skip=work.task.attempt - 1,
    )


def _command(specification: Path) -> Command:
    start = shlex.join([sys.executable, "-P", str(SEARCH / "start.py"), str(specification)])
    # At their own paths: a tier without mounts can show them nowhere else.
    shown = {str(specification): specification, str(SEARCH): SEARCH}
    return Command(f'exec {start} "$AUTOPACK_REPORTS/{FINDINGS}"', read_only=MappingProxyType(shown))


def _parsed(report: bytes | None) -> dict[str, Any]:
    """The project's code ran beside the search and may have written it: anything may be in it, or nothing."""
    try:
        found = json.loads(report or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _edits(
    findings: dict[str, Any], specification: Specification, result: Result, seconds: int
) -> Sequence[Edit]:
    code, sources = findings.get("code"), findings.get("sources")
    if result.limit == "time":
        raise FailedPrecondition(timed_out(seconds))
    for refusal in _REFUSALS:
        if code == refusal.code:
            message = head(neutralise(str(findings.get("message"))), SHOWN_CHARACTERS)
            raise FailedPrecondition(replace(refusal, message=message))
    usable = (
        result.exit_code == 0
        and code == ""
        and isinstance(sources, dict)
        and sources
        and all(path in specification.files and isinstance(text, str) for path, text in sources.items())
    )
    if not usable or not isinstance(sources, dict):
        output = tail(neutralise(result.output), SHOWN_CHARACTERS).strip()
        message = f"the search ended without a result (exit status {result.exit_code}): {output}"
        fix = "raise the policy's sandbox limits; if it stays, report it as a fault of Autopack"
        raise FailedPrecondition(Reason("REPAIR_FAILED", message, fix))
    return [Edit(path, text.encode()) for path, text in sorted(sources.items())]
