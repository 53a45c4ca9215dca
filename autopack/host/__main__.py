"""`python -m autopack.host`: the all-in-one's process, until its last client has left or SIGTERM."""

import asyncio
import faulthandler
import fcntl
import logging
import os
import socket
import sys
import time
from pathlib import Path

from autopack.errors import FailedPrecondition, Reason
from autopack.host.leases import Leases, listen
from autopack.host.places import LEASE_SOCKET, SERVICES, Places, places_of

LOCK_SECONDS = 40.0
"""For an earlier host to drain; longer than it may take."""
RETRY_SECONDS = 0.02
EXIT_SECONDS = 5.0
"""For threads to end after a failure, when everything has been closed."""


def main(start: frozenset[str] = frozenset(SERVICES), resident: bool = False) -> int:
    """Hosts the services; those of `start` are begun with before any client says a word.

    `resident` is `autopack serve all`, which stays without clients.
    """
    places = places_of(os.environ)
    places.prepare()
    lock = _lock(places)
    if lock is None:
        if not resident:
            return 0
        raise FailedPrecondition(
            Reason("HOST_RUNNING", f"an all-in-one runs on {places.home} already", "use it, or stop it first")
        )
    # AUTOPACK_HOME, which is 0700, keeps others out; the sandbox's own user must read what it is given.
    os.umask(0o022)
    os.chdir(places.home)
    sockets = places.choose_sockets(os.environ)
    # Clients can hold the host from here on; what takes long to import comes after.
    asyncio.run(_host(places, sockets, listen(sockets / LEASE_SOCKET), start, resident))
    return 0


def _lock(places: Places) -> int | None:
    """The lock that makes this the one host; None where another one serves already."""
    lock = os.open(places.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if (places.sockets() / LEASE_SOCKET).exists():
                break
            time.sleep(RETRY_SECONDS)  # it drains: ours is the next
    os.close(lock)
    return None


async def _host(
    places: Places, sockets: Path, listener: socket.socket, start: frozenset[str], resident: bool
) -> None:
    from autopack.host.hosting import Hosting, start_service
    from autopack.rpc.lifetime import wait_for_signal
    from autopack.telemetry.setup import configure

    telemetry = configure("autopack", places.spans, os.environ)
    addresses = {service: f"unix:{sockets / service}.sock" for service in SERVICES}
    leases = Leases(lambda services: hosting.want(services), resident)
    hosting = Hosting(
        lambda service: start_service(service, places, addresses, dict(os.environ), resident), leases.tell
    )
    await leases.open(listener)
    hosting.want(start)
    ends = [asyncio.create_task(wait_for_signal())]
    if not resident:
        ends.append(asyncio.create_task(leases.wait_until_abandoned()))
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leases.close()
        for end in ends:
            end.cancel()
        await hosting.close()
        await asyncio.to_thread(telemetry.close)
        places.remove_sockets(sockets)
        # What fails here is told by the interpreter's own end, which a waiting thread must not keep.
        faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True)
    # All is closed and flushed: neither threads that wait for something nor an interpreter that takes
    # its time on a busy machine keep the last client and the lock any longer.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(frozenset(sys.argv[1:])))
