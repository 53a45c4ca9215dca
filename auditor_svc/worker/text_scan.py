"""What no text that people review should hold: conflict markers, characters that hide, look-alikes."""

import re
from collections.abc import Iterator
from typing import Any

VERSION = "1"

_CONFLICT = re.compile(r"^(?:<{7}|>{7}|\|{7}) \S", re.MULTILINE)
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Joiners are letters' business in Persian or emoji, so they count only next to ASCII letters.
_INVISIBLE = re.compile(
    "[\u200b\u2060-\u2064\ufeff\u061c\u200e\u200f\u180e\U000e0000-\U000e007f]|(?<=[A-Za-z0-9_])[\u200c\u200d](?=[A-Za-z0-9_])"
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\x80-\x84\x86-\x9f]")
# Cyrillic and Greek letters that look like Latin ones; mathematical Greek does not.
_LOOK_ALIKES = "асԁеһіјорԛѕԝхуАВЕНІЈКМОРԚЅТԜХοΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
_MIXED_WORD = re.compile(
    rf"(?<!\w)(?=[\w]*[A-Za-z])(?=[\w]*[{_LOOK_ALIKES}])[A-Za-z0-9_{_LOOK_ALIKES}]{{1,200}}(?!\w)"
)

_RULES = (
    ("conflict-marker", _CONFLICT, "A line of an unresolved merge conflict", ()),
    (
        "bidirectional-control",
        _BIDIRECTIONAL,
        "A control character that makes text show in another order than it is read ({codes})",
        ("CWE-1007",),
    ),
    ("invisible-character", _INVISIBLE, "A character that cannot be seen ({codes})", ("CWE-1007",)),
    ("control-character", _CONTROL, "A control character ({codes})", ("CWE-150",)),
    (
        "look-alike-letter",
        _MIXED_WORD,
        "A word of Latin letters with letters that only look Latin ({codes})",
        ("CWE-1007",),
    ),
)
_NOT_CODE = (".md", ".rst", ".txt", ".po", ".pot", ".html", ".svg", ".json", ".xml", ".csv")
"""Where words of several alphabets are ordinary."""


def scan(path: str, text: str) -> Iterator[dict[str, Any]]:
    """One detection for each line and rule."""
    for rule, pattern, message, cwe in _RULES:
        if rule == "look-alike-letter" and (text.isascii() or path.endswith(_NOT_CODE)):
            continue
        lines: dict[int, set[str]] = {}
        position, line = 0, 1
        for match in pattern.finditer(text):
            line += text.count("\n", position, match.start())
            position = match.start()
            codes = {f"U+{ord(letter):04X}" for letter in match[0] if not "\x20" <= letter <= "\x7e"}
            lines.setdefault(line, set()).update(codes)
        for line, codes in lines.items():
            found = message.format(codes=", ".join(sorted(codes)[:5]))
            yield {"rule": rule, "name": rule, "severity": [], "message": found, "line": line, "cwe": cwe}
