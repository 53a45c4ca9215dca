"""A trace on a terminal: each span below the one that caused it, with a bar on a common time axis."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import OverflowMethod
from rich.text import Text

from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.terminal import neutralise, output
from autopack.telemetry import names

BAR_WIDTH = 24
MAXIMUM_DEPTH = 40
_TOLD = (names.PHASE_ID, names.CHECK_NAME, names.ANALYZER, names.BUILDER_KIND, names.VERDICT, names.REASON)
"""Attributes worth a word beside the name."""


def print_waterfall(spans: Sequence[run_pb2.Span], calls: bool) -> None:
    """Spans on standard output; those of calls between services only if asked for."""
    if not spans:
        output().print("no spans were kept of this run")
        return
    shown = spans if calls else without_calls(spans)
    begin = min(span.start_time_unix_nano for span in spans)
    end = max(span.end_time_unix_nano for span in spans)
    # On a terminal a span has one line of it; what a program reads is whole.
    overflow: OverflowMethod = "ellipsis" if output().is_terminal else "ignore"
    for depth, span in in_tree_order(shown):
        milliseconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
        line = Text(f"{bar(span, begin, end)} {milliseconds:9.1f} ms ", no_wrap=True, overflow=overflow)
        line.append(f"{neutralise(span.service, True):17}", "dim")
        line.append(
            "  " * min(depth, MAXIMUM_DEPTH) + short_name(span.name), "red" if span.status == "ERROR" else ""
        )
        words = told(span)
        line.append(f" {words}" if words else "", "dim")
        output().print(line)
    hidden = (
        f" ({len(spans) - len(shown)} of calls between services: --calls)" if len(shown) < len(spans) else ""
    )
    seconds = (end - begin) / 1e9
    output().print(Text(f"{len(spans)} spans{hidden}, {seconds:.2f} s, trace {spans[0].trace_id}", "dim"))


def without_calls(spans: Sequence[run_pb2.Span]) -> list[run_pb2.Span]:
    """The spans but those of calls; what a call led to is below what made the call."""
    calls = {span.span_id: span.parent_span_id for span in spans if "/" in span.name}
    kept = []
    for span in spans:
        if span.span_id in calls:
            continue
        copy = run_pb2.Span()
        copy.CopyFrom(span)
        for _ in range(MAXIMUM_DEPTH):
            copy.parent_span_id = calls.get(copy.parent_span_id, copy.parent_span_id)
        kept.append(copy)
    return kept


def in_tree_order(spans: Sequence[run_pb2.Span]) -> Iterable[tuple[int, run_pb2.Span]]:
    """Depth and span, children after their parent by start; a span whose parent is not kept is a root."""
    known = {span.span_id for span in spans}
    children: dict[str, list[run_pb2.Span]] = {}
    for span in sorted(spans, key=lambda span: (span.start_time_unix_nano, span.span_id)):
        parent = span.parent_span_id if span.parent_span_id in known else ""
        children.setdefault(parent, []).append(span)
    stack = [(0, span) for span in reversed(children.get("", []))]
    while stack:
        depth, span = stack.pop()
        yield depth, span
        stack += [(depth + 1, child) for child in reversed(children.get(span.span_id, []))]


def bar(span: run_pb2.Span, begin: int, end: int) -> str:
    """The span's place in the whole."""
    whole = max(end - begin, 1)
    start = min((span.start_time_unix_nano - begin) * BAR_WIDTH // whole, BAR_WIDTH - 1)
    length = (span.end_time_unix_nano - span.start_time_unix_nano) * BAR_WIDTH // whole
    length = max(1, min(length, BAR_WIDTH - start))
    return " " * start + "█" * length + " " * (BAR_WIDTH - start - length)


def span_document(span: run_pb2.Span) -> dict[str, Any]:
    """A span as JSON."""
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "service": span.service,
        "kind": span.kind,
        "status": span.status,
        "start_time_unix_nano": span.start_time_unix_nano,
        "end_time_unix_nano": span.end_time_unix_nano,
        "attributes": {key: value_of(text) for key, text in sorted(span.attributes.items())},
    }


def value_of(text: str) -> Any:
    """An attribute's value; text that is no JSON is itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def told(span: run_pb2.Span) -> str:
    """What of its attributes is worth a word beside the name."""
    return neutralise(" ".join(filter(None, (_attribute(span, key) for key in _TOLD))), True)


def _attribute(span: run_pb2.Span, key: str) -> str:
    return str(value_of(span.attributes[key])) if key in span.attributes else ""


def short_name(name: str) -> str:
    """Without the package, which says nothing where RPC spans are named package.Service/Method."""
    service, slash, method = name.rpartition("/")
    return neutralise(f"{service.rpartition('.')[2]}{slash}{method}", True)
