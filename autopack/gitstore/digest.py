"""The change digest: what an approval of a change binds to."""

import hashlib
import json
from collections.abc import Sequence

from autopack.gitstore.records import FileChange, from_path


def change_digest(changes: Sequence[FileChange], policy_digest: str) -> str:
    """SHA-256 in hexadecimal over the policy's digest and each change in the order of paths.

    The hashed bytes are one JSON array a line, the policy's digest first, so that nothing can run
    together: `["path", old mode, new mode, "old id", "new id"]`, bytes of a path as Latin-1.
    """
    lines: list[object] = [["autopack-change/v1", policy_digest]]
    for change in sorted(changes, key=lambda change: from_path(change.path)):
        path = from_path(change.path).decode("latin-1")
        lines.append([path, change.old_mode, change.new_mode, change.old_oid, change.new_oid])
    return hashlib.sha256("".join(json.dumps(line) + "\n" for line in lines).encode()).hexdigest()
