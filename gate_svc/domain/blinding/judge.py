"""Judges what blinded tests sent, outside the process that ran them."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gate_svc.domain.blinding.compare import Opaque, holds, read
from gate_svc.domain.blinding.sites import Blinded, Site
from gate_svc.domain.evidence import Doubt, DoubtKind, Evidence, Outcome, Proof, collect
from gate_svc.domain.text import one_line

DETAIL_LIMIT = 300
"""Characters of what is said on one value."""

Value = tuple[str, int, int | None, Any]
_HIDDEN = re.compile(r"hidden<(\d+)>")
_WORST_FIRST = tuple(DoubtKind)


@dataclass(slots=True)
class _Test:
    """What one test sent."""

    doubts: list[Doubt]
    reached: set[int]
    sides: dict[int, list[Any]]


def judge(evidence: Evidence, values: Iterable[Value], files: Mapping[str, Blinded]) -> Evidence:
    """The evidence of a blinded run with what its values say, and its tests under their usual names.

    A test that failed by its own account stays failed.
    """
    sites = {site.id: (path, site) for path, blinded in files.items() for site in blinded.sites.values()}
    tests: dict[str, _Test] = defaultdict(lambda: _Test([], set(), defaultdict(list)))
    for test, number, token, shown in values:
        path, site = sites.get(number, ("", None))
        if site is None:
            continue
        sent = tests[one_line(test)]
        sent.reached.add(number)
        if site.operation in ("same", "other"):
            sent.sides[number].append(shown)
        elif doubt := _doubt(path, site, files[path].tokens, token, shown):
            sent.doubts.append(doubt)
    proofs: dict[str, Proof] = {}
    doubts: dict[str, Doubt] = {}
    reached: dict[str, int] = {}
    for name, outcome in evidence.tests.items():
        path, function = where(name, files)
        sent = tests[name]
        if not path or outcome is not Outcome.PASSED:
            continue
        found = [*sent.doubts, *_unequal(sent, sites), *_missing(function, sent.reached, files[path])]
        usual = usual_name(name, files[path])
        if found:
            doubts[usual] = min(found, key=lambda doubt: _WORST_FIRST.index(doubt.kind))
        if sent.reached:
            reached[usual] = len(sent.reached)
            whole = files[path].blind.get(function, False)
            proofs[usual] = Proof.BLIND if whole else Proof.COMPARED
    named = [
        (usual_name(name, files.get(where(name, files)[0])), each) for name, each in evidence.tests.items()
    ]
    places = {
        str(site.id): f"{path}:{site.line}#{number}"
        for path, blinded in files.items()
        for number, site in enumerate(blinded.sites.values())
    }
    twins = {places[number]: failed for number, failed in evidence.twins.items() if number in places}
    return replace(
        evidence,
        tests=collect(named),
        unfinished=tuple(usual_name(name, files.get(where(name, files)[0])) for name in evidence.unfinished),
        proofs=proofs,
        doubts=doubts,
        reached=reached,
        twins=twins,
    )


def where(test: str, files: Mapping[str, Blinded]) -> tuple[str, str]:
    """The blinded file and function of a test, by its id as pytest or unittest gives it; empty for none."""
    path, separator, rest = test.partition("::")
    if separator:
        function = rest.partition("[")[0].replace("::", ".")
        return (path, function) if path in files else ("", "")
    parts = test.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module = "/".join(parts[:split]) + ".py"
        for path in files:
            if path == module or path.endswith(f"/{module}"):
                return path, ".".join(parts[split:])
    return "", ""


def usual_name(test: str, blinded: Blinded | None) -> str:
    """The name that a test has where its expectations are not hidden."""
    if blinded is None:
        return test

    def shown(match: re.Match[str]) -> str:
        value = blinded.tokens.get(int(match[1]))
        return value.encode("unicode_escape").decode() if isinstance(value, str) else str(value)

    return _HIDDEN.sub(shown, test)


def _doubt(path: str, site: Site, tokens: Mapping[int, Any], token: int | None, shown: Any) -> Doubt | None:
    said = one_line(f"{path}:{site.line}: {site.text}", DETAIL_LIMIT)
    expected = site.expected
    if site.hidden:
        if token is None or token not in tokens:
            return Doubt(DoubtKind.UNJUDGED, f"{said} was compared with something else")
        expected = tokens[token]
    try:
        if holds(site.operation, shown, expected):
            return None
    except Opaque:
        return Doubt(DoubtKind.UNJUDGED, f"{said} is no value of a built-in type")
    return Doubt(
        DoubtKind.WRONG, one_line(f"{said} is {_told(shown)}, which is not expected", 2 * DETAIL_LIMIT)
    )


def _unequal(sent: _Test, sites: Mapping[int, tuple[str, Site]]) -> Iterator[Doubt]:
    """Equalities both sides of which were sent."""
    for number, lefts in sent.sides.items():
        path, site = sites[number]
        if site.operation != "same":
            continue
        rights = sent.sides.get(site.expected, [])
        said = f"{path}:{site.line}: {site.text}"
        for left, right in zip(lefts, rights, strict=False):
            if left == right or left == ["big"]:
                continue
            try:
                if read(left) == read(right):
                    continue
                yield Doubt(DoubtKind.WRONG, one_line(f"{said} is {_told(left)}, not {_told(right)}"))
            except Opaque:
                yield Doubt(DoubtKind.UNEQUAL, one_line(f"{said} holds something else than what it equals"))
        if len(lefts) != len(rights):
            yield Doubt(DoubtKind.MISSING, one_line(f"{said}: one side was sent without the other"))


def _missing(function: str, reached: set[int], blinded: Blinded) -> Iterator[Doubt]:
    for site in blinded.sites.values():
        if site.required == function and site.id not in reached:
            yield Doubt(DoubtKind.MISSING, one_line(f"line {site.line}: {site.text} was not come to"))


def _told(shown: Any) -> str:
    try:
        return repr(read(shown))[:DETAIL_LIMIT]
    except Opaque:
        return "an object"
