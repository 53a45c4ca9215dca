"""Packages that a change brings in are held against advisories and licences; what could not be is said."""

import contextlib
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor_svc.analyzers.dependencies import Advisories, audit_dependencies
from auditor_svc.domain.advisories import is_affected
from auditor_svc.domain.change import ChangedFile
from auditor_svc.domain.dependencies import Dependency, Unreadable, dependencies, names_dependencies
from auditor_svc.domain.findings import AnalyzerReport, Severity
from tests.auditor_svc.auditor_bench import Bench, open_bench

PACKAGE_LOCK = {
    "lockfileVersion": 3,
    "packages": {
        "": {"name": "app", "license": "MIT"},
        "node_modules/left-pad": {"version": "1.3.0", "license": "WTFPL"},
        "node_modules/@scope/x": {"version": "2.0.0-rc.1"},
        "node_modules/mine": {"link": True},
    },
}


def record(name: str, ecosystem: str = "PyPI", number: str = "GHSA-1", **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "2.0"}] if ecosystem == "PyPI" else [{"introduced": "1.0.0"}]
    kind = "ECOSYSTEM" if ecosystem == "PyPI" else "SEMVER"
    affected = {
        "package": {"name": name, "ecosystem": ecosystem},
        "ranges": [{"type": kind, "events": events}],
    }
    return {"id": number, "summary": "it leaks", "affected": [affected], **more}


@pytest.fixture
def advisories(tmp_path: Path) -> Path:
    directory = tmp_path / "advisories"
    directory.mkdir()
    with zipfile.ZipFile(directory / "PyPI.zip", "w") as archive:
        archive.writestr(
            "GHSA-1.json", json.dumps(record("Jinja_2", database_specific={"severity": "MODERATE"}))
        )
        archive.writestr("GHSA-2.json", json.dumps(record("other", number="GHSA-2")))
    (directory / "npm").mkdir()
    (directory / "npm" / "GHSA-3.json").write_text(json.dumps(record("left-pad", "npm", "GHSA-3")))
    return directory


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as opened:
        yield opened


def audited(
    path: str, new: str, old: str | None = None, where: Path | None = None, licenses: tuple[str, ...] = ()
) -> AnalyzerReport:
    item = ChangedFile(path, new.encode(), path if old is not None else "", old.encode() if old else None)
    return audit_dependencies([item], licenses, Advisories(where))


def found(report: AnalyzerReport) -> list[tuple[str, Severity, int]]:
    return [(item.rule_id, item.severity, item.line) for item in report.new]


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("requirements.txt",
         "# a\n-r base.txt\nJinja2[x] == 3.1 ; python_version > '3' \\\n  --hash=sha256:0\nflask>=2\n",
         {("PyPI", "jinja2", "3.1"), ("PyPI", "flask", "")}),
        ("requirements/dev.txt", "a_b.c==1.* # why\n", {("PyPI", "a-b-c", "")}),
        ("dev-constraints.txt", "x===1\n", {("PyPI", "x", "1")}),
        ("pyproject.toml",
         '[project]\ndependencies = ["a==1"]\n[project.optional-dependencies]\nt = ["b"]\n'
         '[dependency-groups]\nd = ["c~=1.0", {include-group = "t"}]\n'
         '[build-system]\nrequires = ["hatchling"]\n'
         '[tool.poetry.dependencies]\npython = "^3"\nD = "^1"\n',
         {("PyPI", "a", "1"), *(("PyPI", name, "") for name in ("b", "c", "d", "hatchling"))}),
        ("sub/uv.lock", '[[package]]\nname = "Foo"\nversion = "1.0"\n', {("PyPI", "foo", "1.0")}),
        ("Cargo.lock", '[[package]]\nname = "serde"\nversion = "1.0.0"\n', {("crates.io", "serde", "1.0.0")}),
        ("Pipfile.lock", '{"default": {"A": {"version": "==1.0"}}, "develop": {"b": {}}}',
         {("PyPI", "a", "1.0"), ("PyPI", "b", "")}),
        ("package.json", '{"dependencies": {"a": "^1"}, "devDependencies": {"b": "1.2.3"}}',
         {("npm", "a", ""), ("npm", "b", "1.2.3")}),
        ("package-lock.json", json.dumps(PACKAGE_LOCK),
         {("npm", "left-pad", "1.3.0"), ("npm", "@scope/x", "2.0.0-rc.1")}),
    ],
)  # fmt: skip
def test_what_files_name_is_read(path: str, text: str, names: set[tuple[str, str, str]]) -> None:
    assert names_dependencies(path)
    assert {(each.ecosystem, each.name, each.version) for each in dependencies(path, text.encode())} == names


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "not a requirement at all\n"),
        ("requirements.txt", "\udcff"),
        ("uv.lock", "[[package]]\n"),
        ("package.json", "[]"),
        ("package-lock.json", '{"dependencies": {}}'),
        ("package.json", "[" * 100_000),
        ("yarn.lock", ""),
        ("go.mod", "module x"),
    ],
)
def test_what_cannot_be_read_is_not_audited_and_that_is_said(path: str, text: str) -> None:
    item = ChangedFile(path, text.encode(errors="surrogateescape"))
    [detection] = audit_dependencies([item], (), Advisories(None)).new
    assert (detection.rule_id, detection.severity) == ("dependency-not-audited", Severity.LOW)


@given(
    st.sampled_from(["requirements.txt", "pyproject.toml", "uv.lock", "package.json", "package-lock.json"]),
    st.binary(),
)
def test_no_file_raises_anything_else(path: str, contents: bytes) -> None:
    with contextlib.suppress(Unreadable):
        dependencies(path, contents)


def test_other_files_name_nothing() -> None:
    for path in ("src/app.py", "docs/requirements.md", "package.json.md", "src/requirements.py"):
        assert not names_dependencies(path)


def test_a_vulnerable_version_is_found_by_its_advisory_where_it_is_named(advisories: Path) -> None:
    report = audited("requirements.txt", "flask==1\njinja-2==1.9\n", where=advisories)
    assert found(report) == [("GHSA-1", Severity.MEDIUM, 2)]
    assert "jinja-2 1.9" in report.new[0].message
    assert "it leaks" in report.new[0].message


def test_what_was_there_before_is_not_the_change_s_doing(advisories: Path) -> None:
    old = "jinja-2==1.9\n"
    assert found(audited("requirements.txt", "jinja-2==1.9\nflask==3\n", old, advisories)) == []
    assert found(audited("requirements.txt", "jinja-2==1.8\n", old, advisories)) == [
        ("GHSA-1", Severity.MEDIUM, 1)
    ]


def test_a_mended_version_is_clean(advisories: Path) -> None:
    assert found(audited("requirements.txt", "jinja-2==2.0\n", where=advisories)) == []


def test_without_advisories_or_an_exact_version_nothing_is_audited_and_that_is_said(advisories: Path) -> None:
    without = audited("requirements.txt", "jinja-2==1.9\n")
    ranged = audited("requirements.txt", "jinja-2>=1.9\n", where=advisories)
    other = audited("Cargo.lock", '[[package]]\nname = "serde"\nversion = "1.0.0"\n', where=advisories)
    for report in (without, ranged, other):
        assert [item.rule_id for item in report.new] == ["dependency-not-audited"]
        assert "not audited" in report.new[0].message


def test_damaged_advisories_are_said_too(advisories: Path) -> None:
    (advisories / "PyPI.zip").write_bytes(b"no archive")
    assert [item.rule_id for item in audited("requirements.txt", "x==1\n", where=advisories).new] == [
        "dependency-not-audited"
    ]


def test_licences_that_the_policy_does_not_allow_are_found(advisories: Path) -> None:
    report = audited("package-lock.json", json.dumps(PACKAGE_LOCK), where=advisories, licenses=("MIT",))
    assert [item.rule_id for item in report.new] == [
        "GHSA-3",
        "dependency-not-audited",
        "license-not-allowed",
    ]
    assert (
        report.new[1].message
        == "the licences of @scope/x 2.0.0-rc.1 are not audited: the file does not say them"
    )
    assert "WTFPL" in report.new[2].message


@pytest.mark.parametrize(
    ("version", "affected"),
    [("0.9.9", False), ("1.0.0-alpha", False), ("1.0.0", True), ("1.5.0", True), ("2.0.0-rc.1", True),
     ("2.0.0", False), ("3.0.0", True), ("3.1.0", True), ("3.1.1", False)],
)  # fmt: skip
def test_ranges_switch_on_and_off_as_osv_says(version: str, affected: bool) -> None:
    events = [
        {"fixed": "2.0.0"},
        {"introduced": "1.0.0"},
        {"introduced": "3.0.0"},
        {"last_affected": "3.1.0"},
    ]
    known = record("x", "npm")
    known["affected"][0]["ranges"][0]["events"] = events
    assert is_affected(known, Dependency("npm", "x", version)) is affected


def test_what_was_withdrawn_counts_for_nothing() -> None:
    assert not is_affected(record("x", withdrawn="2026-01-01T00:00:00Z"), Dependency("PyPI", "x", "1"))


async def test_the_auditor_tells_it_with_the_rest(bench: Bench, advisories: Path) -> None:
    await bench.start(advisories=advisories)
    policy = b"version: 1\naudit: {licenses: [MIT]}\n"
    base = {"autopack.yaml": policy, "requirements.txt": b"flask==3.0\n"}
    audit = await bench.ended(
        bench.request(base, {**base, "requirements.txt": b"flask==3.0\njinja-2==1.9\n"})
    )
    assert [finding.rule_id for finding in audit.findings] == ["GHSA-1", "dependency-not-audited"]


async def test_fresh_advisories_make_an_audit_anew(bench: Bench, advisories: Path) -> None:
    await bench.start(advisories=advisories)
    base = {"requirements.txt": b"flask==3.0\n"}
    request = bench.request(base, {"requirements.txt": b"flask==3.1\n"})
    assert not (await bench.ended(request)).findings
    with zipfile.ZipFile(advisories / "PyPI.zip", "a") as archive:
        known = record("flask", number="GHSA-9")
        known["affected"][0]["versions"] = ["3.1"]
        archive.writestr("GHSA-9.json", json.dumps(known))
    request.request_id = "another"
    assert [finding.rule_id for finding in (await bench.ended(request)).findings] == ["GHSA-9"]
