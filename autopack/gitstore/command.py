"""Runs the git binary: no configuration but the store's own, no hooks, no prompts, bounded time."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from autopack.errors import Reason, Unavailable

_OPTIONS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.excludesFile=/dev/null",
    "-c", "protocol.ext.allow=never",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "submodule.recurse=false",
)  # fmt: skip

_ENVIRONMENT = {
    "PATH": os.defpath,
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
}


class GitFailed(Exception):
    """git ended with another status than 0; `message` is the end of what it said, for people."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def run_git(
    arguments: Sequence[str],
    *,
    git_dir: Path,
    stdin: bytes | IO[bytes] = b"",
    environment: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    statuses: Sequence[int] = (0,),
) -> bytes:
    """Runs `git ARGUMENTS` on a git directory and returns what it printed.

    Callers put revisions and paths after `--end-of-options` or give them on `stdin`. `timeout` is
    in seconds. Raises GitFailed, or Unavailable (`GIT_MISSING`, `GIT_TIMEOUT`).
    """
    try:
        done = subprocess.run(
            ["git", *_OPTIONS, *arguments],
            env={**_ENVIRONMENT, "GIT_DIR": str(git_dir), **(environment or {})},
            cwd=git_dir,
            capture_output=True,
            timeout=timeout,
            check=False,
            input=stdin if isinstance(stdin, bytes) else None,
            stdin=None if isinstance(stdin, bytes) else stdin,
        )
    except FileNotFoundError:
        raise Unavailable(
            Reason("GIT_MISSING", "the git command was not found", "install git 2.38 or newer")
        ) from None
    except subprocess.TimeoutExpired:
        raise Unavailable(
            Reason("GIT_TIMEOUT", f"git {arguments[0]} took longer than {timeout:g} s", "try again")
        ) from None
    if done.returncode not in statuses:
        message = done.stderr[-2000:].decode(errors="replace").strip()
        raise GitFailed(done.returncode, message or f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout
