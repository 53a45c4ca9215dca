"""Text of others made fit to show: one line, no characters that a terminal obeys or that cannot be seen."""

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def plain(text: str, limit: int) -> str:
    """At most `limit` characters; what is not fit becomes blanks."""
    shown = "".join(
        " " if unicodedata.category(character) in _HIDDEN else character for character in text[: limit + 1]
    )
    return shown.strip() if len(shown) <= limit else shown[: limit - 1].strip() + "…"
