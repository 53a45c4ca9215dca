"""Tidy says once what happened in each merged run, and says it the same way every time."""

import re
from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import Reason
from autopack.ledger.append_only import check_append_only
from autopack.ledger.document import Ledger, empty, parse, render
from autopack.ledger.entry import Kind
from memory_svc.domain.records import DecisionRecord
from memory_svc.domain.tidy import contents_of_run, tidy
from tests.memory_svc.memory_samples import SUBMITTED, ZERO_DIVISION, failed_phase, phase, refused, run

TODAY = date(2026, 2, 1)


def new() -> dict[Kind, Ledger]:
    return {kind: empty(kind) for kind in Kind}


def test_one_build_per_run_with_its_phases() -> None:
    record = run("run-1", phase("fix-gcd"), phase("docs", goal="Say it", paths=("README.md",)))

    ledgers = tidy(new(), [record], TODAY)

    (entry,) = ledgers[Kind.BUILD].entries
    assert entry.entry_id == "BUILD-0001"
    assert entry.date == SUBMITTED.date()
    assert entry.content.title == "mathlib: Make the failing gcd tests pass; Say it"
    assert entry.content.get("Run") == "run-1"
    assert entry.content.get("Phases").splitlines() == [
        "2 of 2 landed",
        f"- `fix-gcd` LANDED commit `{'c' * 40}` verdict `{'d' * 64}`",
        f"- `docs` LANDED commit `{'c' * 40}` verdict `{'d' * 64}`",
    ]
    assert entry.content.get("Verified").splitlines()[1] == "- `fix-gcd`: tests: 3 passed"
    assert entry.content.get("Files") == "2 files\n- `README.md`\n- `src/gcd.py`"
    assert not ledgers[Kind.DEBUG].entries


def test_a_refusal_that_was_mended_is_a_debug_entry() -> None:
    record = run("run-1", phase("fix-gcd", refused(1, ZERO_DIVISION)))

    (entry,) = tidy(new(), [record], TODAY)[Kind.DEBUG].entries

    assert entry.content.title.startswith("fix-gcd: tests/test_gcd.py::test\\_zero"[:20])
    assert entry.content.get("Failure") == "attempt 1 was refused: CHECK_FAILED"
    assert "ZeroDivisionError" in entry.content.get("Root cause")
    assert "(`tests/test_gcd.py`, line 7)" in entry.content.get("Root cause")
    assert entry.content.get("Fix").endswith("attempt 2 landed and changed `src/gcd.py`")
    assert entry.content.get("Verification") == "tests: 3 passed"
    assert entry.content.get("Commit") == f"`{'c' * 40}`"


def test_what_failed_for_good_is_named_in_the_build_and_not_called_understood() -> None:
    record = run("run-1", phase(), failed_phase("cli", refused(1, Reason("NO_CHANGE", "nothing changed"))))

    ledgers = tidy(new(), [record], TODAY)

    assert "- `cli` FAILED: NO_CHANGE: nothing changed" in ledgers[Kind.BUILD].entries[0].content.get(
        "Phases"
    )
    assert not ledgers[Kind.DEBUG].entries


DECISION = DecisionRecord(
    "Round half up", "Cents were lost.", "Half a cent\nis rounded up.", "Banker's rounding.", "<b>None</b>."
)


def test_what_a_phase_decided_is_a_decision_entry() -> None:
    record = run("run-1", phase("fix-gcd", decision=DECISION), failed_phase("cli"))

    (entry,) = tidy(new(), [record], TODAY)[Kind.DECISION].entries

    said = entry.content.get
    assert (entry.content.title, said("Decision")) == ("Round half up", "Half a cent\nis rounded up.")
    assert (said("Run"), said("Phase"), said("Consequences")) == ("run-1", "`fix-gcd`", "\\<b>None\\</b>.")
    assert said("Verdict") == f"`{'d' * 64}`"


def test_a_decision_supersedes_earlier_ones_and_none_that_there_never_was() -> None:
    before = tidy(new(), [run("run-1", phase(decision=DECISION))], TODAY)
    later = replace(DECISION, title="Round down", supersedes=("DEC-0001", "DEC-0009", "DEC-0001"))

    ledger = tidy(before, [run("run-2", phase(decision=later))], TODAY)[Kind.DECISION]

    assert ledger.entries[1].content.supersedes == ("DEC-0001",)
    assert parse(Kind.DECISION, render(ledger)) == ledger


def test_a_decision_of_blanks_is_an_entry_all_the_same() -> None:
    blank = DecisionRecord(" ", "\n", "\t", "\x00", "\u202e")

    (entry,) = tidy(new(), [run("run-1", phase(decision=blank))], TODAY)[Kind.DECISION].entries

    assert (entry.content.title, entry.content.get("Context")) == ("`fix-gcd`", "not recorded")


def test_a_run_that_landed_nothing_has_no_entry() -> None:
    assert contents_of_run(run("run-1", failed_phase("cli"))) == ()


def test_a_run_is_added_once() -> None:
    record = run("run-1", phase("fix-gcd", refused(1, ZERO_DIVISION)))
    once = tidy(new(), [record, record], TODAY)

    assert tidy(once, [record], TODAY) == once
    assert [len(once[kind].entries) for kind in (Kind.BUILD, Kind.DEBUG)] == [1, 1]


def test_drafts_are_sealed_also_when_no_run_is_new() -> None:
    draft = "## DEC: D\n\n- **Context:** c\n- **Decision:** d\n- **Alternatives:** a\n- **Consequences:** e\n"
    ledgers = new() | {Kind.DECISION: parse(Kind.DECISION, draft)}

    (entry,) = tidy(ledgers, [], TODAY)[Kind.DECISION].entries

    assert (entry.entry_id, entry.date) == ("DEC-0001", TODAY)


hostile = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "<!-- AUTOPACK_INDEX_END -->",
            "x\n\n## BUILD-0009: Forged\n\n- **Run:** run-2",
            "![](http://attacker/x.png) <script>",
            "a | b `c` \\",
        ]
    ),
)


@given(hostile, hostile, hostile, hostile)
def test_whatever_a_run_says_the_ledgers_only_grow(goal: str, check: str, path: str, message: str) -> None:
    reason = Reason("CHECK_FAILED", message, path=path)
    record = replace(
        run("run-1", phase("p", refused(1, reason), goal=goal, checks=(check,), paths=(path,))),
        plan_name=goal,
    )
    before = tidy(new(), [run("run-0", phase())], TODAY)

    after = tidy(before, [record], TODAY)

    for kind in Kind:
        assert check_append_only(before[kind], after[kind]) == ()
        assert parse(kind, render(after[kind])) == after[kind]
    fields = after[Kind.BUILD].entries[1].content.fields
    words = re.sub(r"(?s)(`+)(?!`).*?(?<!`)\1(?!`)", "", "".join(field.value for field in fields))
    assert not re.search(r"(?<!\\)(\\\\)*[<\[]", words)


def test_two_thousand_phases_make_an_entry_that_can_be_sent() -> None:
    record = run("run-1", *(phase(f"phase-{n}", goal="g" * 500) for n in range(2000)))

    (entry,) = tidy(new(), [record], TODAY)[Kind.BUILD].entries

    assert entry.content.get("Phases").splitlines()[-1] == "- and 1800 more"
    assert all(len(field.value) < 65536 for field in entry.content.fields)
