"""The secret scanner: finds what is added, in every kind of text, and never repeats it."""

import string
from collections.abc import Awaitable, Callable

import pytest

from auditor_svc.domain.audit import AuditResult
from auditor_svc.domain.findings import Severity
from auditor_svc.domain.sarif import to_sarif

pytestmark = pytest.mark.asyncio(loop_scope="session")

AuditFiles = Callable[..., Awaitable[AuditResult]]
Secret = Callable[..., str]

HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + "234567"
BASE64 = string.ascii_letters + string.digits + "+/"


def found(result: AuditResult, least: Severity = Severity.LOW) -> list[tuple[str, Severity]]:
    return [(item.rule_id, item.severity) for item in result.findings if item.severity >= least]


@pytest.mark.parametrize(
    ("rule", "path", "line", "prefix", "length", "alphabet"),
    [
        ("aws-access-key", "a.py", "KEY = '{}'", "AKIA", 16, UPPER),
        ("github-token", ".env", "TOKEN={}", "ghp_", 36, None),
        ("github-token", "poetry.lock", "# {}", "ghp_", 36, None),
        ("github-token", "style.css", "/* {} */", "gho_", 36, None),
        ("github-fine-grained-token", "a.sh", "export T={}", "github_pat_", 82, None),
        ("gitlab-token", ".gitlab-ci.yml", "token: {}", "glpat-", 20, None),
        ("google-api-key", "a.json", '{{"key": "{}"}}', "AIza", 35, None),
        ("hugging-face-token", "a.md", "login with {}", "hf_", 34, string.ascii_letters),
        ("anthropic-api-key", "a.env", "KEY={}", "sk-ant-api03-", 95, None),
        ("digitalocean-token", "main.tf", 'token = "{}"', "dop_v1_", 64, HEX),
        ("stripe-access-key", "a.rb", 'Stripe.api_key = "{}"', "sk_live_", 24, None),
        ("shopify-token", "a.js", "const t = '{}'", "shpat_", 32, HEX),
        ("vault-token", "a.sh", "export VAULT_TOKEN={}", "hvs.", 95, None),
        ("npm-tokens", ".npmrc", "//registry.npmjs.org/:_authToken={}", "npm_", 36, None),
        ("http-authorization", "a.sh", "curl -H 'Authorization: Bearer {}' https://a", "", 40, None),
        ("docker-registry-auth", "config.json", '{{"auth": "{}"}}', "ZGVwbG95Og", 30, BASE64),
    ],
)
async def test_a_providers_credential_is_critical(
    audit_files: AuditFiles,
    secret: Secret,
    rule: str,
    path: str,
    line: str,
    prefix: str,
    length: int,
    alphabet: str | None,
) -> None:
    value = secret(prefix, length, alphabet) if alphabet else secret(prefix, length)
    result = await audit_files({}, {path: f"first\n{line.format(value)}\n".encode()})
    assert (rule, Severity.CRITICAL) in found(result)
    assert {item.line for item in result.findings} == {2}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.py", "PASSWORD = 'Xk29-dkPq!zz81'"),
        ("a.yaml", "  password: Xk29-dkPq!zz81"),
        (".env", "DB_PASSWORD=Xk29-dkPq!zz81"),
        ("Dockerfile", "ENV DB_PASSWORD=Xk29-dkPq!zz81"),
        ("a.py", "URL = 'postgresql://admin:Xk29dkPqzz81@db.internal/prod'"),
    ],
)
async def test_a_password_that_looks_real_is_high(audit_files: AuditFiles, path: str, line: str) -> None:
    result = await audit_files({}, {path: f"{line}\n".encode()})
    assert Severity.HIGH in {severity for _, severity in found(result)}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("a.py", "PASSWORD = os.environ['PASSWORD']"),
        ("a.py", "password = get_password()"),
        ("a.py", "PASSWORD = 'changeme'"),
        ("a.py", "HEADER_KEY = 'api-key'"),
        ("a.py", "URL = 'postgresql://scott:tiger@localhost/test'"),
        ("a.yml", "password: ${{ secrets.PASSWORD }}"),
        (".env", "DB_PASSWORD=$OTHER_PASSWORD"),
        ("a.py", "ID = '3f2504e0-4f89-11d3-9a0c-0305e82c3301'"),
        ("a.json", '"integrity": "sha512-q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8SNFZ4"'),
        ("a.json", '"auth": "AuthenticationTypeNone"'),
        ("a.md", "Authorization: Basic authentication-is-needed-here"),
        ("a.py", "FOUND = '-----BEGIN RSA PRIVATE KEY-----' in TEXT"),
    ],
)
async def test_what_is_no_secret_is_at_most_low(audit_files: AuditFiles, path: str, line: str) -> None:
    result = await audit_files({}, {path: f"{line}\n".encode()})
    assert found(result, Severity.MEDIUM) == []


async def test_a_private_key_is_one_critical_finding(audit_files: AuditFiles, secret: Secret) -> None:
    body = "\n".join(secret("", 64, BASE64) for _ in range(12))
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n"
    result = await audit_files({}, {"deploy/id_rsa": b"first\n" + key.encode()})
    assert found(result) == [("private-key", Severity.CRITICAL)]
    assert result.findings[0].line == 2


async def test_a_private_key_with_escaped_line_ends_is_found(audit_files: AuditFiles, secret: Secret) -> None:
    key = f"-----BEGIN PRIVATE KEY-----\\n{secret('', 64, BASE64)}\\n-----END PRIVATE KEY-----\\n"
    result = await audit_files({}, {"account.json": f'{{"private_key": "{key}"}}\n'.encode()})
    assert found(result) == [("private-key", Severity.CRITICAL)]


async def test_a_private_key_that_was_there_is_not_introduced(
    audit_files: AuditFiles, secret: Secret
) -> None:
    body = "\n".join(secret("", 64, BASE64) for _ in range(12))
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n".encode()
    result = await audit_files({"key.pem": key}, {"key.pem": b"# moved\n" + key})
    assert found(result) == []


async def test_only_added_lines_bring_secrets(audit_files: AuditFiles, secret: Secret) -> None:
    old, new = (f"KEY = '{secret('ghp_', 36)}'\n".encode() for _ in range(2))
    result = await audit_files({"a.py": old}, {"a.py": b"\n" + old + new})
    assert [(item.rule_id, item.line) for item in result.findings] == [("github-token", 3)]


async def test_a_replaced_secret_is_introduced(audit_files: AuditFiles, secret: Secret) -> None:
    old, new = (f"KEY = '{secret('ghp_', 36)}'\n".encode() for _ in range(2))
    result = await audit_files({"a.py": old}, {"a.py": new})
    assert found(result) == [("github-token", Severity.CRITICAL)]


async def test_a_secret_on_a_very_long_line_is_found(audit_files: AuditFiles, secret: Secret) -> None:
    line = "x" * 50_000 + " " + secret("ghp_", 36) + " " + "y" * 50_000
    result = await audit_files({}, {"a.min.js": line.encode()})
    assert found(result) == [("github-token", Severity.CRITICAL)]


async def test_a_secret_in_utf_16_is_found(audit_files: AuditFiles, secret: Secret) -> None:
    result = await audit_files({}, {"a.txt": secret("ghp_", 36).encode("utf-16")})
    assert found(result) == [("github-token", Severity.CRITICAL)]


async def test_a_binary_file_is_passed_over_with_a_note(audit_files: AuditFiles, secret: Secret) -> None:
    result = await audit_files({}, {"a.bin": b"\0\1\2" + secret("ghp_", 36).encode()})
    notes = [note for report in result.reports for note in report.notes]
    assert notes == ["a.bin is binary and was not scanned for secrets"]


async def test_a_secret_is_nowhere_in_what_leaves(audit_files: AuditFiles, secret: Secret) -> None:
    values = [secret("ghp_", 36), secret("", 40, BASE64), "Xk29-dkPq!zz81"]
    source = (
        "import requests\n"
        f"TOKEN = '{values[0]}'\n"
        f"aws_secret_access_key = '{values[1]}'\n"
        f"def login(password='{values[2]}'):\n"
        f"    requests.get('https://a', password='{values[2]}', verify=False)\n"
        f"    if password == '{values[2]}': open('/tmp/{values[0]}')\n"
    )
    result = await audit_files({}, {"a.py": source.encode()})
    assert {"github-token", "aws-access-key", "secret-keyword"} <= {item.rule_id for item in result.findings}
    everything = repr(result.findings) + repr(result.reasons) + to_sarif(result).decode()
    everything += repr([(report.notes, report.failures, report.unread) for report in result.reports])
    assert not [value for value in values if value in everything]


async def test_a_secret_leaves_no_trace_in_its_fingerprint(audit_files: AuditFiles) -> None:
    first = await audit_files({}, {"a.yaml": b"password: Xk29-dkPq!zz81\n"})
    second = await audit_files({}, {"a.yaml": b"password: Wm83-ewRt!yy72\n"})
    assert [item.fingerprint for item in first.findings] == [item.fingerprint for item in second.findings]
