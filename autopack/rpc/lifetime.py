"""The life of a service's process: serve, stop on a signal, drain, close, and never hang."""

import asyncio
import faulthandler
import inspect
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from autopack.rpc.server import Server

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 30.0
"""Time for all closers, with a drain among them; then the stacks are dumped and the process ends."""

Closer = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class RunningService:
    """A started service, as the all-in-one host holds it."""

    server: Server
    close: Callable[[], Awaitable[None]]
    """Stops the server and closes all that it stands on."""


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """Within it, SIGTERM and SIGINT set the event; after it they end the process as usual."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def wait_for_signal() -> None:
    """Returns at SIGTERM or SIGINT; a second signal then ends the process as usual."""
    with stop_signal() as stop:
        await stop.wait()


async def serve(server: Server, *closers: Closer) -> None:
    """Serves until SIGTERM or SIGINT, then drains and closes all as `close_all` does."""
    try:
        with stop_signal() as stop:
            await server.start()
            await stop.wait()
    finally:
        await close_all(server.stop, *closers, seconds=server.drain_seconds + CLOSE_SECONDS)


async def close_all(*closers: Closer, seconds: float = CLOSE_SECONDS) -> None:
    """Calls every closer in order; if that hangs, an alarm dumps all stacks and ends the process.

    A closer that fails is logged, the next one is called, and the first failure is raised
    at the end. A synchronous closer is called in a thread.
    """
    failures: list[Exception] = []
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        for closer in closers:
            try:
                if inspect.iscoroutinefunction(closer):
                    await closer()
                elif inspect.isawaitable(pending := await asyncio.to_thread(closer)):
                    await pending
            except Exception as error:
                logger.exception("closing failed")
                failures.append(error)
    finally:
        faulthandler.cancel_dump_traceback_later()
    if failures:
        raise failures[0]
