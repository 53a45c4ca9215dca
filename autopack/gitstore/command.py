"""Runs the git binary: no configuration but the store's own, no hooks, no prompts, bounded time."""

import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from autopack.errors import Reason, Unavailable

_OPTIONS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.excludesFile=/dev/null",
    "-c", "core.commitGraph=false",
    "-c", "protocol.ext.allow=never",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "submodule.recurse=false",
)  # fmt: skip

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
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
            env=_environment(git_dir, environment),
            cwd=_directory(git_dir),
            capture_output=True,
            timeout=timeout,
            check=False,
            input=stdin if isinstance(stdin, bytes) else None,
            stdin=None if isinstance(stdin, bytes) else stdin,
        )
    except FileNotFoundError:
        raise _missing() from None
    except subprocess.TimeoutExpired:
        raise Unavailable(
            Reason("GIT_TIMEOUT", f"git {arguments[0]} took longer than {timeout:g} s", "try again")
        ) from None
    if done.returncode not in statuses:
        raise _failed(arguments, done.returncode, done.stderr)
    return done.stdout


def stream_git(
    arguments: Sequence[str],
    *,
    git_dir: Path,
    stdin: bytes,
    environment: Mapping[str, str] | None = None,
    timeout: float = 600.0,
) -> Iterator[bytes]:
    """Yields what git prints while it runs; git is killed after `timeout` seconds or when nobody reads on.

    Raises GitFailed at the end, or Unavailable `GIT_MISSING`.
    """
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as errors:
        source.write(stdin)
        source.seek(0)
        try:
            process = subprocess.Popen(
                ["git", *_OPTIONS, *arguments],
                env=_environment(git_dir, environment),
                cwd=_directory(git_dir),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        except FileNotFoundError:
            raise _missing() from None
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        with process:
            try:
                assert process.stdout is not None  # it is a pipe
                while chunk := process.stdout.read(256 * 1024):
                    yield chunk
            except BaseException:
                process.kill()
                raise
            finally:
                timer.cancel()
        if process.returncode:
            errors.seek(0)
            raise _failed(arguments, process.returncode, errors.read(10_000))


def _directory(git_dir: Path) -> Path:
    """Where git runs: /dev/null stands for no repository at all."""
    return git_dir if git_dir.is_dir() else Path("/")


def _environment(git_dir: Path, more: Mapping[str, str] | None) -> dict[str, str]:
    return {**_ENVIRONMENT, "GIT_DIR": str(git_dir), **(more or {})}


def _missing() -> Unavailable:
    return Unavailable(Reason("GIT_MISSING", "the git command was not found", "install git 2.38 or newer"))


def _failed(arguments: Sequence[str], status: int, errors: bytes) -> GitFailed:
    message = errors[-2000:].decode(errors="replace").strip()
    return GitFailed(status, message or f"git {arguments[0]} ended with {status}")
