"""A file of ours that a command in the sandbox may read, there while it runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from autopack.sandbox.state_directory import StateDirectory, choose_parent


@asynccontextmanager
async def readable_file(name: str, text: str) -> AsyncIterator[Path]:
    """Its path on the host, in a directory that goes with it, or with the next sandbox if we die."""
    parent = choose_parent(None, others_must_pass=True)
    directory = await asyncio.to_thread(StateDirectory, parent)
    try:
        yield await asyncio.to_thread(_write, directory.path / name, text)
    finally:
        await asyncio.to_thread(directory.remove)


def _write(path: Path, text: str) -> Path:
    """The sandbox may run as another user: it has to get at the file, not at a list of what is there."""
    path.write_text(text)
    path.chmod(0o644)
    return path
