"""Secrets and the paths of machines never reach what memory keeps."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import Reason
from autopack.ledger.document import empty
from autopack.ledger.entry import Kind
from autopack.ledger.files import render_files
from memory_svc.domain.documents import documents_of_run
from memory_svc.domain.records import DecisionRecord
from memory_svc.domain.redact import SECRET, redact, redact_record
from memory_svc.domain.tidy import tidy
from tests.memory_svc.memory_samples import failed_phase, phase, refused, run

SECRETS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "xoxb-" + "123456789012-123456789012-" + "a" * 24,
    "sk-" + "a1" * 10 + "T3BlbkFJ" + "a1" * 10,
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE cut off",
]


LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
random_word = st.text(LETTERS, min_size=24, max_size=40)
secrets = st.one_of(
    st.from_regex(r"AKIA[A-Z0-9]{16}", fullmatch=True),
    st.from_regex(r"ghp_[A-Za-z0-9]{36}", fullmatch=True),
    st.from_regex(r"xoxb-[0-9]{12}-[0-9]{12}-[A-Za-z0-9]{24}", fullmatch=True),
    st.from_regex(r"eyJ[A-Za-z0-9]{20}\.eyJ[A-Za-z0-9]{20}\.[A-Za-z0-9]{27}", fullmatch=True),
)
named = st.sampled_from(
    ["password={}", "API_KEY: '{}'", "Authorization: Bearer {}", "--token={}", "https://ada:{}@example.org/x"]
)
directories = st.sampled_from(
    ["/home/ada", "/root", "/tmp/run-7", "/var/lib/autopack", "/Users/ada", "/work/a"]
)
around = st.sampled_from(
    ["{}", "the call with {} failed", "```\n{}\n```", "- {}\n- x", "<b>{}</b>", "({}), see"]
)


@st.composite
def private(draw: st.DrawFn) -> tuple[str, str]:
    """Words that hold something private, and what is private in them."""
    kind = draw(st.sampled_from(["secret", "named", "path"]))
    if kind == "path":
        directory = draw(directories)
        return draw(around).format(f"{directory}/project/src/gcd.py"), directory
    hidden = draw(secrets if kind == "secret" else random_word)
    said = hidden if kind == "secret" else draw(named).format(hidden)
    return draw(around).format(said), hidden


@settings(max_examples=30, deadline=None)
@given(st.lists(private(), min_size=9, max_size=9))
def test_nothing_private_reaches_a_ledger_wherever_it_was_said(told: list[tuple[str, str]]) -> None:
    goal, check, message, fix, path, changed, title, context, plan = (said for said, _ in told)
    decision = DecisionRecord(title, context, context, context, context)
    reason = Reason("CHECK_FAILED", message, fix, path)
    fixed = phase("p", refused(1, reason), goal=goal, checks=(check,), paths=(changed,), decision=decision)
    failed = failed_phase("q", refused(1, reason))
    record = redact_record(replace(run("run-1", fixed, failed), plan_name=plan))

    ledgers = tidy({kind: empty(kind) for kind in Kind}, [record], date(2026, 1, 31))

    files = [text for ledger in ledgers.values() for text in render_files(ledger).values()]
    documents = [document.content + document.title for document in documents_of_run(record, tidied=False)]
    everything = "\n".join(files + documents).replace("\\", "")
    assert [hidden for _, hidden in told if hidden in everything] == []


@pytest.mark.parametrize("secret", SECRETS)
def test_known_forms_of_secrets_are_taken_out(secret: str) -> None:
    said = redact(f"the call with {secret} was refused")

    assert SECRET in said
    for line in secret.splitlines():
        assert line not in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password = hunter22", f"password = {SECRET}"),
        ('"api_key": "abcdef123"', f'"api_key": {SECRET}'),
        ("export MY_TOKEN=abcdef123 && run", f"export MY_TOKEN={SECRET} && run"),
        ("Authorization: Bearer abcdefghijklmnopqrstuv", f"Authorization: Bearer {SECRET}"),
        ("postgresql://me:pw1@db/x is down", f"postgresql://{SECRET}@db/x is down"),
    ],
)
def test_named_secrets_are_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('File "/home/alice/mathlib/src/gcd.py", line 3', 'File "…/gcd.py", line 3'),
        ("/tmp/sandbox-x1/work/tests/test_gcd.py:7: error", "…/test_gcd.py:7: error"),
        ("in /home/alice: no space", "in …: no space"),
        ("~/secrets/key.pem and C:\\Users\\alice\\x.txt", "…/key.pem and …/x.txt"),
        ("file:///Users/bob/a.py", "…/a.py"),
    ],
)
def test_paths_of_machines_are_cut_to_their_last_name(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/users answered 500",
        "see https://example.org/home/page and src/usr/local.py",
        f"commit {'a1' * 20} has verdict {'b2' * 32}",
        "tests/test_gcd.py::test_zero: ZeroDivisionError; 3 passed, 1/2 failed",
        "the token was missing, the password field is empty",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


def test_a_record_is_redacted_everywhere_but_in_its_ids() -> None:
    secret = "ghp_" + "a1B2" * 9
    reason = Reason("CHECK_FAILED", secret, secret, f"/tmp/{secret}")
    record = run("run-1", phase("p", refused(1, reason), goal=secret, checks=(secret,)))

    redacted = redact_record(record)

    assert secret not in repr(redacted)
    assert (redacted.run_id, redacted.base, redacted.phases[0].commit) == (
        record.run_id,
        record.base,
        record.phases[0].commit,
    )
    assert redact_record(redacted) == redacted
