"""Makes untrusted text safe to keep and to show: names of tests, paths, output of commands."""

import hashlib

from autopack.text import neutralise

NAME_LIMIT = 500
"""Characters of a test's name that are kept; a longer one ends in a digest of the whole."""


def one_line(text: str, limit: int = NAME_LIMIT) -> str:
    """Untrusted text on one line, unsafe characters spelled out, at most `limit` characters long."""
    safe = neutralise(text, one_line=True)
    if len(safe) <= limit:
        return safe
    digest = hashlib.sha256(safe.encode()).hexdigest()[:12]
    return f"{safe[: limit - 15]}...{digest}"


def output_tail(output: bytes, limit: int = 16_000) -> str:
    """The last characters of what a command printed; line ends and tabs stay, at most `limit` UTF-8 bytes."""
    text = output[-4 * limit :].decode(errors="replace")
    return neutralise(text).encode()[-limit:].decode(errors="ignore")
