"""The proof that a change to the ledgers only adds to them."""

from collections.abc import Callable, Sequence

from autopack.errors import InvalidInput, Reason
from autopack.ledger.document import Ledger, empty, parse, render
from autopack.ledger.entry import LEDGERS, Kind
from autopack.ledger.hub import HUB_PATH, render_hub

LEDGER_PATHS = frozenset({HUB_PATH, *(ledger.path for ledger in LEDGERS.values())})
"""All that a change of category ledger may touch."""

_MEND = "add only to the end of the base's ledger; a correction is a new entry with a Supersedes field"


def check_append_only(kind: Kind, old_text: str | None, new_text: str) -> tuple[Reason, ...]:
    """Why the new version of a ledger is more than an addition to the old one; nothing where it is none.

    `old_text` None: there was no ledger, so whatever is well formed adds to it. An old version that is itself
    broken is no ground to accept anything: its own reasons are the answer.
    """
    path = LEDGERS[kind].path
    try:
        new = parse(kind, new_text)
        old = None if old_text is None else parse(kind, old_text)
    except InvalidInput as error:
        return error.reasons
    if old is None:
        return ()
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
    reasons = [
        Reason(
            "LEDGER_PATH_NOT_ALLOWED",
            f"a change of category ledger touches {path!r}",
            "put it into a phase of another category",
            path,
        )
        for path in changed_paths
        if path not in LEDGER_PATHS
    ]
    ledgers: dict[Kind, Ledger] = {}
    for kind, about in LEDGERS.items():
        try:
            old, new = _text(read_old, about.path), _text(read_new, about.path)
        except InvalidInput as error:
            reasons += error.reasons
            continue
        if new is None:
            if old is not None:
                reasons.append(Reason("LEDGER_REMOVED", "the ledger is gone", _MEND, about.path))
            ledgers[kind] = empty(kind)
            continue
        if broken := check_append_only(kind, render(empty(kind)) if old is None else old, new):
            reasons += broken
        else:
            ledgers[kind] = parse(kind, new)
    if not reasons:
        try:
            reasons += _check_hub(_text(read_old, HUB_PATH), _text(read_new, HUB_PATH), ledgers)
        except InvalidInput as error:
            reasons += error.reasons
    return tuple(reasons)


def _check_hub(old: str | None, new: str | None, ledgers: dict[Kind, Ledger]) -> tuple[Reason, ...]:
    if new == render_hub(old, ledgers):
        return ()
    return (
        Reason(
            "LEDGER_INDEX_STALE",
            "it is not the base's index with the table brought up to the ledgers",
            "let autopack tidy write it",
            HUB_PATH,
        ),
    )


def _text(read: Callable[[str], bytes | None], path: str) -> str | None:
    data = read(path)
    try:
        return None if data is None else data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            Reason("LEDGER_NOT_UTF8", f"byte {error.start} is not UTF-8", "save the file as UTF-8", path)
        ) from error
