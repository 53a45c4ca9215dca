"""Audits the packages that a change brings in, against a directory of advisories and the policy's licences.

There is no network here: what the operator has not put there has not been audited, and that is said.
"""

import json
import re
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from auditor_svc.domain.advisories import is_affected, severity_of
from auditor_svc.domain.change import ChangedFile
from auditor_svc.domain.dependencies import PYPI, Dependency, Unreadable, dependencies, names_dependencies
from auditor_svc.domain.findings import AnalyzerReport, Detection, Severity
from autopack.text import head, neutralise

NAME = "dependencies"
_RECORD_BYTES = 5_000_000
_NAMED = 10
"""Packages that one message names."""


class Advisories:
    """OSV's exports, one an ecosystem: `PyPI.zip` or a directory `PyPI` of JSON files."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def stamp(self) -> str:
        """Another one when the advisories are others; empty where there are none. Blocks."""
        if self._directory is None or not self._directory.is_dir():
            return ""
        found = ((path.name, path.stat()) for path in sorted(self._directory.iterdir()))
        return ",".join(f"{name}:{status.st_size}:{status.st_mtime_ns}" for name, status in found)

    def has(self, ecosystem: str) -> bool:
        """Whether any are here. Blocks."""
        return self._place(ecosystem) is not None

    def against(self, wanted: Sequence[Dependency]) -> Iterator[tuple[Dependency, Mapping[str, Any]]]:
        """Records that speak of these, which are of one ecosystem. Blocks.

        Raises OSError, ValueError, LookupError, TypeError, BadZipFile for what is no such export.
        """
        names = b"|".join({_pattern(each) for each in wanted})
        # Most records are of other packages, and to parse them all takes a hundred times as long.
        named = re.compile(rb'"name":\s*"(?:' + names + rb')"', re.IGNORECASE)
        for data in self._records(wanted[0].ecosystem):
            if named.search(data):
                record = json.loads(data)
                yield from ((each, record) for each in wanted if is_affected(record, each))

    def _place(self, ecosystem: str) -> Path | None:
        if self._directory is None:
            return None
        places = (self._directory / f"{ecosystem}.zip", self._directory / ecosystem)
        return next((place for place in places if place.exists()), None)

    def _records(self, ecosystem: str) -> Iterator[bytes]:
        place = self._place(ecosystem)
        if place is None:
            return
        if place.is_dir():
            yield from (path.read_bytes() for path in sorted(place.rglob("*.json")))
            return
        with zipfile.ZipFile(place) as archive:
            for item in archive.infolist():
                if item.filename.endswith(".json") and item.file_size <= _RECORD_BYTES:
                    yield archive.read(item)


def _pattern(dependency: Dependency) -> bytes:
    parts = map(re.escape, dependency.name.split("-") if dependency.ecosystem == PYPI else [dependency.name])
    return "[-_.]+".join(parts).encode()


def audit_dependencies(
    files: Sequence[ChangedFile], allowed: Sequence[str], advisories: Advisories
) -> AnalyzerReport:
    """What the change brings in: packages, or versions of them, that its files did not name before. Blocks.

    `allowed` are the licences that the policy allows, as SPDX names them; empty: any.
    """
    started = time.perf_counter()
    new: list[Detection] = []
    read = 0
    for item in files:
        if not names_dependencies(item.path):
            continue
        try:
            brought = _brought(item)
        except Unreadable as error:
            new.append(_unaudited(item, f"what it names has not been audited: {error}"))
            continue
        read += 1
        new += _known_against(item, brought, advisories)
        if allowed:
            new += _licenses(item, brought, allowed)
    return AnalyzerReport(NAME, "1", read, time.perf_counter() - started, tuple(new))


def _brought(item: ChangedFile) -> list[Dependency]:
    try:
        before = dependencies(item.old_path, item.old) if item.old is not None else frozenset()
    except Unreadable:
        before = frozenset()
    return sorted(
        dependencies(item.path, item.new) - before, key=lambda each: (each.ecosystem, each.name, each.version)
    )


def _known_against(
    item: ChangedFile, brought: Sequence[Dependency], advisories: Advisories
) -> Iterator[Detection]:
    for ecosystem in sorted({each.ecosystem for each in brought}):
        wanted = [each for each in brought if each.ecosystem == ecosystem]
        if not advisories.has(ecosystem):
            yield _unaudited(
                item, f"{_named(wanted)} not audited: there are no advisories for {ecosystem} here"
            )
            continue
        exact, ranges = ([each for each in wanted if bool(each.version) is exact] for exact in (True, False))
        if ranges:
            yield _unaudited(item, f"{_named(ranges)} not audited: no exact version is named")
        try:
            for dependency, record in advisories.against(exact) if exact else ():
                yield _advisory(item, dependency, record)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            yield _unaudited(item, f"the advisories for {ecosystem} cannot be read: {type(error).__name__}")


def _licenses(
    item: ChangedFile, brought: Sequence[Dependency], allowed: Sequence[str]
) -> Iterator[Detection]:
    unknown = [each for each in brought if not each.license]
    if unknown:
        yield _unaudited(
            item, f"the licences of {_named(unknown)} are not audited: the file does not say them"
        )
    for each in brought:
        if each.license and each.license not in allowed:
            shown = head(neutralise(each.license, one_line=True), 100)
            yield _detection(
                item,
                "license-not-allowed",
                Severity.HIGH,
                f"{_named([each])} has the licence {shown}, which audit.licenses does not allow",
                each,
            )


def _advisory(item: ChangedFile, dependency: Dependency, record: Mapping[str, Any]) -> Detection:
    said = head(neutralise(str(record.get("summary") or "see the advisory"), one_line=True), 200)
    number = head(neutralise(str(record["id"]), one_line=True), 100)
    return _detection(
        item,
        number,
        severity_of(record),
        f"{_named([dependency])} is known to be vulnerable: {said}",
        dependency,
        f"https://osv.dev/vulnerability/{number}",
    )


def _unaudited(item: ChangedFile, message: str) -> Detection:
    return _detection(item, "dependency-not-audited", Severity.LOW, message, Dependency("", message))


def _detection(
    item: ChangedFile,
    rule: str,
    severity: Severity,
    message: str,
    dependency: Dependency,
    help_uri: str = "",
) -> Detection:
    line = _line(item, dependency.name)
    evidence = f"{rule} {dependency.name} {dependency.version}"
    return Detection(
        analyzer=NAME,
        rule_id=rule,
        severity=severity,
        message=message,
        path=item.path,
        line=line,
        end_line=line,
        evidence=evidence,
        masked_evidence=evidence,
        cwe=("CWE-1395",) if help_uri else (),
        help_uri=help_uri,
    )


def _line(item: ChangedFile, name: str) -> int:
    """Where the file names it first, as people would look for it."""
    wanted = name.lower().encode()
    lines = item.new.lower().splitlines()
    return next((number for number, line in enumerate(lines, 1) if wanted in line), 1)


def _named(found: Sequence[Dependency]) -> str:
    names = [f"{each.name} {each.version}".strip() for each in found[:_NAMED]]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return neutralise(", ".join(names) + more, one_line=True)
