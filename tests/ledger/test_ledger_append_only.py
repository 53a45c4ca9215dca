"""A change of category ledger may add to the ledgers and do nothing else."""

from collections.abc import Callable
from datetime import date

import pytest

from autopack.ledger.append_only import LEDGER_PATHS, check_append_only, check_ledger_change
from autopack.ledger.derived import CHANGELOG_PATH, HUB_PATH, README_PATH, render_derived
from autopack.ledger.document import Ledger, append, empty, parse, render
from autopack.ledger.entry import LEDGERS, Content, Kind, make_content
from autopack.ledger.files import render_files

DAY = date(2026, 1, 31)
DEC = LEDGERS[Kind.DECISION].path
DRAFT = (
    "## DEC: By hand\n\n- **Context:** c\n- **Decision:** d\n- **Alternatives:** a\n- **Consequences:** e\n"
)


def decision(title: str) -> Content:
    values = {"Context": "c", "Decision": "d", "Alternatives": "a", "Consequences": "e"}
    return make_content(Kind.DECISION, title, values)


def ledger_of(*titles: str) -> Ledger:
    return append(empty(Kind.DECISION), [(decision(title), DAY) for title in titles], DAY)


def repository(ledger: Ledger, **old: str) -> dict[str, bytes]:
    """What tidy would write over these files: hub, readme."""
    ledgers = {kind: empty(kind) for kind in Kind} | {ledger.kind: ledger}
    texts = {path: text for one in ledgers.values() for path, text in render_files(one).items()}
    paths = {HUB_PATH: old.get("hub"), README_PATH: old.get("readme"), CHANGELOG_PATH: old.get("changelog")}
    texts |= {path: text for path, text in paths.items() if text} | render_derived(paths.get, ledgers)
    return {path: text.encode() for path, text in texts.items()}


def codes(old: dict[str, bytes], new: dict[str, bytes]) -> list[str]:
    changed = [path for path in old | new if old.get(path) != new.get(path)]
    return [reason.code for reason in check_ledger_change(old.get, new.get, changed)]


def test_adding_entries_passes() -> None:
    assert codes({}, repository(ledger_of())) == []
    assert codes({}, repository(ledger_of("One"))) == []
    assert codes(repository(ledger_of("One")), repository(ledger_of("One", "Two", "Three"))) == []


def resealed(titles: list[str]) -> Callable[[Ledger], Ledger]:
    return lambda _: ledger_of(*titles)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (resealed(["One"]), "DEC-0002 was removed"),
        (resealed([]), "DEC-0001 was removed"),
        (resealed(["One", "Too", "Three"]), "DEC-0002 was changed"),
        (resealed(["Two", "One"]), "DEC-0001 was changed"),
        (lambda old: Ledger(old.kind, "# Ours\n\n", old.entries), "the text above the index was changed"),
    ],
)
def test_a_well_formed_history_that_is_another_is_refused(
    change: Callable[[Ledger], Ledger], found: str
) -> None:
    old = ledger_of("One", "Two")

    (reason,) = check_append_only(old, change(old))

    assert (reason.code, reason.message, reason.path) == ("LEDGER_NOT_APPEND_ONLY", found, DEC)


def test_a_draft_may_be_added_and_sealed_but_not_altered() -> None:
    plain = ledger_of("One")
    drafted = parse(Kind.DECISION, render(plain) + DRAFT)
    again = parse(Kind.DECISION, render(drafted) + "\n" + DRAFT)
    sealed = append(drafted, [(decision("Later"), DAY)], DAY)
    altered = parse(Kind.DECISION, render(plain) + DRAFT.replace("By hand", "By foot"))

    assert check_append_only(plain, drafted) == ()
    assert check_append_only(drafted, again) == ()
    assert check_append_only(drafted, sealed) == ()
    for removed in (plain, altered, ledger_of("One", "Later")):
        assert [r.code for r in check_append_only(drafted, removed)] == ["LEDGER_NOT_APPEND_ONLY"]


def test_legacy_text_stays_above_the_entries() -> None:
    legacy = parse(Kind.DECISION, "# Old\n\nwords\n")
    adopted = append(legacy, [(decision("One"), DAY)], DAY)
    other = parse(Kind.DECISION, render(adopted).replace("words", "other"))

    assert check_append_only(legacy, adopted) == ()
    assert check_append_only(legacy, other) != ()


def test_a_broken_ledger_is_never_the_ground_to_add_on() -> None:
    old = render(ledger_of("One")).replace("## DEC-0001", "## DEC-0007")

    assert "LEDGER_ID_INVALID" in codes({DEC: old.encode()}, {DEC: old.encode()})


def test_nothing_but_ledgers_may_change() -> None:
    new = repository(ledger_of("One"))

    assert codes({}, new | {"src/evil.py": b""}) == ["LEDGER_PATH_NOT_ALLOWED"]
    assert codes(repository(ledger_of()), {"docs/index.md": b""} | new) == ["LEDGER_PATH_NOT_ALLOWED"]


@pytest.mark.parametrize("path", sorted(LEDGER_PATHS))
def test_a_ledger_may_not_vanish(path: str) -> None:
    old = repository(ledger_of("One"))

    assert codes(old, {name: text for name, text in old.items() if name != path}) != []


def test_a_new_ledger_may_not_smuggle_text_in_above_its_entries() -> None:
    ledger = ledger_of("One")
    forged = Ledger(ledger.kind, "# Do as the next lines say\n\n", ledger.entries)

    assert codes({}, repository(forged)) == ["LEDGER_NOT_APPEND_ONLY"]


def test_the_hub_keeps_its_words_and_says_what_the_ledgers_say() -> None:
    old = repository(ledger_of("One"), hub="# Our docs\n\nhand-written\n")
    hub = old[HUB_PATH].decode()
    new = repository(ledger_of("One", "Two"), hub=hub)

    assert "hand-written" in new[HUB_PATH].decode()
    assert "| 2 | 2026-01-31 [DEC-0002](ARCHITECTURE_DECISIONS.md#dec-0002) Two |" in new[HUB_PATH].decode()
    assert codes(old, new) == []
    assert codes(old, new | {HUB_PATH: old[HUB_PATH]}) == ["LEDGER_INDEX_STALE"]
    assert codes(old, new | {HUB_PATH: new[HUB_PATH].replace(b"hand-", b"over")}) == ["LEDGER_INDEX_STALE"]


def test_of_the_readme_only_the_summary_may_change() -> None:
    marked = "# Ours\n\n<!-- AUTOPACK_SUMMARY_START -->\n<!-- AUTOPACK_SUMMARY_END -->\n\nBye.\n"
    old = repository(ledger_of("One"), readme=marked)
    readme = old[README_PATH].decode()
    new = repository(ledger_of("One", "Two"), readme=readme)

    assert "[2](docs/ARCHITECTURE_DECISIONS.md)" in new[README_PATH].decode()
    assert codes(old, new) == []
    assert codes(old, new | {README_PATH: new[README_PATH] + b"more"}) == ["LEDGER_INDEX_STALE"]
    assert codes(old, new | {README_PATH: old[README_PATH]}) == []
    unmarked = {README_PATH: b"# Ours\n"}
    assert codes(old | unmarked, new | {README_PATH: b"# Theirs\n"}) == ["LEDGER_INDEX_STALE"]


def test_bytes_that_are_no_text_are_refused() -> None:
    old = repository(ledger_of("One"))

    assert codes(old, old | {DEC: b"\xff"}) == ["LEDGER_NOT_UTF8"]
    assert codes(old, old | {HUB_PATH: b"\xff"}) == ["LEDGER_NOT_UTF8"]
