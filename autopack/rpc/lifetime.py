"""The life of a service's process: serve, stop on a signal, drain, close, and never hang."""

import asyncio
import faulthandler
import inspect
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from autopack.rpc.server import Server

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 20.0
"""Time for all closers, after the drain; then the stacks are dumped and the process ends."""

Closer = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class RunningService:
    """A started service, as the all-in-one host holds it."""

    server: Server
    close: Callable[[], Awaitable[None]]
    """Stops the server and closes all that it stands on."""


async def wait_for_signal() -> None:
    """Returns at SIGTERM or SIGINT; a second signal then ends the process in the usual way."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def serve(server: Server, *closers: Closer) -> None:
    """Serves until SIGTERM or SIGINT, then drains and calls the closers in order.

    A closer that fails is logged and the next one is called; the first failure is raised
    at the end. A synchronous closer is called in a thread.
    """
    try:
        await server.start()
        await wait_for_signal()
    finally:
        await close_all(server.stop, *closers, seconds=server.drain_seconds + CLOSE_SECONDS)


async def close_all(*closers: Closer, seconds: float = CLOSE_SECONDS) -> None:
    """Calls every closer; if that hangs, an alarm dumps all stacks and ends the process."""
    failures: list[Exception] = []
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        for closer in closers:
            try:
                if inspect.iscoroutinefunction(closer):
                    await closer()
                else:
                    await asyncio.to_thread(closer)
            except Exception as error:
                logger.exception("closing failed")
                failures.append(error)
    finally:
        faulthandler.cancel_dump_traceback_later()
    if failures:
        raise failures[0]
