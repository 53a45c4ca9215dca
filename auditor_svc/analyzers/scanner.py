"""The port that every analyzer stands behind, and how what it saw becomes a detection."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from auditor_svc.domain.change import ChangedFile
from auditor_svc.domain.findings import AnalyzerReport
from auditor_svc.domain.fingerprints import evidence, mask_literals


class Scanner(Protocol):
    """Runs analyzers over the files of a change, isolated from whatever the files configure."""

    @property
    def names(self) -> tuple[str, ...]:
        """The analyzers that it runs."""

    async def versions(self) -> Mapping[str, str]:
        """Version of each analyzer. Raises Unavailable `ANALYZER_UNAVAILABLE` where one cannot run."""

    async def scan(self, files: Sequence[ChangedFile]) -> tuple[AnalyzerReport, ...]:
        """One report for each analyzer; what one could not do is in its report, not an exception."""

    async def close(self) -> None:
        """Ends what it runs."""


class Text:
    """A file's lines, for evidence: what is shown to nobody, and what fingerprints may be made of."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._masked = self._lines

    def mask(self, line: int, spans: Sequence[Sequence[int]]) -> None:
        """Takes a secret out of what fingerprints may be made of."""
        if self._masked is self._lines:
            self._masked = list(self._lines)
        masked = list(self._masked[line - 1])
        for start, end in spans:
            masked[start:end] = "\0" * (end - start)
        self._masked[line - 1] = "".join(masked)

    def evidence(self, line: int, end_line: int) -> str:
        return evidence(self._lines, line, end_line)

    def masked_evidence(self, line: int, end_line: int) -> str:
        return mask_literals(evidence(self._masked, line, end_line).replace("\0", ""))
