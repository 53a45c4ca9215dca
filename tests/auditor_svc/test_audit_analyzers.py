"""The real analyzers over changes: what is introduced is found, whatever the repository says about it."""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from auditor_svc.domain.audit import AuditResult
from auditor_svc.domain.findings import Severity
from auditor_svc.domain.recommendation import Outcome

pytestmark = pytest.mark.asyncio(loop_scope="session")

AuditFiles = Callable[..., Awaitable[AuditResult]]

SHELL = b"import subprocess\n\n\ndef run(command):\n    subprocess.run(command, shell=True)\n"
SAFE = b"def add(a, b):\n    return a + b\n"


def rules(result: AuditResult, least: Severity = Severity.MEDIUM) -> list[tuple[str, str, int]]:
    return [(item.rule_id, item.path, item.line) for item in result.findings if item.severity >= least]


async def test_an_innocent_change_is_approved(audit_files: AuditFiles) -> None:
    result = await audit_files({"a.py": SAFE}, {"a.py": SAFE + b"\n\ndef one():\n    return 1\n"})
    assert result.outcome is Outcome.APPROVE
    assert result.findings == ()


async def test_a_shell_call_is_to_be_revised(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"a.py": SHELL})
    assert result.outcome is Outcome.REVISE
    assert rules(result) == [("B602", "a.py", 5)]
    assert result.findings[0].cwe == ("CWE-78",)


async def test_what_was_there_before_is_not_reported(audit_files: AuditFiles) -> None:
    result = await audit_files({"a.py": SHELL}, {"a.py": SHELL + b"\n\nX = 1\n"})
    assert rules(result, Severity.LOW) == []


async def test_what_moved_is_not_reported(audit_files: AuditFiles) -> None:
    moved = SHELL.replace(b"\n\n\n", b"\n\nX = 1\nY = 2\nZ = 3\n\n\n")
    result = await audit_files({"a.py": SHELL}, {"a.py": moved})
    assert rules(result, Severity.LOW) == []


async def test_what_moved_with_a_renamed_file_is_not_reported(audit_files: AuditFiles) -> None:
    padding = b"".join(b"A%d = %d\n" % (number, number) for number in range(10))
    result = await audit_files({"a.py": SHELL + padding}, {"b/c.py": SHELL + padding + b"X = 1\n"})
    assert rules(result, Severity.LOW) == []


async def test_a_copy_of_a_known_weakness_is_reported(audit_files: AuditFiles) -> None:
    result = await audit_files({"a.py": SHELL}, {"a.py": SHELL, "b.py": SHELL})
    assert rules(result) == [("B602", "b.py", 5)]


async def test_a_second_call_like_a_known_one_is_reported(audit_files: AuditFiles) -> None:
    again = SHELL + b"\n\ndef again(command):\n    subprocess.run(command, shell=True)\n"
    result = await audit_files({"a.py": SHELL}, {"a.py": again})
    assert rules(result) == [("B602", "a.py", 9)]


async def test_a_known_call_with_another_argument_is_reported(audit_files: AuditFiles) -> None:
    base = b"import subprocess\n\nsubprocess.run(\n    first,\n    shell=True,\n)\n"
    result = await audit_files({"a.py": base}, {"a.py": base.replace(b"first", b"second")})
    assert rules(result) == [("B602", "a.py", 3)]


@pytest.mark.parametrize(
    "comment",
    [
        b"# nosec",
        b"# nosec B602",
        b"# noqa",
        b"# noqa: S602",
        b"# ruff: ignore[S602]",
        b"# nosec # noqa # pragma: allowlist secret",
    ],
)
async def test_suppressing_comments_are_ignored(audit_files: AuditFiles, comment: bytes) -> None:
    source = SHELL.replace(b"shell=True)", b"shell=True)  " + comment)
    assert rules(await audit_files({}, {"a.py": source})) == [("B602", "a.py", 5)]


async def test_suppressing_whole_files_is_ignored(audit_files: AuditFiles) -> None:
    source = b"# ruff: noqa\n# flake8: noqa\n# ruff: disable[S602, S307]\n" + SHELL
    assert rules(await audit_files({}, {"a.py": source})) == [("B602", "a.py", 8)]


async def test_configuration_in_the_repository_has_no_effect(
    audit_files: AuditFiles, secret: Callable[..., str]
) -> None:
    token = secret("ghp_", 36)
    hostile: Mapping[str, bytes] = {
        "pyproject.toml": b"[tool.ruff]\nexclude = ['*']\n[tool.ruff.lint]\nselect = []\n"
        b"[tool.bandit]\nskips = ['B602']\nexclude_dirs = ['.']\n",
        "ruff.toml": b"exclude = ['*']\n",
        ".ruff.toml": b"extend-exclude = ['**']\n",
        ".bandit": b"[bandit]\nexclude = /\nskips = B602\n",
        "bandit.yaml": b"skips: ['B602']\n",
        "setup.cfg": b"[bandit]\nskips = B602\n",
        ".gitignore": b"*\n",
        ".gitattributes": b"* binary linguist-generated\n",
        ".secrets.baseline": b"{}\n",
        ".gitleaksignore": b"*\n",
        ".gitleaks.toml": b"[allowlist]\npaths = ['.*']\n",
        "sitecustomize.py": b"raise SystemExit(0)\n",
        "bandit.py": b"raise SystemExit(0)\n",
    }
    added = {"venv/a.py": SHELL, "build/key.txt": f"{token}  # pragma: allowlist secret\n".encode()}
    result = await audit_files(hostile, {**hostile, **added})
    assert rules(result, Severity.HIGH) == [("github-token", "build/key.txt", 1), ("B602", "venv/a.py", 5)]


async def test_only_ruff_sees_what_only_ruff_knows(audit_files: AuditFiles) -> None:
    source = b"from markupsafe import Markup\n\n\ndef show(text):\n    return Markup(text)\n"
    result = await audit_files({}, {"a.py": source})
    assert {item.rule_id[1:] for item in result.findings} == {"704"}


async def test_assertions_in_tests_are_what_tests_are_made_of(audit_files: AuditFiles) -> None:
    source = b"def test_one():\n    assert 1 == 1\n"
    result = await audit_files({}, {"tests/test_one.py": source, "app.py": source})
    assert rules(result, Severity.LOW) == [("B101", "app.py", 2)]


async def test_a_file_that_does_not_parse_is_to_be_revised(audit_files: AuditFiles) -> None:
    result = await audit_files({"a.py": SAFE}, {"a.py": b"def add(:\n"})
    assert result.outcome is Outcome.REVISE
    assert ("invalid-syntax", "a.py", 1) in rules(result)


async def test_a_file_that_never_parsed_is_for_a_person(audit_files: AuditFiles) -> None:
    base = b"print 'python 2'\n"
    result = await audit_files({"a.py": base}, {"a.py": base + b"print 'more'\n"})
    assert result.outcome is Outcome.ESCALATE
    assert [reason.code for reason in result.reasons] == ["FILE_NOT_AUDITED"]


async def test_a_python_script_without_a_suffix_is_read(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"bin/tool": b"#!/usr/bin/env python3\n" + SHELL})
    assert rules(result) == [("B602", "bin/tool", 6)]


async def test_a_file_in_another_encoding_is_read(audit_files: AuditFiles) -> None:
    source = b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\n" + SHELL
    result = await audit_files({}, {"a.py": source})
    assert result.outcome is Outcome.REVISE
    assert rules(result) == [("B602", "a.py", 7)]


async def test_a_file_that_is_not_in_the_encoding_that_it_names_is_for_a_person(
    audit_files: AuditFiles,
) -> None:
    result = await audit_files({}, {"a.py": b"NAME = '\xe9'\n"})
    assert result.outcome is Outcome.ESCALATE


async def test_carriage_returns_do_not_shift_lines(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"a.py": SHELL.replace(b"\n", b"\r\n")})
    assert rules(result) == [("B602", "a.py", 5)]


async def test_nesting_that_no_analyzer_can_follow_is_no_approval(audit_files: AuditFiles) -> None:
    source = b"x = " + b"-" * 100_000 + b"1\n"
    result = await audit_files({}, {"deep.py": source, "a.py": SAFE})
    assert result.outcome is Outcome.NOT_REVIEWED
    assert {reason.code for reason in result.reasons} == {"ANALYZER_CRASHED", "ANALYZER_FAILED"}
    assert {reason.path for reason in result.reasons} == {"deep.py"}


async def test_a_file_name_that_is_no_text_is_audited(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"na\udcefve.py": SHELL})
    assert rules(result) == [("B602", "na\udcefve.py", 5)]


async def test_a_change_without_files_is_approved(audit_files: AuditFiles) -> None:
    result = await audit_files({"a.py": SHELL}, {})
    assert result.outcome is Outcome.APPROVE


async def test_the_policys_severity_decides(audit_files: AuditFiles) -> None:
    source = b"def f(text):\n    return eval(text)\n"
    strict = await audit_files({}, {"a.py": source}, block_at=Severity.MEDIUM)
    assert strict.outcome is Outcome.REVISE
    assert (await audit_files({}, {"a.py": source})).outcome is Outcome.APPROVE


async def test_a_category_for_two_reviews_asks_a_person(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"a.py": SAFE}, two_reviews=True)
    assert result.outcome is Outcome.ESCALATE
    assert [reason.code for reason in result.reasons] == ["SECOND_REVIEW_REQUIRED"]


async def test_two_audits_of_one_change_have_one_digest(audit_files: AuditFiles) -> None:
    head = {f"{name}.py": SHELL for name in "cab"}
    first, second = await audit_files({}, head), await audit_files({}, head)
    assert first.findings == second.findings
    assert first.findings_digest == second.findings_digest


async def test_each_analyzer_says_what_it_did(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"a.py": SHELL, "b.txt": b"text\n"})
    assert {report.name: report.files for report in result.reports} == {
        "bandit": 1,
        "flow": 1,
        "ruff": 1,
        "secrets": 2,
        "text": 2,
    }
    assert all(report.version for report in result.reports)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("conflict-marker", "<<<<<<< HEAD"),
        ("conflict-marker", ">>>>>>> feature"),
        ("bidirectional-control", "access = 'user\u202e \u2066// admin\u2069 \u2066'"),
        ("invisible-character", "pass\u200bword"),
        ("invisible-character", "ignore\U000e0041\U000e0042"),
        ("control-character", "text \x1b[2J"),
        ("look-alike-letter", "p\u0430ssword = 1"),
    ],
)
async def test_text_that_deceives_is_found(audit_files: AuditFiles, rule: str, line: str) -> None:
    result = await audit_files({"a.go": b"one\n"}, {"a.go": f"one\n{line}\n".encode()})
    assert rules(result) == [(rule, "a.go", 2)]


@pytest.mark.parametrize(
    "text",
    [
        "# Gr\u00fc\u00dfe\n",
        "Title\n=======\n",
        "\u041f\u0440\u0438\u0432\u0435\u0442\n",
        "\u03b1 = 1\n",
        "a\tb\n",
    ],
)
async def test_ordinary_text_does_not_deceive(audit_files: AuditFiles, text: str) -> None:
    assert rules(await audit_files({}, {"a.go": text.encode()}), Severity.LOW) == []


async def test_more_findings_than_anybody_reads_are_for_a_person(audit_files: AuditFiles) -> None:
    result = await audit_files({}, {"a.go": "\u200b\n".encode() * 10_001})
    assert result.outcome is Outcome.ESCALATE
    assert [reason.code for reason in result.reasons] == ["FILE_NOT_AUDITED"]
