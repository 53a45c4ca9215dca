"""How a command ends: its one JSON document, its exit code, and errors in both."""

import errno
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from autopack.cli.terminal import neutralise, progress
from autopack.errors import (
    AlreadyExists,
    AutopackError,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
)

DONE = 0
REFUSED = 1
INVALID = 2
WAITING = 3
INFRASTRUCTURE = 4

_EXIT_CODES: tuple[tuple[type[AutopackError], int], ...] = (
    (InvalidInput, INVALID),
    (NotFound, INVALID),
    (AlreadyExists, INVALID),
    (FailedPrecondition, REFUSED),
    (PermissionDenied, REFUSED),
)


def exit_code(error: AutopackError) -> int:
    """The contract's exit code of a refusal."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), INFRASTRUCTURE)


def print_json(name: str, document: Mapping[str, Any]) -> None:
    """The command's one document on standard output."""
    print_document(json.dumps({"schema": f"{name}/v1alpha1", **document}, indent=2))


def print_document(text: str) -> None:
    """JSON in ASCII, which is harmless on a terminal; nor does a CI system find a command in its strings."""
    sys.stdout.write(text.replace("##", "#\\u0023") + "\n")


def print_json_list(name: str, items: Iterable[Mapping[str, Any]]) -> None:
    """A document that the contract has as a list: each item says what it is."""
    print_document(json.dumps([{"schema": f"{name}/v1alpha1", **item} for item in items], indent=2))


def reason_json(reason: Reason) -> dict[str, Any]:
    """A reason as the contract has it."""
    document: dict[str, Any] = {"code": reason.code, "message": reason.message, "fix": reason.fix}
    if reason.path:
        document["path"] = reason.path
    if reason.line:
        document["line"] = reason.line
    return document


def error_json(reasons: Iterable[Reason]) -> dict[str, Any]:
    """What a command says that could not do its work; the first reason names it."""
    listed = [reason_json(reason) for reason in reasons]
    return {"error": listed[0], "reasons": listed}


def report(error: AutopackError, as_json: bool) -> int:
    """Prints why a command could not do its work, and returns its exit code."""
    if as_json:
        print_json("error", error_json(error.reasons))
    else:
        print_reasons(error.reasons)
    return exit_code(error)


def print_reasons(reasons: Iterable[Reason], title: str = "error") -> None:
    """Reasons for people, on standard error: code, place, what was found, what to do."""
    from rich.text import Text

    for reason in reasons:
        place = ":".join(filter(None, (reason.path, str(reason.line or ""))))
        style = "yellow" if title == "note" else "red"
        line = Text.assemble((f"{title} {neutralise(reason.code, True)}", f"bold {style}"))
        line.append(f" {neutralise(place, True)}" if place else "", "cyan")
        line.append(f": {neutralise(reason.message)}")
        progress().print(line)
        if reason.fix:
            progress().print(Text(f"  -> {neutralise(reason.fix)}", "green"))


def of_operating_system(error: OSError) -> AutopackError:
    """What to say when the machine refuses."""
    named = f" {error.filename}" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AutopackError(
            Reason("DISK_FULL", f"no room left:{named or ' on the disk'}", "make room, then try again")
        )
    return AutopackError(
        Reason(
            "IO_ERROR", f"{error.strerror or error}:{named}", "check that the file or directory can be used"
        )
    )
