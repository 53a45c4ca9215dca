"""Reads the records that the gate's own reporters write, one JSON object a line."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from gate_svc.domain.evidence import Evidence, EvidenceError, Outcome, collect
from gate_svc.domain.text import one_line

TEST_LIMIT = 500_000
"""Records of one run; more are refused."""

CANARY, TWIN = "canary", "twin:"
"""Sessions, in forks of a test run's own, of what must fail; after the latter the number of its site."""


def read_records(report: bytes, timed_out: bool = False) -> Evidence:
    """Outcomes of all sessions of one run. Raises EvidenceError where they are not whole.

    A session that was started and never finished proves nothing: the interpreter crashed or left early. Of a
    run that was stopped at its time limit it is still known which tests there are.
    """
    started: set[str] = set()
    finished: set[str] = set()
    failed = False
    collected: list[str] = []
    unloaded: list[str] = []
    outcomes: list[tuple[str, Outcome]] = []
    canary, twins = None, {}
    for record in _records(report):
        if record.get("event") == "value":
            continue  # for whoever knows what is expected: `read_values`
        session = _text(record, "session")
        if session == CANARY or session.startswith(TWIN):
            if record.get("event") == "test" and session == CANARY:
                canary = _outcome(record)
            elif record.get("event") == "test":
                twins[session.removeprefix(TWIN)] = _outcome(record) is not Outcome.PASSED
            continue
        match record.get("event"):
            case "start":
                started.add(session)
            case "collected":
                collected.extend(_names(record))
            case "unloaded":
                unloaded.append(_text(record, "id"))
            case "test":
                outcomes.append((_text(record, "id"), _outcome(record)))
            case "finish":
                finished.add(session)
                failed = failed or record.get("exit") != 0
            case event:
                raise _unreadable(f"an unknown event {one_line(str(event), 50)}")
    if not started or (started - finished and not (timed_out and collected)):
        raise EvidenceError(
            "EVIDENCE_MISSING",
            "the test runner was started and never finished: its process crashed or left early"
            if started
            else "the test runner never started",
            "run the check by itself and see why it ends early",
        )
    spread = _spread(outcomes, [one_line(name) for name in collected])
    tests = collect(spread)
    broken = tuple(sorted({one_line(name) for name in unloaded}))
    missing = tuple(sorted({one_line(name) for name in collected} - tests.keys()))
    return Evidence(
        tests=tests,
        unloaded=broken,
        unfinished=missing,
        runner_failed=failed,
        canary=canary,
        twins=twins,
    )


def read_values(report: bytes) -> Iterator[tuple[str, int, int | None, Any]]:
    """What blinded tests sent: test, site, token of the expectation, value. Raises EvidenceError."""
    for record in _records(report):
        if record.get("event") == "value":
            site, token = record.get("site"), record.get("token")
            if type(site) is not int or not isinstance(token, int | None) or "value" not in record:
                raise _unreadable("a value without its place")
            test = record.get("test")
            yield test if isinstance(test, str) else "", site, token, record["value"]


def read_probe(report: bytes) -> Iterator[dict[str, Any]]:
    """What the probe wrote. Raises EvidenceError."""
    return (record for record in _records(report) if record.get("event") == "probe")


def _records(report: bytes) -> Iterator[dict[str, Any]]:
    lines = report.splitlines()
    if len(lines) > TEST_LIMIT:
        raise _unreadable(f"{len(lines)} records, more than {TEST_LIMIT}")
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise _unreadable(f"line {number} is not JSON") from None
        if not isinstance(record, dict):
            raise _unreadable(f"line {number} is not an object")
        yield record


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value:
        raise _unreadable(f"a record without {key}")
    return value


def _names(record: dict[str, Any]) -> list[str]:
    names = record.get("ids")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _unreadable("a collection that is no list of names")
    return names


def _outcome(record: dict[str, Any]) -> Outcome:
    try:
        return Outcome(_text(record, "outcome"))
    except ValueError:
        raise _unreadable("a test with an unknown outcome") from None


def _spread(outcomes: Iterable[tuple[str, Outcome]], collected: list[str]) -> Iterator[tuple[str, Outcome]]:
    """unittest reports a failed or skipped `setUpClass (module.Class)` once, in place of its tests."""
    for name, outcome in outcomes:
        kind, _, owner = name.partition(" (")
        if kind not in ("setUpClass", "tearDownClass", "setUpModule", "tearDownModule") or not owner:
            yield name, outcome
            continue
        prefix = one_line(owner.removesuffix(")")) + "."
        members = [test for test in collected if test.startswith(prefix)]
        yield from ((member, outcome) for member in members)
        if not members:
            yield name, outcome


def _unreadable(what: str) -> EvidenceError:
    return EvidenceError(
        "EVIDENCE_UNREADABLE",
        f"the record of the tests holds {what}",
        "nothing but the test runner may write to $AUTOPACK_REPORTS",
    )
