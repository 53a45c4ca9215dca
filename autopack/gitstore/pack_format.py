"""Git's pack format (version 2), as much of it as small packs need: no deltas written, but read."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
_OFFSET_DELTA, _REFERENCE_DELTA = 6, 7
_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
HEADER_BYTES = 12

PackedObject = tuple[int, bytes]
"""Type and contents."""


class PackInvalid(Exception):
    """Bytes that are not a sound pack; the message says why."""


class PackTooLarge(Exception):
    """The contents are larger than allowed."""


def write_pack(count: int, objects: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    """Yields the bytes of a pack of `count` objects, each given as type and contents."""
    digest = hashlib.sha1(usedforsecurity=False)
    header = struct.pack(">4sII", b"PACK", 2, count)
    digest.update(header)
    yield header
    for kind, data in objects:
        size = len(data)
        prefix = bytearray([kind << 4 | size & 15])
        size >>= 4
        while size:
            prefix[-1] |= 0x80
            prefix.append(size & 0x7F)
            size >>= 7
        part = bytes(prefix) + zlib.compress(data, 1)
        digest.update(part)
        yield part
    yield digest.digest()


def read_count(header: bytes) -> int:
    """Number of objects that a pack's first 12 bytes announce. Raises PackInvalid."""
    if len(header) < HEADER_BYTES or header[:4] != b"PACK":
        raise PackInvalid("no pack")
    version, count = struct.unpack(">II", header[4:12])
    if version != 2:
        raise PackInvalid(f"pack version {version}")
    return int(count)


def read_pack(
    pack: bytes, read_object: Callable[[bytes], PackedObject | None], limit: int
) -> dict[bytes, PackedObject]:
    """Raw id to type and contents of every object in a pack; `read_object` finds the bases of a thin one.

    Raises PackInvalid, or PackTooLarge before contents of more than `limit` bytes are made.
    """
    if hashlib.sha1(pack[:-20], usedforsecurity=False).digest() != pack[-20:]:
        raise PackInvalid("checksum does not match")
    found: dict[bytes, PackedObject] = {}
    by_offset: dict[int, PackedObject] = {}
    position = HEADER_BYTES
    for _ in range(read_count(pack)):
        start = position
        kind, size, position = _entry_header(pack, position)
        base: PackedObject | None = None
        if kind == _OFFSET_DELTA:
            distance, position = _offset(pack, position)
            base = by_offset.get(start - distance)
        elif kind == _REFERENCE_DELTA:
            reference = pack[position : position + 20]
            position += 20
            base = found.get(reference) or read_object(reference)
        elif kind not in _NAMES:
            raise PackInvalid(f"object type {kind}")
        limit -= size
        data, position = _inflate(pack, position, size, limit)
        if kind not in _NAMES:
            if base is None:
                raise PackInvalid("delta of an object that is not there before it")
            kind, data = base[0], apply_delta(base[1], data, limit)
            limit -= len(data)
        by_offset[start] = kind, data
        found[object_id(kind, data)] = kind, data
    if position != len(pack) - 20:
        raise PackInvalid("bytes after the last object")
    return found


def object_id(kind: int, data: bytes) -> bytes:
    header = b"%b %d\0" % (_NAMES[kind], len(data))
    return hashlib.sha1(header + data, usedforsecurity=False).digest()


def _entry_header(pack: bytes, position: int) -> tuple[int, int, int]:
    """Type, size and the position after them."""
    byte = _byte(pack, position)
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        position += 1
        byte = _byte(pack, position)
        size |= (byte & 0x7F) << shift
        shift += 7
        if shift > 60:
            raise PackInvalid("object size is out of range")
    return kind, size, position + 1


def _offset(pack: bytes, position: int) -> tuple[int, int]:
    byte = _byte(pack, position)
    offset = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = _byte(pack, position)
        offset = (offset + 1) << 7 | byte & 0x7F
        if offset > 1 << 60:
            raise PackInvalid("delta offset is out of range")
    return offset, position + 1


def _byte(data: bytes, position: int) -> int:
    if position >= len(data):
        raise PackInvalid("truncated")
    return data[position]


def _inflate(pack: bytes, position: int, size: int, limit: int) -> tuple[bytes, int]:
    if limit < 0:
        raise PackTooLarge
    inflater = zlib.decompressobj()
    parts: list[bytes] = []
    end = len(pack) - 20
    missing = size + 1  # one more than it says, so that more would show
    # In small slices: what follows the object is copied each time that it ends.
    step = min(max(size, 64), 65536)
    try:
        while not inflater.eof and position < end and missing > 0:
            piece = inflater.unconsumed_tail or pack[position : min(position + step, end)]
            if not inflater.unconsumed_tail:
                position += len(piece)
            parts.append(inflater.decompress(piece, missing))
            missing -= len(parts[-1])
    except zlib.error as error:
        raise PackInvalid(f"damaged: {error}") from None
    if missing != 1 or not inflater.eof:
        raise PackInvalid("object size does not match")
    return b"".join(parts), position - len(inflater.unused_data)


def apply_delta(base: bytes, delta: bytes, limit: int) -> bytes:
    """What a delta makes of its base. Raises PackInvalid, or PackTooLarge over `limit` bytes."""
    expected_base, position = _delta_size(delta, 0)
    expected, position = _delta_size(delta, position)
    if expected_base != len(base):
        raise PackInvalid("delta is of another base")
    if expected > limit:
        raise PackTooLarge
    parts: list[bytes] = []
    size = 0
    while position < len(delta):
        operation = delta[position]
        position += 1
        if operation & 0x80:
            offset = length = 0
            for bit in range(7):
                if operation & 1 << bit:
                    value = _byte(delta, position)
                    position += 1
                    if bit < 4:
                        offset |= value << 8 * bit
                    else:
                        length |= value << 8 * (bit - 4)
            part = base[offset : offset + (length or 0x10000)]
            if len(part) != (length or 0x10000):
                raise PackInvalid("delta copies from beyond its base")
        elif operation:
            part = delta[position : position + operation]
            position += operation
        else:
            raise PackInvalid("delta has an unknown operation")
        parts.append(part)
        size += len(part)
        if size > expected:
            raise PackInvalid("delta makes more than it says")
    if size != expected:
        raise PackInvalid("delta makes less than it says")
    return b"".join(parts)


def _delta_size(delta: bytes, position: int) -> tuple[int, int]:
    size = shift = 0
    while True:
        byte = _byte(delta, position)
        position += 1
        size |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return size, position
        if shift > 60:
            raise PackInvalid("delta size is out of range")
