"""Text that reads otherwise than it runs: what no reader sees in its new lines, or takes for other signs."""

import ast
import codecs
import io
import re
import tokenize
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from autopack.errors import Reason
from gate_svc.domain.change import SUBMODULE, SYMLINK, ChangedFile

# Marks that set the direction of one letter are ordinary in right-to-left text; these reorder what follows.
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")
_INVISIBLE = re.compile(
    "[\u00ad\u115f\u1160\u180e\u200b\u2060-\u2064\u2800\u3164\ufeff\uffa0\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
)
_LINE_BREAKS = re.compile("\r(?!$)|[\x0b\x85\u2028\u2029]")
"""What some programs take for the end of a line, and git and most editors do not."""

_PROSE = frozenset((".md", ".rst", ".txt", ".csv", ".tsv", ".svg", ".html", ".htm", ".po", ".srt", ".ipynb"))
"""Nothing in these is executed or imported, and what is invisible in them is often meant."""

_LOOK_ALIKES = str.maketrans(
    # Cyrillic, Greek and Armenian letters that common fonts draw as these of ASCII; not those of formulas.
    "асԁеһіјӏорԛѕԝхуүАВЕНІЈКМОРЅТХУҮԚԜοΑΒΕΖΗΙΚΜΝΟΡΤΥΧօսզցհո",
    "acdehijlopqswxyyABEHIJKMOPSTXYYQWoABEZHIKMNOPTYXouqghn",
)
_MIXED = re.compile(r"\w*[A-Za-z]\w*")


def refuse_hidden_text(file: ChangedFile) -> Iterator[Reason]:
    """Why this file's text, or its name, may not land as it is."""
    if file.added and (name := look_alike(file.path)):
        yield _look_alike(file.path, name, 0)
    if not file.has_text or file.new is None:
        return
    yield from _first(_in_lines(file))
    if file.path.endswith((".py", ".pyi")):
        yield from _encodings(file)
        yield from _first(_identifiers(file))


def _first(reasons: Iterator[Reason]) -> Iterator[Reason]:
    """The first of each code: more help nobody."""
    seen: set[str] = set()
    for reason in reasons:
        if reason.code not in seen:
            seen.add(reason.code)
            yield reason


def _in_lines(file: ChangedFile) -> Iterator[Reason]:
    path = PurePosixPath(file.path.lower())
    prose = path.suffix in _PROSE and not path.name.startswith(("requirements", "constraints", "cmakelists"))
    for number, line in _new_lines(file):
        if found := _BIDIRECTIONAL.search(line):
            yield Reason(
                "BIDIRECTIONAL_TEXT",
                f"a control character ({_code(found.group())}) makes text read otherwise than it runs",
                "write it as an escape sequence",
                path=file.path,
                line=number,
            )
        if prose or (line.isascii() and "\r" not in line[:-1] and "\x0b" not in line):
            continue
        if found := _LINE_BREAKS.search(line) or _INVISIBLE.search(line, int(number == 1)):
            yield Reason(
                "HIDDEN_TEXT",
                f"a character that is not seen ({_code(found.group())}), or hides what stands behind it",
                "end lines with a line feed, and write invisible characters as escape sequences",
                path=file.path,
                line=number,
            )
        for word in _MIXED.findall(line):
            if plain := look_alike(word):
                yield _look_alike(file.path, plain, number)


def _new_lines(file: ChangedFile) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that the base does not have."""
    old = Counter(_lines(file.old or b"") if _is_file(file.old_mode, file.old) else ())
    for number, line in enumerate(_lines(file.new or b""), 1):
        if old[line]:
            old[line] -= 1
        else:
            yield number, line


def _lines(data: bytes) -> list[str]:
    return data.decode(errors="replace").split("\n")


def _is_file(mode: int, contents: bytes | None) -> bool:
    return contents is not None and mode not in (0, SYMLINK, SUBMODULE)


def _encodings(file: ChangedFile) -> Iterator[Reason]:
    encoding = _encoding(file.new or b"")
    if encoding and not (_is_file(file.old_mode, file.old) and _encoding(file.old or b"") == encoding):
        yield Reason(
            "SOURCE_ENCODING",
            f"Python reads this file as {encoding}, reviewers and analyzers as UTF-8",
            "write it in UTF-8, without a coding line",
            path=file.path,
        )


def _encoding(source: bytes) -> str:
    """The encoding that Python reads a file in; empty for UTF-8 and what cannot be read at all."""
    # Python's own reader takes a bare carriage return for the end of a line.
    plain = source[:10_000].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(plain).readline)
    except SyntaxError:
        return ""  # not valid Python, and said to be none
    return "" if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii") else encoding


def _identifiers(file: ChangedFile) -> Iterator[Reason]:
    """Names in Python code that look like others, which the base does not have."""
    assert file.new is not None
    if file.new.isascii():
        return
    known = set(_names(file.old)) if _is_file(file.old_mode, file.old) and file.old is not None else set()
    for name, line in _names(file.new).items():
        if name not in known and (plain := look_alike(name) or _folded(name)):
            yield _look_alike(file.path, plain, line)


def _names(source: bytes) -> dict[str, int]:
    """Identifiers with characters beyond ASCII as they are written, and the line of each."""
    try:
        ast.parse(source)
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return {}
    return {
        token.string: token.start[0]
        for token in reversed(tokens)
        if token.type == tokenize.NAME and not token.string.isascii()
    }


def _folded(name: str) -> str:
    """What Python takes an identifier for, where that is another one in ASCII."""
    plain = unicodedata.normalize("NFKC", name)
    return plain if plain != name and plain.isascii() else ""


def look_alike(text: str) -> str:
    """The ASCII text that some other text looks like; empty if it looks like none."""
    if text.isascii():
        return ""
    plain = unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES)
    return plain if plain.isascii() and text.translate(_LOOK_ALIKES) != text else ""


def _look_alike(path: str, plain: str, line: int) -> Reason:
    return Reason(
        "LOOK_ALIKE",
        f"letters of another alphabet make this look like {plain[:200]}",
        "write it in the alphabet that it looks to be in",
        path=path,
        line=line,
    )


def _code(character: str) -> str:
    return f"U+{ord(character):04X}"
