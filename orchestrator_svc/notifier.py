"""Tells whoever waits in this process that a run's rows have changed."""

import asyncio
from collections import defaultdict


class Notifier:
    """Wakes watchers and drivers of a run; others read the rows every half second anyway."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)

    def changed(self, run_id: str) -> None:
        """Wakes everyone who waits for this run."""
        for event in self._waiting.get(run_id, ()):
            event.set()

    def listen(self, run_id: str) -> asyncio.Event:
        """An event that is set at every change, until `forget`."""
        event = asyncio.Event()
        self._waiting[run_id].add(event)
        return event

    def forget(self, run_id: str, event: asyncio.Event) -> None:
        """Ends a `listen`."""
        self._waiting[run_id].discard(event)
        if not self._waiting[run_id]:
            del self._waiting[run_id]
