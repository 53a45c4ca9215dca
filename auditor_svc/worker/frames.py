"""What goes over the pipes: frames of a JSON header and raw bytes, each with its length before it."""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

LENGTHS = struct.Struct("!II")
"""Bytes of the header, bytes of the body."""
MAXIMUM_HEADER_BYTES = 64_000_000


def pack(header: Mapping[str, Any], bodies: Sequence[bytes] = ()) -> bytes:
    """One frame; the header gets the sizes of the bodies, which follow it."""
    body = b"".join(bodies)
    data = json.dumps({**header, "sizes": [len(part) for part in bodies]}, separators=(",", ":")).encode()
    return LENGTHS.pack(len(data), len(body)) + data + body


def unpack(header: bytes, body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Header and bodies of a frame that was read. Raises ValueError for what is no frame."""
    fields = json.loads(header)
    if not isinstance(fields, dict):
        raise ValueError("the header of a frame is no object")
    bodies, position = [], 0
    for size in fields.pop("sizes"):
        bodies.append(body[position : position + size])
        position += size
    return fields, bodies
