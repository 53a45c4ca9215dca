"""Text that nobody trusts, made harmless for terminals; and where progress and results are printed."""

import re
import sys
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_KEPT = frozenset("\n\t")
_HARMFUL = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Controls, formats (bidi, zero width, tags), surrogates, private use, line and paragraph separators."""


# What the logs of GitHub, Azure Pipelines and TeamCity take for commands: at a line's start, or anywhere.
_CI_COMMAND = re.compile(r"^(?=\s*::)|##(?=\[|vso\[|teamcity\[)", re.MULTILINE)


def neutralise(text: str, one_line: bool = False) -> str:
    """`text` with every character that could steer a terminal or a CI system, or hide, shown as an escape.

    Line feeds and tabs are kept, unless it is to be one line.
    """
    kept = frozenset() if one_line else _KEPT
    if not text.isprintable():
        text = "".join(_shown(c) if c not in kept and _harmful(c) else c for c in text)
    return _CI_COMMAND.sub(_broken, text) if "::" in text or "##" in text else text


def _broken(command: re.Match[str]) -> str:
    return "\\x23#" if command.group() else "\\"


def _harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL


def _shown(character: str) -> str:
    return character.encode("unicode_escape").decode()


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
