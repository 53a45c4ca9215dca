"""`autopack serve`: one service by itself, or all of them, until SIGTERM."""

import asyncio
import importlib

from autopack.cli import outcome
from autopack.errors import InvalidInput, Reason
from autopack.host.places import SERVICES


def serve(service: str) -> int:
    """Serves with settings from the environment."""
    if service == "all":
        from autopack.host.__main__ import main

        return main(resident=True)
    if service not in SERVICES:
        raise InvalidInput(
            Reason("USAGE", f"there is no service {service!r}", f"serve one of {', '.join(SERVICES)}, or all")
        )
    module = importlib.import_module(f"{service}_svc.__main__")
    asyncio.run(module.main())
    return outcome.DONE
