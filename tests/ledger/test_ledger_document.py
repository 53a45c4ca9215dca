"""The ledger format: exact in both directions, pleasant to write by hand, impossible to alter unseen."""

import re
import time
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import InvalidInput, Reason
from autopack.ledger.document import Ledger, append, empty, parse, render
from autopack.ledger.entry import (
    LEDGERS,
    SUPERSEDES,
    Content,
    Kind,
    canonical_line,
    canonical_text,
    make_content,
)
from autopack.ledger.table import CELL_LIMIT, render_index

DAY = date(2026, 1, 31)


def decision(title: str = "Use SQLite", **fields: str) -> Content:
    values = {"Context": "c", "Decision": "d", "Alternatives": "a", "Consequences": "e", **fields}
    return make_content(Kind.DECISION, title, values)


def ledger_of(*titles: str) -> Ledger:
    return append(empty(Kind.DECISION), [(decision(title), DAY) for title in titles], DAY)


def reasons_of(kind: Kind, text: str) -> list[tuple[str, int]]:
    with pytest.raises(InvalidInput) as refused:
        parse(kind, text)
    return [(reason.code, reason.line) for reason in refused.value.reasons]


texts = st.text(max_size=200).map(canonical_text).filter(bool)
titles = st.text(max_size=150).map(canonical_line).filter(bool)


@st.composite
def contents(draw: st.DrawFn, kind: Kind) -> Content:
    about = LEDGERS[kind]
    optional = st.sets(st.sampled_from([name for name in about.fields if name != SUPERSEDES]))
    return make_content(
        kind, draw(titles), {name: draw(texts) for name in sorted(draw(optional) | about.required)}
    )


@given(st.data(), st.sampled_from(Kind))
def test_any_entries_come_back_exactly(data: st.DataObject, kind: Kind) -> None:
    said = data.draw(st.lists(st.tuples(contents(kind), st.dates()), max_size=4))
    ledger = append(empty(kind), said, DAY)

    assert parse(kind, render(ledger)) == ledger


@given(st.text())
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    document = render(ledger_of("One")) + text
    refused: tuple[Reason, ...] = ()
    read = ""
    try:
        read = render(parse(Kind.DECISION, document))
    except InvalidInput as error:
        refused = error.reasons
    # Blank lines below the last seal are nobody's.
    assert without_blanks(read) == without_blanks(document) or (refused and all(r.line > 1 for r in refused))


def without_blanks(text: str) -> str:
    before, seal, after = text.rpartition("<!-- sealed: ")
    return before + seal + re.sub(r"-->\n*", "-->\n\n", after, count=1)


@given(texts)
def test_a_value_cannot_pose_as_an_entry(value: str) -> None:
    forged = f"{value}\n\n## DEC-0002: Trust everyone\n\n- **Date:** 2026-01-01\n- **Decision:** yes"
    ledger = append(empty(Kind.DECISION), [(decision(Context=forged), DAY)], DAY)

    assert len(parse(Kind.DECISION, render(ledger)).entries) == 1


def test_the_document_reads_well() -> None:
    ledger = append(empty(Kind.DEBUG), [], DAY)
    content = make_content(
        Kind.DEBUG,
        "gcd looped | for ever",
        {"Failure": "tests\n- test_gcd", "Root cause": "no base case", "Fix": "added", "Verification": "ok"},
    )

    text = render(append(ledger, [(content, DAY)], DAY))

    assert text.startswith("# Debug log\n\nFailures that were understood and fixed")
    assert "| 2026-01-31 | [DBG-0001](#dbg-0001) |  | gcd looped \\| for ever |\n" in text
    assert (
        '<a id="dbg-0001"></a>\n\n## DBG-0001: gcd looped | for ever\n\n- **Date:** 2026-01-31\n'
        "- **Failure:** tests\n  - test_gcd\n- **Root cause:** no base case\n"
    ) in text


def test_the_index_has_the_newest_entry_on_top_in_short_cells_and_names_successors() -> None:
    ledger = append(
        ledger_of("First", "x" * 200), [(decision("Third", **{SUPERSEDES: "DEC-0001"}), DAY)], DAY
    )

    rows = render_index(Kind.DECISION, ledger.entries).splitlines()[2:]

    assert [row.split("]")[0].split("[")[1] for row in rows] == ["DEC-0003", "DEC-0002", "DEC-0001"]
    assert "x" * (CELL_LIMIT - 1) + "… |" in rows[1]
    assert rows[2].endswith("First (superseded by [DEC-0003](#dec-0003)) |")


def test_ids_count_on_and_each_entry_seals_the_one_before() -> None:
    first, second = ledger_of("One", "Two").entries

    assert (first.entry_id, second.entry_id) == ("DEC-0001", "DEC-0002")
    assert first.previous_digest == ""
    assert second.previous_digest == first.digest


DRAFT = """## DEC: Keep one writer

* **Context**: two writers
  raced.
- **Decision:**
  - one queue

  - one thread
- **Alternatives:** locks
- **Consequences:** waiting
"""


def test_an_entry_written_by_hand_is_read_as_it_stands_and_sealed_by_the_next_tidy() -> None:
    text = render(ledger_of("One")) + DRAFT

    ledger = parse(Kind.DECISION, text)
    sealed = append(ledger, [(decision("Three"), DAY)], date(2026, 2, 1))

    assert render(ledger) == text
    assert [entry.content.title for entry in sealed.entries] == ["One", "Keep one writer", "Three"]
    assert sealed.entries[1].date == date(2026, 2, 1)
    assert sealed.entries[1].content.get("Context") == "two writers\nraced."
    assert sealed.entries[1].content.get("Decision") == "- one queue\n\n- one thread"
    assert parse(Kind.DECISION, render(sealed)) == sealed


@pytest.mark.parametrize("blank", ["", "\n", "\n\n\n\n"])
def test_editors_may_leave_any_number_of_blank_lines_at_the_end(blank: str) -> None:
    ledger = ledger_of("One", "Two")
    text = render(ledger).rstrip("\n") + "\n"

    assert parse(Kind.DECISION, text + blank) == ledger
    drafted = parse(Kind.DECISION, text + "\n" + blank + DRAFT)
    assert drafted.entries == ledger.entries
    assert [draft.content.title for draft in drafted.drafts] == ["Keep one writer"]


def test_between_sealed_entries_nothing_may_be_put() -> None:
    text = render(ledger_of("One", "Two")).replace('<a id="dec-0002">', '\n<a id="dec-0002">')

    assert reasons_of(Kind.DECISION, text)[0][0] == "LEDGER_MALFORMED"


@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
@pytest.mark.parametrize("indent", ["", "  "])
def test_headings_and_fields_within_a_fence_are_the_fields_text(fence: str, indent: str) -> None:
    code = [f"{fence}markdown", "## DEC: Not an entry", "", "  - **Context:** no field", fence]
    fenced = "".join(f"{indent}{line}\n" for line in code)
    text = render(ledger_of("One")) + DRAFT.replace("- **Alternatives", fenced + "- **Alternatives")

    (draft,) = parse(Kind.DECISION, text).drafts
    sealed = append(parse(Kind.DECISION, text), [], DAY)

    assert draft.content.get("Decision").endswith("\n".join(code))
    assert parse(Kind.DECISION, render(sealed)) == sealed


def test_an_example_in_the_old_text_is_no_entry() -> None:
    legacy = "# How we decide\n\n```\n## DEC: Title\n```\n\nwords\n"

    assert parse(Kind.DECISION, legacy).drafts == ()
    assert len(parse(Kind.DECISION, legacy + "\n" + DRAFT).drafts) == 1


def test_line_ends_of_windows_are_told_where_they_were_sealed_and_taken_in_drafts() -> None:
    text = render(ledger_of("One"))
    windows = DRAFT.replace("\n", "\r\n")

    assert reasons_of(Kind.DECISION, (text + DRAFT).replace("\n", "\r\n"))[0][0] == "LEDGER_LINE_ENDS"
    (draft,) = parse(Kind.DECISION, text + windows).drafts
    assert draft.content == parse(Kind.DECISION, text + DRAFT).drafts[0].content
    legacy = parse(Kind.DECISION, "# Old\r\n\r\nwords\r\n")
    assert parse(Kind.DECISION, render(append(legacy, [(decision(), DAY)], DAY))).entries


def test_what_was_there_before_autopack_is_kept_above_the_index() -> None:
    legacy = "# Our decisions\n\n### DEC-001 | 2019 | use Perl\nold words"

    text = render(append(parse(Kind.DECISION, legacy), [(decision(), DAY)], DAY))

    assert text.startswith(legacy + "\n\n<!-- AUTOPACK_INDEX_START -->\n")
    assert parse(Kind.DECISION, text).entries[0].content.title == "Use SQLite"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("- **Decision:** d", "- **Decision:** other", "LEDGER_DIGEST_MISMATCH"),
        ("## DEC-0002: Two", "## DEC-0002: Too", "LEDGER_DIGEST_MISMATCH"),
        ("2026-01-31\n- **Context", "2026-01-30\n- **Context", "LEDGER_DIGEST_MISMATCH"),
        ("- **Decision:** d", "- **Decision:**  d", "LEDGER_MALFORMED"),
        ("## DEC-0002", "## DEC-0003", "LEDGER_ID_INVALID"),
        ("## DEC-0002", "## BUILD-0002", "LEDGER_MALFORMED"),
        ("| [DEC-0002]", "| [DEC-0009]", "LEDGER_INDEX_STALE"),
        ("- **Alternatives:** a\n", "", "LEDGER_FIELD_MISSING"),
        ("- **Alternatives:** a\n", "- **Alternatives:** a\n- **Alternative:** b\n", "LEDGER_FIELD_UNKNOWN"),
        ("- **Alternatives:** a\n", "- **Alternatives:** a\nloose words\n", "LEDGER_MALFORMED"),
    ],
)
def test_a_touched_entry_is_named_with_its_line(old: str, new: str, code: str) -> None:
    text = render(ledger_of("One", "Two"))
    before, after = text.rsplit(old, 1)

    found = reasons_of(Kind.DECISION, before + new + after)

    assert found[0][0] == code
    assert found[0][1] > 1


def test_a_removed_entry_breaks_the_chain() -> None:
    ledger = ledger_of("One", "Two", "Three")
    text = render(Ledger(Kind.DECISION, ledger.preamble, (ledger.entries[0], ledger.entries[2])))

    assert {code for code, _ in reasons_of(Kind.DECISION, text)} == {
        "LEDGER_ID_INVALID",
        "LEDGER_CHAIN_BROKEN",
    }


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        (DRAFT.replace("DEC:", "DEC-0001:"), "LEDGER_ID_INVALID"),
        (DRAFT.replace("DEC:", "DBG:"), "LEDGER_MALFORMED"),
        (DRAFT + "- **Date:** yesterday\n", "LEDGER_MALFORMED"),
        (DRAFT + "- **Supersedes:** DEC-0002\n", "LEDGER_SUPERSEDES_INVALID"),
        (DRAFT + "- **Supersedes:** the first\n", "LEDGER_SUPERSEDES_INVALID"),
        (DRAFT + "- **Context:** again\n", "LEDGER_MALFORMED"),
        (DRAFT.replace("Keep one writer", "x" * 201), "LEDGER_TITLE_INVALID"),
    ],
)
def test_a_draft_is_checked_like_any_entry(draft: str, code: str) -> None:
    assert code in {found for found, _ in reasons_of(Kind.DECISION, render(ledger_of("One")) + draft)}


def test_nothing_invisible_enters_an_entry() -> None:
    content = decision("a\x1b[31m\u202eb\n c", Context="x\x00y\r\nz \t\n\n")

    assert content.title == "a[31mb c"
    assert content.get("Context") == "xy\nz"


@pytest.mark.parametrize(
    "line",
    ["loose words", "<!-- sealed: sha256 x -->", "## DEC: x", "- **Context:** again", "```", "~~~\n```", ""],
)
def test_nothing_that_is_written_takes_long_to_refuse(line: str) -> None:
    text = render(ledger_of("One")) + DRAFT + f"{line}\n" * 20_000 + "`" * 3000 + "\n"
    begin = time.process_time()

    with suppress(InvalidInput):
        parse(Kind.DECISION, text)
    assert time.process_time() - begin < 3


def test_five_thousand_entries_are_read_in_reasonable_time() -> None:
    text = render(append(empty(Kind.DECISION), [(decision(str(n)), DAY) for n in range(5000)], DAY))
    begin = time.process_time()

    assert len(parse(Kind.DECISION, text).entries) == 5000
    assert time.process_time() - begin < 2
