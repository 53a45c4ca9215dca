"""Patches kept in files beside a plan, brought into it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autopack.errors import InvalidInput, Reason
from autopack.policy.paths import canonical_path
from autopack.policy.validation import Location

MAXIMUM_BYTES = 3 * 1024 * 1024
"""Of one patch: with its plan it must fit into one message."""


def inline(
    data: Mapping[str, Any], directory: Path | None
) -> tuple[dict[str, Any], list[tuple[Location, Reason]]]:
    """The plan's values with every `diff: NAME.patch` replaced by that file's text, and the faults."""
    phases = data.get("phases")
    faults: list[tuple[Location, Reason]] = []
    if not isinstance(phases, tuple):
        return dict(data), faults
    inlined = []
    for index, phase in enumerate(phases):
        try:
            inlined.append(_inline_phase(phase, directory))
        except InvalidInput as error:
            faults.append((("phases", index, "builder", "diff"), error.reasons[0]))
            inlined.append(phase)
    return {**data, "phases": tuple(inlined)}, faults


def _inline_phase(phase: object, directory: Path | None) -> object:
    if isinstance(phase, Mapping) and isinstance(builder := phase.get("builder"), Mapping):
        diff = builder.get("diff")
        if builder.get("kind") == "patch" and isinstance(diff, str) and _is_name(diff):
            return {**phase, "builder": {**builder, "diff": _read(diff.strip(), directory)}}
    return phase


def _is_name(diff: str) -> bool:
    return "\n" not in diff.strip() and diff.strip().endswith((".diff", ".patch"))


def _read(name: str, directory: Path | None) -> str:
    if directory is None:
        raise _refusal(
            "PATCH_NOT_FOUND", f"{name!a} cannot be read from here", "write the diff into the plan"
        )
    root = directory.resolve()
    path = (root / canonical_path(name)).resolve()
    if not path.is_relative_to(root):
        raise _refusal(
            "PATH_ESCAPES", f"{name!a} leads out of the plan's directory", "keep it beside the plan"
        )
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        message = f"{name!a} beside the plan cannot be read: {error.strerror}"
        raise _refusal("PATCH_NOT_FOUND", message, f"put it into {root}") from None
    if len(data) > MAXIMUM_BYTES:
        message = f"{name!a} weighs {size} bytes, the limit is {MAXIMUM_BYTES}"
        raise _refusal("PATCH_TOO_LARGE", message, "split the change into phases")
    try:
        return data.decode()
    except UnicodeDecodeError:
        message = f"{name!a} is not UTF-8 text"
        raise _refusal(
            "PATCH_BINARY", message, "make it with `git diff` of text files saved as UTF-8"
        ) from None


def _refusal(code: str, message: str, fix: str) -> InvalidInput:
    return InvalidInput(Reason(code, message, fix))
