"""What is known against a version of a package: records in OSV's form (ossf.github.io/osv-schema)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from auditor_svc.domain.dependencies import PYPI, Dependency, canonical
from auditor_svc.domain.findings import Severity

_WORDS = {
    "LOW": Severity.LOW,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
_NUMBERS = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?")


def is_affected(record: Mapping[str, Any], dependency: Dependency) -> bool:
    """Whether the record speaks of that version; without one, whether it speaks of the package.

    Raises KeyError, TypeError or ValueError for what is not in OSV's form.
    """
    if record.get("withdrawn"):
        return False
    for affected in record.get("affected", ()):
        package = affected.get("package", {})
        if package.get("ecosystem", "").split(":")[0] != dependency.ecosystem:
            continue
        if canonical(dependency.ecosystem, package["name"]) != dependency.name:
            continue
        if not dependency.version or dependency.version in affected.get("versions", ()):
            return True
        ranges = [each for each in affected.get("ranges", ()) if each["type"] in ("ECOSYSTEM", "SEMVER")]
        if any(_within(dependency, each["events"]) for each in ranges):
            return True
    return False


def severity_of(record: Mapping[str, Any]) -> Severity:
    """What its database says; high where it says nothing that is known."""
    word = str(record.get("database_specific", {}).get("severity", "")).upper()
    return _WORDS.get(word, Severity.HIGH)


def _within(dependency: Dependency, events: Sequence[Mapping[str, str]]) -> bool:
    """OSV's own rule: sorted events switch on at `introduced`, off at `fixed` and after `last_affected`."""
    version = _order(dependency.ecosystem, dependency.version)
    inside = False
    for kind, at in sorted(_events(dependency.ecosystem, events), key=lambda event: event[1]):
        if kind == "introduced" and at <= version:
            inside = True
        elif (kind == "fixed" and at <= version) or (kind == "last_affected" and at < version):
            inside = False
    return inside


def _events(ecosystem: str, events: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, Any]]:
    for event in events:
        for kind, at in event.items():
            if kind in ("introduced", "fixed", "last_affected"):
                yield kind, _order(ecosystem, at)


def _order(ecosystem: str, version: str) -> Any:
    """A key that versions of that ecosystem are ordered by. Raises ValueError."""
    if ecosystem == PYPI:
        from packaging.version import InvalidVersion, Version  # see `dependencies`

        try:
            return Version("0.dev0" if version == "0" else version)
        except InvalidVersion as error:
            raise ValueError(str(error)) from error
    if version == "0":
        return (-1,)
    found = _NUMBERS.match(version)
    if found is None:
        raise ValueError(f"{version!r} is no semantic version")
    before = found[4]
    # A number is less than a word, and any of them less than the release itself.
    marks = [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in (before or "").split(".") if part
    ]
    return (int(found[1]), int(found[2]), int(found[3]), 0 if before else 1, marks)
