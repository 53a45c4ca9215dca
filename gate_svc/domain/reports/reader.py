"""From what a check left behind to evidence, by the way in which it reports."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from autopack.errors import Reason
from gate_svc.domain.blinding.judge import judge
from gate_svc.domain.blinding.sites import Blinded
from gate_svc.domain.evidence import Ended, Evidence, EvidenceError, confront
from gate_svc.domain.reports.junit import read_junit
from gate_svc.domain.reports.records import read_records, read_values
from gate_svc.domain.reports.tap import read_tap

_READERS: dict[str, Callable[[bytes, bool], Evidence]] = {
    "pytest": read_records,
    "unittest": read_records,
    "junit": lambda report, _: read_junit(report),
    "tap": lambda report, _: read_tap(report),
}

_LEFT_NOTHING = {
    "pytest": "let the check run pytest itself, and add to PYTHONPATH and PYTEST_ADDOPTS instead of "
    "setting them (PYTHONPATH=src:$PYTHONPATH): the gate's reporter is named there",
    "unittest": "let the check run unittest's own runner, and add to PYTHONPATH instead of setting it "
    "(PYTHONPATH=src:$PYTHONPATH): the gate's reporter is named there",
    "junit": "let the check write its report to the path that `reports: junit:PATH` names",
    "tap": "let the check print TAP on standard output",
}


def read_evidence(
    reports: str, report: bytes | None, ended: Ended, blinded: Mapping[str, Blinded] = MappingProxyType({})
) -> tuple[Evidence | None, Reason | None]:
    """The evidence of one run, and why it is unusable; both None where nothing is reported by test.

    Evidence that contradicts how the command ended is kept beside the fault: it can still be a baseline.
    """
    kind = reports.partition(":")[0]
    if kind == "none":
        return None, None
    if not report:
        return None, Reason("EVIDENCE_MISSING", "the check left no record of its tests", _LEFT_NOTHING[kind])
    try:
        evidence = _READERS[kind](report, ended.limit == "time")
        if blinded:
            evidence = judge(evidence, read_values(report), blinded)
    except EvidenceError as error:
        return None, error.reason
    return evidence, confront(evidence, ended)
