"""Makes untrusted text safe to keep and to show: names of tests, paths, output of commands."""

import hashlib
import re

NAME_LIMIT = 500
"""Characters of a test's name that are kept; a longer one ends in a digest of the whole."""

BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of text, as a part of a character class."""

_UNSAFE = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{BIDIRECTIONAL}]")
_UNSAFE_IN_OUTPUT = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{BIDIRECTIONAL}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def one_line(text: str, limit: int = NAME_LIMIT) -> str:
    """Untrusted text on one line, unsafe characters spelled out, at most `limit` characters long."""
    safe = _UNSAFE.sub(_escape, text)
    if len(safe) <= limit:
        return safe
    digest = hashlib.sha256(safe.encode()).hexdigest()[:12]
    return f"{safe[: limit - 15]}...{digest}"


def output_tail(output: bytes, limit: int = 16_000) -> str:
    """The last characters of what a command printed; line ends and tabs stay, at most `limit` UTF-8 bytes."""
    text = output[-4 * limit :].decode(errors="replace").replace("\r\n", "\n")
    safe = _UNSAFE_IN_OUTPUT.sub(_escape, text)
    return safe.encode()[-limit:].decode(errors="ignore")
