"""Plans and policies in files."""

import os
import sys
from pathlib import Path

from autopack.errors import InvalidInput, NotFound, Reason
from autopack.policy import document
from autopack.policy.plan import Plan, load_plan


def read_plan(path: Path) -> Plan:
    """The plan in a file; `-` is standard input. Raises InvalidInput with every reason, and NotFound."""
    text = read_document(path, "PLAN")
    if path == Path("-"):
        return load_plan(text, "-", None)
    return load_plan(text, str(path), path.parent)


def read_document(path: Path, kind: str) -> str:
    """The text of a document; `kind` as in `document.decode`. Raises NotFound and InvalidInput."""
    limit = document.MAXIMUM_BYTES + 1
    if path == Path("-"):
        return document.decode(sys.stdin.buffer.read(limit), "-", kind)
    try:
        with path.open("rb") as file:
            data = file.read(limit)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise NotFound(
            Reason("FILE_NOT_FOUND", f"there is no file {path}", "check its name", str(path))
        ) from None
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise InvalidInput(Reason("FILE_UNREADABLE", message, "give a readable file", str(path))) from None
    return document.decode(data, str(path), kind, size)
