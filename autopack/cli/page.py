"""A run as one HTML page that needs nothing beside it: no script, no font, no request to anybody."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.waterfall import in_tree_order, short_name, told, without_calls
from autopack.text import head, neutralise

DIFF_CHARACTERS = 200_000
"""Of one phase's change; `autopack diff` shows all of it."""
SPANS = 2000
_LINES = {"+": "added", "-": "removed", "@": "place"}


def page(document: Mapping[str, Any], diffs: Mapping[str, str], spans: Sequence[run_pb2.Span]) -> str:
    """The page. `document` is a run's, as `show --json` prints it; `diffs` are by phase id.

    Every text in it may be a stranger's: it is escaped, and what cannot be seen is spelled out.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: neutralise(value) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        run=document,
        diffs={phase_id: _lines(diff) for phase_id, diff in diffs.items()},
        spans=list(_rows(spans)),
    )


def _lines(diff: str) -> list[tuple[str, str]]:
    """Each line with its class."""
    lines = head(diff, DIFF_CHARACTERS).splitlines()
    return [("" if line.startswith(("+++", "---")) else _LINES.get(line[:1], ""), line) for line in lines]


def _rows(spans: Sequence[run_pb2.Span]) -> list[dict[str, Any]]:
    """Spans in the order of a waterfall; where each lies in the whole, in percent."""
    if not spans:
        return []
    begin = min(span.start_time_unix_nano for span in spans)
    whole = max(1, max(span.end_time_unix_nano for span in spans) - begin)
    return [
        {
            "name": "\u00a0\u00a0" * depth + short_name(span.name),
            "service": span.service,
            "told": told(span),
            "failed": span.status == "ERROR",
            "milliseconds": (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6,
            "left": round(100 * (span.start_time_unix_nano - begin) / whole, 2),
            "width": round(100 * (span.end_time_unix_nano - span.start_time_unix_nano) / whole, 2),
        }
        for depth, span in list(in_tree_order(without_calls(spans)))[:SPANS]
    ]
