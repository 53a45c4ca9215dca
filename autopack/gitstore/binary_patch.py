"""Reads what `git diff --binary` writes for a binary file: the new contents, or a delta of the old ones."""

import base64
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.pack_format import PackInvalid, PackTooLarge, apply_delta

MAXIMUM_BYTES = 50_000_000
_START = re.compile(rb"(literal|delta) (\d{1,12})")


@dataclass(frozen=True, slots=True)
class BinaryPatch:
    """New contents of a file, or a delta that makes them."""

    number: int
    """Line of the diff that it starts at."""
    delta: bool
    data: bytes

    def apply(self, old: bytes) -> bytes:
        """Raises InvalidInput `PATCH_DOES_NOT_APPLY`."""
        if not self.delta:
            return self.data
        try:
            return apply_delta(old, self.data, MAXIMUM_BYTES)
        except (PackInvalid, PackTooLarge) as error:
            found = f"line {self.number} of the patch: {error or 'the file would be too large'}"
            fix = "make the patch anew against the base"
            raise InvalidInput(Reason("PATCH_DOES_NOT_APPLY", found, fix)) from None


def parse(lines: Sequence[bytes], position: int) -> tuple[BinaryPatch, int]:
    """Reads the patch whose first line, `literal` or `delta`, is at `position`; returns the line after it.

    The patch back to the old contents that may follow is skipped. Raises InvalidInput `PATCH_INVALID`.
    """
    patch, position = _block(lines, position)
    if position < len(lines) and _START.fullmatch(lines[position]):
        _, position = _block(lines, position)
    return patch, position


def _block(lines: Sequence[bytes], start: int) -> tuple[BinaryPatch, int]:
    match = _START.fullmatch(lines[start]) if start < len(lines) else None
    if match is None:
        raise _invalid("`literal` or `delta` expected", start)
    size = int(match[2])
    if size > MAXIMUM_BYTES:
        raise _invalid(f"more than {MAXIMUM_BYTES} bytes", start)
    packed = bytearray()
    position = start + 1
    while position < len(lines) and lines[position]:
        packed += _line(lines[position], position)
        position += 1
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(bytes(packed), size + 1)
    except zlib.error:
        raise _invalid("damaged binary data", start) from None
    if len(data) != size or not inflater.eof:
        raise _invalid("binary data of another size than it says", start)
    return BinaryPatch(start + 1, match[1] == b"delta", data), position + 1


def _line(line: bytes, position: int) -> bytes:
    """One line of base 85: its first letter says how many bytes it has, A to Z for 1 to 26, then a to z."""
    letter = line[:1]
    if letter.isupper():
        count = line[0] - ord("A") + 1
    elif letter.islower():
        count = line[0] - ord("a") + 27
    else:
        raise _invalid("damaged binary data", position)
    try:
        data = base64.b85decode(line[1:])
    except ValueError:
        raise _invalid("damaged binary data", position) from None
    if not count <= len(data) < count + 4:
        raise _invalid("damaged binary data", position)
    return data[:count]


def _invalid(message: str, position: int) -> InvalidInput:
    found = f"line {position + 1} of the patch: {message}"
    return InvalidInput(Reason("PATCH_INVALID", found, "make it anew with `git diff --binary`"))
