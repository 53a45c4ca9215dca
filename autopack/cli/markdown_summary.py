"""A verdict as Markdown, for the summary of a CI job: names in it are text and nothing else."""

import html
import re
from collections.abc import Iterator
from pathlib import Path

from autopack.api.gate.v1 import verdict_pb2
from autopack.cli.documents import decision, word
from autopack.cli.terminal import neutralise
from autopack.rpc.errors import reasons_from_proto

_TITLES = {"ACCEPT": "accepted", "REJECT": "refused", "NEEDS_APPROVAL": "needs a person's approval"}
_LIMIT_BYTES = 900_000
"""A step's summary may have a mebibyte."""
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~@:$])")


def append_summary(file: Path, verdict: verdict_pb2.Verdict) -> None:
    """Writes the verdict at the end of a file."""
    text = "\n".join(_lines(verdict)).encode()[:_LIMIT_BYTES].decode(errors="ignore")
    with file.open("a", encoding="utf-8") as summary:
        summary.write(f"{text}\n")


def _lines(verdict: verdict_pb2.Verdict) -> Iterator[str]:
    yield f"### Autopack: {_TITLES[decision(verdict)]}\n"
    if verdict.reasons:
        yield f"| Reason | Where | What was found | What to do |\n{'| --- ' * 4}|"
        for reason in reasons_from_proto(verdict.reasons):
            place = f"{reason.path}:{reason.line}" if reason.line else reason.path
            yield _row(reason.code, place, reason.message, reason.fix)
        yield ""
    if verdict.checks:
        columns = "Check | Outcome | Passed | Blind | Compared | Self-reported | Failed | Skipped | Seconds"
        yield f"| {columns} |\n{'| --- ' * 9}|"
        for check in verdict.checks:
            tests = check.tests
            how = word(verdict_pb2.CheckOutcome, check.outcome, "CHECK_OUTCOME_")
            seconds = f"{check.seconds:.1f}{' (cached)' if check.cached else ''}"
            proofs = (tests.blind, tests.compared, tests.self_reported)
            counts = (tests.passed, *proofs, tests.failed + tests.errors, tests.skipped)
            yield _row(check.name, how, *map(str, counts), seconds)
        yield ""
    yield f"Risk {verdict.risk.score} of 100 ({escaped(verdict.risk.level)})"
    for factor in verdict.risk.factors:
        yield f"- {factor.points} for {escaped(factor.name)}: {escaped(factor.detail)}"
    yield f"\nCategories: {escaped(', '.join(verdict.categories))}\n"
    yield f"Change digest: `{verdict.change_digest}`\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(escaped, cells))} |"


def escaped(text: str) -> str:
    """Untrusted text that Markdown and HTML show as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", html.escape(neutralise(text, one_line=True), quote=False))
