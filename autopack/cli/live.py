"""A run as it goes: a table that changes on a terminal, a line for each event elsewhere."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.table import Table
from rich.text import Text

from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.documents import phase_state
from autopack.cli.terminal import neutralise, progress

MAXIMUM_ROWS = 30
REFRESH_PER_SECOND = 4
STYLES = {
    "LANDED": "green",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "REFUSED": "red",
    "SKIPPED": "yellow",
    "CANCELLED": "yellow",
    "WAITING_APPROVAL": "magenta",
    "QUEUED": "dim",
}
AT_WORK = "cyan"
_RESTING = frozenset(("QUEUED", "LANDED", "FAILED", "SKIPPED", "CANCELLED"))


class RunView:
    """Shows a run's events on standard error."""

    def __init__(self, run: run_pb2.Run, since: float) -> None:
        """Events before `since` (Unix seconds) only bring the table up to date."""
        self._since = since
        self._phases = {phase.phase_id: _Row(phase_state(phase)) for phase in run.phases}
        self._live: Live | None = None
        if progress().is_terminal:
            # Drawn anew at each refresh, so that the seconds go on between events.
            self._live = Live(
                get_renderable=self._table,
                console=progress(),
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: run_pb2.Event) -> None:
        """Takes one event in."""
        state = event.state.split("_STATE_", 1)[-1]
        if event.phase_id and event.state.startswith("PHASE_"):
            self._phases.setdefault(event.phase_id, _Row(state)).enter(state, event)
        if self._live is None and event.create_time.ToSeconds() + 1 > self._since:
            progress().print(_line(event, state))

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        shown = list(self._phases.items())
        if len(shown) > MAXIMUM_ROWS:
            busy = [(name, row) for name, row in shown if row.state not in _RESTING]
            table.add_row(self._counts(row.state for _, row in shown))
            shown = busy[:MAXIMUM_ROWS]
        for name, row in shown:
            attempt = f"#{row.attempt}" if row.attempt > 1 else ""
            note = Text(neutralise(row.note, True), "dim", no_wrap=True, overflow="ellipsis")
            table.add_row(
                neutralise(name, True), Text(row.state, style_of(row.state)), attempt, row.age(), note
            )
        return table

    @staticmethod
    def _counts(states: Iterable[str]) -> Text:
        counts: dict[str, int] = {}
        for state in states:
            counts[state] = counts.get(state, 0) + 1
        return Text("  ".join(f"{count} {state}" for state, count in sorted(counts.items())))


class _Row:
    def __init__(self, state: str) -> None:
        self.state = state
        self.attempt = 0
        self.note = ""
        self._entered = time.monotonic()

    def enter(self, state: str, event: run_pb2.Event) -> None:
        self.attempt = event.attempt or self.attempt
        self.note = event.reasons[0].message if event.reasons else ""
        if state != self.state:
            self.state = state
            self._entered = time.monotonic()

    def age(self) -> str:
        return "" if self.state in _RESTING else f"{time.monotonic() - self._entered:.0f} s"


def style_of(state: str) -> str:
    """The colour of a state's name."""
    return STYLES.get(state, AT_WORK)


def _line(event: run_pb2.Event, state: str) -> Text:
    subject = event.phase_id or "run"
    line = Text(f"{neutralise(subject, True)} ")
    line.append(neutralise(state, True), style_of(state))
    if event.attempt > 1:
        line.append(f" attempt {event.attempt}")
    for reason in event.reasons[:3]:
        line.append(f"\n    {neutralise(reason.code, True)}: {neutralise(reason.message, True)}", "dim")
    return line
