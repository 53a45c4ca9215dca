"""Carries the deadline of the call being served to the calls that it makes.

gRPC for Python does not do this: without it a caller's deadline ends at the first service.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MARGIN_SECONDS = 0.05
"""Left to the caller of a nested call, so that it can still answer by itself."""

_deadline: ContextVar[float | None] = ContextVar("autopack_rpc_deadline", default=None)


@contextmanager
def deadline_after(seconds: float | None) -> Iterator[None]:
    """Within it, outgoing calls end in so many seconds at the latest; None lifts the limit.

    Work that outlives the call that started it runs under `deadline_after(None)`.
    """
    token = _deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining_seconds() -> float | None:
    """What is left for a nested call, never below zero; None where there is no deadline."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic() - MARGIN_SECONDS)
