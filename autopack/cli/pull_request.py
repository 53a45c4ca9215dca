"""The commands that look at a run's commits, push them and open a pull request."""

import re
import shlex
from pathlib import Path
from urllib.parse import quote

from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.repository import git, remote_url

_REMOTE = re.compile(r"(?:https?://(?:[^/@]*@)?|ssh://git@|git@)([^/:]+)(?::\d+)?[/:](.+?)(?:\.git)?/?")


def pull_request_lines(run: run_pb2.Run, directory: Path | None) -> list[str]:
    """Shell lines for the repository at `directory`; None: the current one."""
    branch = f"autopack/{run.run_id}"
    elsewhere = directory is not None and directory != Path()
    at = ["git", "-C", str(directory)] if elsewhere else ["git"]
    remote = remote_url(directory or Path())
    if moved := _branches_at(directory or Path(), run.head):
        # `land: fast-forward`: the commits are where they were to go.
        lines = [shlex.join([*at, "log", "--oneline", f"{run.base[:10]}..{moved[0]}"])]
        return lines + ([shlex.join([*at, "push", "origin", moved[0]])] if remote else [])
    lines = [shlex.join([*at, "log", "--oneline", f"{run.base[:10]}..{branch}"])]
    if not remote:
        lines.append(shlex.join([*at, "remote", "add", "origin", "URL"]))
    lines.append(shlex.join([*at, "push", "origin", branch]))
    return [*lines, pull_request_line(branch, remote)]


def _branches_at(directory: Path, commit: str) -> list[str]:
    """Branches, other than runs' own, that stand at the commit."""
    names = git(directory, "for-each-ref", f"--points-at={commit}", "--format=%(refname:short)", "refs/heads")
    return [name for name in names.split() if not name.startswith("autopack/")]


def pull_request_line(branch: str, remote: str) -> str:
    """How to open a pull request for a pushed branch: the host's page where it is known, else its tool."""
    found = _REMOTE.fullmatch(remote)
    if found and found[1] == "github.com":
        return f"open https://github.com/{found[2]}/compare/{quote(branch)}?expand=1"
    if found and "gitlab" in found[1]:
        query = f"merge_request%5Bsource_branch%5D={quote(branch, safe='')}"
        return f"open https://{found[1]}/{found[2]}/-/merge_requests/new?{query}"
    return shlex.join(["gh", "pr", "create", "--head", branch, "--fill"])
