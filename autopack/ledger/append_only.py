"""The proof that a change to the ledgers only adds to them."""

from collections.abc import Callable, Sequence

from autopack.errors import InvalidInput, Reason
from autopack.ledger.derived import CHANGELOG_PATH, DERIVED_PATHS, HUB_PATH, README_PATH, render_derived
from autopack.ledger.document import Ledger, empty
from autopack.ledger.entry import LEDGERS, Kind
from autopack.ledger.files import parse_files, render_files

LEDGER_PATHS = frozenset({HUB_PATH, CHANGELOG_PATH, *(ledger.path for ledger in LEDGERS.values())})
"""What tidy alone writes, beside the files of past years and the README's summary."""

_MEND = "add only to the end of the base's ledger; a correction is a new entry with a Supersedes field"


def check_append_only(old: Ledger, new: Ledger) -> tuple[Reason, ...]:
    """Why the new version of a ledger is more than an addition to the old one; nothing where it is none."""
    path = LEDGERS[old.kind].path
    if new.preamble != old.preamble:
        return (Reason("LEDGER_NOT_APPEND_ONLY", "the text above the index was changed", _MEND, path),)
    if new.entries[: len(old.entries)] != old.entries:
        return (Reason("LEDGER_NOT_APPEND_ONLY", _first_difference(old, new), _MEND, path),)
    added = new.entries[len(old.entries) :]
    for position, draft in enumerate(old.drafts):
        if position < len(added):
            kept = added[position].content == draft.content and draft.date in {None, added[position].date}
        else:
            later = position - len(added)
            kept = later < len(new.drafts) and new.drafts[later].content == draft.content
        if not kept:
            return (
                Reason(
                    "LEDGER_NOT_APPEND_ONLY",
                    f"the draft {draft.content.title!r} was changed, moved or removed",
                    _MEND,
                    path,
                ),
            )
    return ()


def _first_difference(old: Ledger, new: Ledger) -> str:
    for before, after in zip(old.entries, new.entries, strict=False):
        if before != after:
            return f"{before.entry_id} was changed"
    return f"{old.entries[len(new.entries)].entry_id} was removed"


def check_ledger_change(
    read_old: Callable[[str], bytes | None],
    read_new: Callable[[str], bytes | None],
    changed_paths: Sequence[str],
) -> tuple[Reason, ...]:
    """Why a change of category ledger may not land; nothing where it may.

    The readers give a file's contents at base and head, None where it is absent. That a changed path is an
    ordinary file (no link, not executable) is the caller's to check: contents do not tell.
    """
    reasons: list[Reason] = []
    ledgers: dict[Kind, Ledger] = {}
    files: set[str] = set(DERIVED_PATHS)
    for kind, about in LEDGERS.items():
        try:
            old = None if read_old(about.path) is None else parse_files(kind, _text(read_old))
            new = None if read_new(about.path) is None else parse_files(kind, _text(read_new))
        except InvalidInput as error:
            reasons += error.reasons
            files.add(about.path)
            continue
        if new is None and old is not None:
            reasons.append(Reason("LEDGER_REMOVED", "the ledger is gone", _MEND, about.path))
        ledgers[kind] = new or empty(kind)
        files |= render_files(ledgers[kind]).keys()
        if new is not None:
            reasons += check_append_only(old or empty(kind), new)
    reasons += [
        Reason(
            "LEDGER_PATH_NOT_ALLOWED",
            f"a change of category ledger touches {path!r}",
            "put it into a phase of another category",
            path,
        )
        for path in changed_paths
        if path not in files
    ]
    return tuple(reasons) or _check_derived(read_old, read_new, ledgers, changed_paths)


def _check_derived(
    read_old: Callable[[str], bytes | None],
    read_new: Callable[[str], bytes | None],
    ledgers: dict[Kind, Ledger],
    changed_paths: Sequence[str],
) -> tuple[Reason, ...]:
    """What is generated is the base's, brought up to the ledgers; around its block nothing may change."""
    try:
        new = {path: _text(read_new)(path) for path in DERIVED_PATHS}
        wanted: dict[str, str | None] = {README_PATH: _text(read_old)(README_PATH)}
        wanted |= render_derived(_text(read_old), ledgers)
    except InvalidInput as error:
        return error.reasons
    return tuple(
        Reason(
            "LEDGER_INDEX_STALE",
            "it is not the base's file with its generated block brought up to the ledgers",
            "let autopack tidy write it",
            path,
        )
        for path, text in wanted.items()
        # A README may lag behind only where this change has nothing to do with it.
        if new[path] != text and (path != README_PATH or path in changed_paths)
    )


def _text(read: Callable[[str], bytes | None]) -> Callable[[str], str | None]:
    """The reader, of text. What it gives raises InvalidInput LEDGER_NOT_UTF8."""

    def decoded(path: str) -> str | None:
        data = read(path)
        try:
            return None if data is None else data.decode()
        except UnicodeDecodeError as error:
            said, fix = f"byte {error.start} is not UTF-8", "save the file as UTF-8"
            raise InvalidInput(Reason("LEDGER_NOT_UTF8", said, fix, path)) from error

    return decoded
