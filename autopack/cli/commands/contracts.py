"""`contracts check`: what a repository's CI runs to hold the contracts."""

from pathlib import Path


def check(repo: Path, staged: bool, update: bool, since: str, as_json: bool) -> int:
    """The same as `python -m autopack.ledger`, which needs nothing but git and Python."""
    from autopack.ledger.__main__ import run

    return run(repo, staged, update, since, as_json)
