"""Secrets and the paths of machines never reach what memory keeps."""

import pytest

from autopack.errors import Reason
from memory_svc.domain.redact import SECRET, redact, redact_record
from tests.memory_svc.memory_samples import phase, refused, run

SECRETS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "xoxb-" + "123456789012-123456789012-" + "a" * 24,
    "sk-" + "a1" * 10 + "T3BlbkFJ" + "a1" * 10,
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE cut off",
]


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
