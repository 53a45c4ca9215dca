"""Circuit breakers: what stays away is asked by one at a time, and ever more rarely."""

import random
import threading
import time
from collections.abc import Callable

FAILURES = 5
"""In a row, before it is left alone for a while."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class CircuitBreaker:
    """Of one remote or provider; used from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._pause = FIRST_PAUSE_SECONDS
        self._closed_until = 0.0

    def wait_seconds(self) -> float:
        """How long it is to be left alone; 0: ask now, and then tell how it went.

        While it is away, of all who come after the pause one is let through.
        """
        with self._lock:
            if self._failures < FAILURES:
                return 0.0
            now = self._clock()
            if now < self._closed_until:
                return self._closed_until - now
            self._closed_until = now + self._pause
            return 0.0

    def told(self, *, away: bool) -> None:
        """How asking went: whether it did not answer, or said that it cannot at present."""
        with self._lock:
            if not away:
                self._failures, self._pause = 0, FIRST_PAUSE_SECONDS
                return
            self._failures += 1
            if self._failures >= FAILURES:
                # Not for secrecy: the jitter keeps many processes from coming back in step.
                self._closed_until = self._clock() + self._pause * random.uniform(0.5, 1.0)
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)


class CircuitBreakers:
    """One for each name of a remote or provider."""

    def __init__(self) -> None:
        self._breakers: dict[str, CircuitBreaker] = {}

    def of(self, name: str) -> CircuitBreaker:
        """Always the same for a name."""
        return self._breakers.setdefault(name, CircuitBreaker())
