"""Untrusted text made fit to show: no control or direction-changing characters, bounded length."""

import unicodedata

_KEPT = frozenset("\n\t")


def neutralise(text: str | bytes) -> str:
    """The text with every character that a terminal would obey written as its escape, `\\x1b` for example.

    Bytes are read as UTF-8; what is not becomes an escape too. Carriage returns before
    line ends are dropped. Cc: controls, Cf: invisible and direction-changing, Cs: lone surrogates.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return "".join(map(_neutral, text.replace("\r\n", "\n")))


def _neutral(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def head(text: str, limit: int) -> str:
    """At most `limit` characters from the start; says when some were left out."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def tail(text: str, limit: int) -> str:
    """At most `limit` characters from the end; says when some were left out."""
    return text if len(text) <= limit else "…" + text[len(text) - limit + 1 :]
