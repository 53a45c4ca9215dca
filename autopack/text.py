"""Words about numbers, and text of others made fit to show: what a terminal would obey is spelled out."""

import unicodedata

_KEPT = frozenset("\n\t")
_HARMFUL = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Controls, formats (bidi, zero width, tags), surrogates, private use, line and paragraph separators."""


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 phase, 2 phases."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def neutralise(text: str | bytes, one_line: bool = False) -> str:
    """The text with each character that could steer a terminal, or hide, as its escape: `\\x1b` for example.

    Line feeds and tabs are kept, unless it is to be one line. Of bytes, which are read as UTF-8, what is not
    becomes an escape too. Carriage returns before line feeds are dropped.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    kept = frozenset() if one_line else _KEPT
    return "".join(
        _escape(each) if each not in kept and unicodedata.category(each) in _HARMFUL else each
        for each in text.replace("\r\n", "\n")
    )


def head(text: str, limit: int) -> str:
    """At most `limit` characters from the start; says when some were left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def tail(text: str, limit: int) -> str:
    """At most `limit` characters from the end; says when some were left out."""
    return text if len(text) <= limit else "…" + text[len(text) - limit + 1 :]


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
