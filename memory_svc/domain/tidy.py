"""Turns the records of merged runs into ledger entries; the same records give the same entries."""

from collections.abc import Mapping, Sequence
from datetime import date

from autopack.ledger.document import Ledger, append
from autopack.ledger.entry import SUPERSEDES, TITLE_LIMIT, Content, Kind, make_content
from memory_svc.domain.records import AttemptRecord, DecisionRecord, PhaseRecord, PhaseState, RunRecord
from memory_svc.domain.signature import signature_of
from memory_svc.domain.wording import code, listing, plain, prose, reason_line


def tidy(ledgers: Mapping[Kind, Ledger], records: Sequence[RunRecord], today: date) -> dict[Kind, Ledger]:
    """The ledgers with drafts sealed and the records' entries added; equal ones where nothing is to add.

    `today` dates the drafts that have no date of their own. A run that a ledger names already adds nothing.
    """
    known = recorded_runs(ledgers)
    added: dict[Kind, list[tuple[Content, date]]] = {kind: [] for kind in Kind}
    for record in records:
        if record.run_id not in known:
            known.add(record.run_id)
            for content in contents_of_run(record):
                ledger = ledgers[content.kind]
                content = _without_unknown(content, len(ledger.entries) + len(ledger.drafts))
                added[content.kind].append((content, record.submit_time.date()))
    return {kind: append(ledger, added[kind], today) for kind, ledger in ledgers.items()}


def recorded_runs(ledgers: Mapping[Kind, Ledger]) -> set[str]:
    """Runs that have their entry."""
    return {run for entry in ledgers[Kind.BUILD].entries if (run := entry.content.get("Run"))}


def contents_of_run(record: RunRecord) -> tuple[Content, ...]:
    """One BUILD, a DBG for each phase that was refused before it landed, a DEC for each that decided.

    None where none landed.
    """
    if record.internal or not record.landed:
        return ()
    fixed = [phase for phase in record.landed if phase.refusals]
    decided = [(phase, phase.decision) for phase in record.landed if phase.decision]
    return (
        _build(record),
        *(_debug(record, phase) for phase in fixed),
        *(_decide(record, phase, decision) for phase, decision in decided),
    )


def _build(record: RunRecord) -> Content:
    paths = sorted({path for phase in record.landed for path in phase.paths})
    goals = "; ".join(phase.goal for phase in record.landed)
    count = f"{len(record.landed)} of {len(record.phases)} landed"
    return make_content(
        Kind.BUILD,
        plain(f"{record.plan_name}: {goals}", TITLE_LIMIT // 2),
        {
            "What changed": listing(
                "each phase a commit:",
                [
                    f"{code(phase.phase_id)} ({plain(phase.category)}): {_goal(phase)}"
                    for phase in record.landed
                ],
            ),
            "Verified": listing(
                "each commit on its own tree:",
                [f"{code(phase.phase_id)}: {_checks(phase)}" for phase in record.landed],
            ),
            "Run": record.run_id,
            "Base": code(record.base),
            "Head": code(record.head),
            **({"Tree": code(record.tree)} if record.tree else {}),
            "Phases": listing(count, [_outcome(phase) for phase in record.phases], keep=True),
            "Files": listing(f"{len(paths)} files", [code(path) for path in paths], keep=True),
        },
    )


def _outcome(phase: PhaseRecord) -> str:
    said = f"{code(phase.phase_id)} {phase.state}"
    if phase.state is PhaseState.LANDED:
        return f"{said} commit {code(phase.commit)} verdict {code(phase.decision_digest)}"
    last = phase.refusals[-1:]
    return f"{said}: {'; '.join(reason_line(reason) for reason in last[0].reasons[:3])}" if last else said


def _debug(record: RunRecord, phase: PhaseRecord) -> Content:
    refusals = phase.refusals
    first = refusals[0].reasons[0]
    marks = signature_of((reason for attempt in refusals for reason in attempt.reasons), phase.paths)
    return make_content(
        Kind.DEBUG,
        plain(f"{phase.phase_id}: {first.message}", TITLE_LIMIT // 2),
        {
            "Failure": listing(
                f"{len(refusals)} attempts were refused:",
                [f"attempt {attempt.number} was refused: {_codes(attempt)}" for attempt in refusals],
            ),
            "Root cause": listing(
                "what the refusals found:",
                list(
                    dict.fromkeys(reason_line(reason) for attempt in refusals for reason in attempt.reasons)
                ),
                most=20,
            ),
            "Fix": f"{_goal(phase)}; attempt {len(phase.attempts)} landed and changed "
            + (", ".join(code(path) for path in phase.paths[:20]) or "nothing that was recorded"),
            "Verification": _checks(phase),
            **({"Signature": ", ".join(map(code, marks))} if marks else {}),
            "Run": record.run_id,
            "Phase": code(phase.phase_id),
            "Commit": code(phase.commit),
            "Verdict": code(phase.decision_digest),
        },
    )


def _decide(record: RunRecord, phase: PhaseRecord, decision: DecisionRecord) -> Content:
    return make_content(
        Kind.DECISION,
        plain(decision.title, TITLE_LIMIT // 2) or code(phase.phase_id),
        {
            "Context": prose(decision.context),
            "Decision": prose(decision.decision),
            "Alternatives": prose(decision.alternatives),
            "Consequences": prose(decision.consequences),
            "Run": record.run_id,
            "Phase": code(phase.phase_id),
            "Commit": code(phase.commit),
            "Verdict": code(phase.decision_digest),
            SUPERSEDES: ", ".join(dict.fromkeys(decision.supersedes)),
        },
    )


def _without_unknown(content: Content, entries: int) -> Content:
    """Supersedes nothing but entries that the ledger has: a plan may name what there never was."""
    known = [name for name in content.supersedes if 0 < int(name.split("-")[1]) <= entries]
    fields = {field.name: field.value for field in content.fields} | {SUPERSEDES: ", ".join(known)}
    return make_content(content.kind, content.title, fields)


def _codes(attempt: AttemptRecord) -> str:
    return ", ".join(dict.fromkeys(reason.code for reason in attempt.reasons))


def _goal(phase: PhaseRecord) -> str:
    return plain(phase.goal, 200) or "no goal was recorded"


def _checks(phase: PhaseRecord) -> str:
    return plain("; ".join(phase.checks), 300) or "no check was recorded"
