"""The repository that a command is about: a directory for the all-in-one, a remote for a server."""

import re
import subprocess
from pathlib import Path

from autopack.api.orchestrator.v1 import run_pb2
from autopack.errors import InvalidInput, NotFound, Reason

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.+|[^/\s:]+@[^/\s:]+:.+")
GIT_SECONDS = 30.0


def repository_of(given: str, all_in_one: bool) -> run_pb2.Repository:
    """The message that names it. Raises NotFound and InvalidInput."""
    if _URL.fullmatch(given):
        return run_pb2.Repository(url=given)
    root = root_of(Path(given))
    if all_in_one:
        return run_pb2.Repository(path=str(root))
    url = remote_url(root)
    if not url:
        raise InvalidInput(
            Reason(
                "REMOTE_NOT_FOUND",
                f"{root} has no remote `origin`, and a server reads repositories from remotes",
                "git remote add origin URL, or give --repo URL",
            )
        )
    return run_pb2.Repository(url=url)


def root_of(directory: Path) -> Path:
    """The repository that a directory is in, whoever owns it; a bare one is its own root."""
    path = directory.expanduser().absolute()
    if not path.is_dir():
        raise NotFound(Reason("REPOSITORY_NOT_FOUND", f"{path} is no directory", "give --repo DIR"))
    for place in (path, *path.parents):
        if (place / ".git").exists() or ((place / "HEAD").is_file() and (place / "objects").is_dir()):
            return place
    raise InvalidInput(
        Reason("NOT_A_REPOSITORY", f"{path} is not in a git repository", f"git -C {path} init, then commit")
    )


def git_directory(root: Path) -> Path:
    """Where git keeps what it knows of a repository."""
    place = root / ".git"
    if place.is_file():  # a work tree beside others, or a submodule
        return root / place.read_text().removeprefix("gitdir:").strip()
    return place if place.is_dir() else root


def remote_url(root: Path) -> str:
    """Where `origin` is; empty where there is none."""
    return git(root, "remote", "get-url", "origin")


def git(directory: Path, *arguments: str) -> str:
    """One line that git answers about a repository; empty where it has no answer."""
    command = ["git", "-C", str(directory), *arguments]
    try:
        result = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False)
    except FileNotFoundError:
        raise InvalidInput(
            Reason("GIT_NOT_FOUND", "git is not installed", "sudo apt-get install git")
        ) from None
    return result.stdout.decode(errors="surrogateescape").strip() if result.returncode == 0 else ""
