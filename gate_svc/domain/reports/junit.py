"""Reads JUnit XML, as most test runners of any language can write it."""

from typing import Any
from xml.parsers import expat

from gate_svc.domain.evidence import Evidence, EvidenceError, Outcome, collect, worse

DEPTH_LIMIT = 50
"""Nesting of elements; real reports have four levels."""

TEST_LIMIT = 200_000
"""Test cases of one report."""

_OUTCOMES = {"failure": Outcome.FAILED, "error": Outcome.ERROR, "skipped": Outcome.SKIPPED}


class _Reader:
    def __init__(self) -> None:
        self.outcomes: list[tuple[str, Outcome]] = []
        self._open: list[str] = []
        self._case: str | None = None
        self._outcome = Outcome.PASSED

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._open and tag not in ("testsuite", "testsuites"):
            raise _unreadable("its root is not testsuites")
        if len(self._open) >= DEPTH_LIMIT:
            raise _unreadable(f"it nests deeper than {DEPTH_LIMIT} elements")
        if tag == "testcase":
            if len(self.outcomes) >= TEST_LIMIT:
                raise _unreadable(f"it has more than {TEST_LIMIT} test cases")
            self._case = "::".join(
                part for part in (attributes.get("classname"), attributes.get("name")) if part
            )
            self._outcome = Outcome.PASSED
        elif self._open and self._open[-1] == "testcase" and tag in _OUTCOMES:
            self._outcome = worse(self._outcome, _OUTCOMES[tag])
        self._open.append(tag)

    def end(self, tag: str) -> None:
        self._open.pop()
        if tag == "testcase":
            if not self._case:
                raise _unreadable("it has a test case without a name")
            self.outcomes.append((self._case, self._outcome))
            self._case = None

    def doctype(self, *_: Any) -> None:
        raise _unreadable("it declares a document type, which results have no use for")


def read_junit(report: bytes) -> Evidence:
    """Outcomes by `classname::name`. Raises EvidenceError; nothing that XML can declare is expanded."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(report, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise _unreadable(f"it is not well-formed XML ({type(error).__name__})") from None
    return Evidence(tests=collect(reader.outcomes))


def _unreadable(what: str) -> EvidenceError:
    return EvidenceError(
        "EVIDENCE_UNREADABLE", f"the JUnit report cannot be used: {what}", "mend how the check writes it"
    )
