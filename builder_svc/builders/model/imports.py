"""Which files of the repository a file imports, by what its text says; nothing is executed."""

import ast
import posixpath
import re
import warnings
from collections.abc import Iterator, Set

_QUOTED = re.compile(
    r"""(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\(|\#\s*include|\bmod)\s*["'<]([^"'<>\n]{1,300})["'>]"""
)
_SUFFIXES = ("", ".js", ".ts", ".jsx", ".tsx", ".mjs", ".h", ".hpp", "/index.js", "/index.ts", "/index.tsx")
_ROOTS = ("", "src/", "lib/", "include/")
MAXIMUM_TEXT = 500_000
"""Characters of a file that are looked at."""


def imported(path: str, text: str, known: Set[str]) -> Iterator[str]:
    """Paths among `known` that the file at `path` imports, in the order of the text.

    Python by its syntax; for other languages, names in quotes after from, import, require and #include.
    """
    directory = posixpath.dirname(path)
    if path.endswith((".py", ".pyi")):
        for level, dotted in _python_modules(text[:MAXIMUM_TEXT]):
            yield from _python_files(directory, level, dotted, known)
        return
    for match in _QUOTED.finditer(text[:MAXIMUM_TEXT]):
        for start in (directory, *_ROOTS):
            stem = posixpath.normpath(posixpath.join(start, match[1]))
            if found := next((stem + suffix for suffix in _SUFFIXES if stem + suffix in known), None):
                yield found
                break


def _python_modules(text: str) -> Iterator[tuple[int, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the code that is read
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            # What is imported may be a module itself.
            yield from ((node.level, f"{module}.{alias.name}".strip(".")) for alias in node.names)


def _python_files(directory: str, level: int, dotted: str, known: Set[str]) -> Iterator[str]:
    """The module's file, or that of the nearest package around it; from the file's own place upwards."""
    if level:
        parts = directory.split("/") if directory else []
        starts = ["/".join(parts[: len(parts) - level + 1])]
    else:
        starts = [directory, *_parents(directory), *(root.rstrip("/") for root in _ROOTS)]
    names = dotted.split(".")
    for end in range(len(names), 0, -1):
        for start in dict.fromkeys(starts):
            stem = posixpath.join(start, *names[:end])
            for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
                if candidate in known:
                    yield candidate
                    return


def _parents(directory: str) -> Iterator[str]:
    while directory:
        directory = posixpath.dirname(directory)
        yield directory
