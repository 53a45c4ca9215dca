"""Turns the edits that a model proposed into whole files, of allowed paths only."""

from collections.abc import Callable, Sequence

from autopack.errors import AutopackError, InvalidInput, Reason
from autopack.gitstore.write_path import Edit
from autopack.policy.paths import PathRules, canonical_path
from builder_svc.builders.model.answer import Delete, ProposedEdit, Replace, Write
from builder_svc.builders.model.matching import keep_newlines, replace_once


def resolve(
    proposed: Sequence[ProposedEdit], rules: PathRules, read: Callable[[str], bytes | None]
) -> tuple[Edit, ...]:
    """The files as they are after the proposed edits, which apply in order; `read` gives the base's.

    Raises InvalidInput with every reason found: paths that are refused (and then nothing is
    read, so that no refusal quotes a file out of scope), else edits that do not apply.
    """
    paths, refusals = _allowed_paths(proposed, rules)
    if refusals:
        raise InvalidInput(*refusals)
    files: dict[str, str | None] = {}
    failures: list[Reason] = []
    for edit, path in zip(proposed, paths, strict=True):
        try:
            before = files[path] if path in files else _text(path, read(path), edit)
            files[path] = _after(edit, path, before)
        except InvalidInput as error:
            failures += error.reasons
    if failures:
        raise InvalidInput(*failures)
    return tuple(Edit(path, None if text is None else text.encode()) for path, text in files.items())


def _allowed_paths(proposed: Sequence[ProposedEdit], rules: PathRules) -> tuple[list[str], list[Reason]]:
    paths: list[str] = []
    refusals: dict[Reason, None] = {}
    for edit in proposed:
        try:
            path = canonical_path(edit.path)
        except AutopackError as error:
            refusals |= dict.fromkeys(error.reasons)
            continue
        paths.append(path)
        if (refusal := rules.refuse(path)) is not None:
            refusals[refusal] = None
    return paths, list(refusals)


def _text(path: str, contents: bytes | None, edit: ProposedEdit) -> str | None:
    if contents is None:
        return None
    try:
        return contents.decode()
    except UnicodeDecodeError as error:
        if isinstance(edit, Replace):
            raise _does_not_apply(
                path, "the file is not UTF-8 text", "give `contents`, or leave it"
            ) from error
        return ""


def _after(edit: ProposedEdit, path: str, before: str | None) -> str | None:
    match edit:
        case Write(contents=contents):
            return _encodable(path, keep_newlines(before or "", contents))
        case Delete():
            if before is None:
                raise _does_not_apply(path, "there is no such file to delete", "name a file that exists")
            return None
        case Replace(find=find, replace=replacement):
            if before is None:
                raise _does_not_apply(path, "there is no such file to edit", "give `contents` for a new file")
            return _encodable(path, replace_once(path, before, find, replacement))


def _encodable(path: str, text: str) -> str:
    """JSON can carry half of a surrogate pair, which no file can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = f"the text has half a character at position {error.start}"
        raise InvalidInput(
            Reason("MODEL_ANSWER_INVALID", message, "answer with whole characters", path)
        ) from error
    return text


def _does_not_apply(path: str, message: str, fix: str) -> InvalidInput:
    return InvalidInput(Reason("EDIT_DOES_NOT_APPLY", message, fix, path))
