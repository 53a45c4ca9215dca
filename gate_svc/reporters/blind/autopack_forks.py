"""Does something in a copy of this process, as warm as it is, that leaves the process itself as it was."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import time
import warnings
from typing import Any

_PAUSE_SECONDS = 0.002


def silence(writer: Any) -> None:
    """Lets pytest's terminal writer, which has a descriptor of its own, write nowhere in a fork."""
    with contextlib.suppress(AttributeError):
        writer._file = io.StringIO()


def in_fork(work: Any, seconds: float) -> int | None:
    """The exit status of a child that does `work` and leaves; None where it was ended by us or by a signal.

    What it prints goes nowhere.
    """
    if not hasattr(os, "fork"):
        return None
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads: the child has a time limit
        try:
            child = os.fork()
        except OSError:  # as where no more processes are allowed
            return None
    if child == 0:
        status = 3
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            status = int(work() or 0)
        finally:
            os._exit(status)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(_PAUSE_SECONDS)
