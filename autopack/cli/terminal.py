"""Text that nobody trusts, made harmless for terminals; and where progress and results are printed."""

import re
import sys
from functools import cache
from typing import TYPE_CHECKING

from autopack.text import neutralise as text_to_show

if TYPE_CHECKING:
    from rich.console import Console

# What the logs of GitHub, Azure Pipelines and TeamCity take for commands: at a line's start, or anywhere.
_CI_COMMAND = re.compile(r"^(?=\s*::)|##(?=\[|vso\[|teamcity\[)", re.MULTILINE)


def neutralise(text: str, one_line: bool = False) -> str:
    """`text` as `autopack.text` makes it fit to show, without what a CI system would take for a command."""
    text = text_to_show(text, one_line)
    return _CI_COMMAND.sub(_broken, text) if "::" in text or "##" in text else text


def _broken(command: re.Match[str]) -> str:
    return "\\x23#" if command.group() else "\\"


@cache
def progress() -> "Console":
    """Standard error, where people watch; no markup: what is printed may be anybody's text."""
    return _console(stderr=True)


@cache
def output() -> "Console":
    """Standard output, for results in words."""
    return _console(stderr=False)


def _console(stderr: bool) -> "Console":
    from rich.console import Console

    # Lines are never wrapped where they may be read by a program.
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=not terminal)
