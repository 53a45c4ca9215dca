"""Text from plans, tests and models, made safe to stand in a ledger's Markdown."""

import re

from autopack.errors import Reason
from autopack.ledger.entry import canonical_line, canonical_text

_MARKUP = re.compile(r"([\\<\[])")


def plain(text: str, limit: int = 500) -> str:
    """One line of at most `limit` characters that can begin no tag, comment, link or image."""
    line = canonical_line(text)
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return _MARKUP.sub(r"\\\1", line)


def prose(text: str) -> str:
    """The same of many lines; never empty."""
    lines = [plain(line, 2000) for line in canonical_text(text).split("\n")[:200]]
    return "\n".join(lines).strip() or "not recorded"


def code(text: str) -> str:
    """A name in a code span."""
    name = canonical_line(text).replace("`", "'")
    return f"`{name}`"


def reason_line(reason: Reason) -> str:
    """A reason with its place."""
    place = f" ({code(reason.path)}{f', line {reason.line}' if reason.line else ''})" if reason.path else ""
    return f"{reason.code}: {plain(reason.message)}{place}"


def listing(summary: str, items: list[str], most: int = 200, keep: bool = False) -> str:
    """A line with a list below it; a single item takes the line's place unless that is kept."""
    if len(items) == 1 and not keep:
        return items[0]
    shown = items[:most] + ([f"and {len(items) - most} more"] if len(items) > most else [])
    return "\n".join([summary, *(f"- {item}" for item in shown)])
