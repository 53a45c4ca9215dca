"""Secrets that detect-secrets does not know, and what makes a found value worth less than it looks."""

import base64
import binascii
import re

PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]{0,40}?)PRIVATE KEY(?: BLOCK)?-----"
    r"(?P<body>(?:[^-]|-(?!----)){40,20000})"
)
"""A whole block: code that only looks for the first line of a key has no body."""

TOKENS: dict[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    # The exact formats of providers' credentials: words that a text must have, in lower case, for the
    # pattern to be worth trying, and the pattern, whose first group is the secret.
    "age-secret-key": (
        ("age-secret-key-1",),
        re.compile(r"(AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})"),
    ),
    "anthropic-api-key": (("sk-ant-",), re.compile(r"\b(sk-ant-[a-z0-9]{3,10}-[\w-]{80,120})")),
    "artifactory-api-key": (("akcp",), re.compile(r"\b(AKCp[A-Za-z0-9]{69})\b")),
    "azure-client-secret": (("q~",), re.compile(r"(?<![\w.~-])([\w~.]{3}\dQ~[\w~.-]{31,34})(?![\w.~-])")),
    "databricks-token": (("dapi",), re.compile(r"\b(dapi[a-f0-9]{32})\b")),
    "digitalocean-token": (("_v1_",), re.compile(r"\b(do[opr]_v1_[a-f0-9]{64})\b")),
    "docker-registry-auth": (('"auth"',), re.compile(r'"auth"\s*:\s*"([A-Za-z0-9+/]{16,}={0,2})"')),
    "github-fine-grained-token": (("github_pat_",), re.compile(r"\b(github_pat_\w{82})\b")),
    "gitlab-runner-token": (("glrt-",), re.compile(r"\b(glrt-[\w-]{20,})")),
    "google-api-key": (("aiza",), re.compile(r"\b(AIza[\w-]{35})(?![\w-])")),
    "google-oauth-secret": (("gocspx-",), re.compile(r"\b(GOCSPX-[\w-]{28})(?![\w-])")),
    "grafana-token": (
        ("glsa_", "glc_"),
        re.compile(r"\b(gl(?:sa_[A-Za-z0-9]{32}_[a-f0-9]{8}|c_[A-Za-z0-9+/]{32,}={0,2}))"),
    ),
    "http-authorization": (
        ("authorization",),
        re.compile(
            r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+([\w.~+/-]{20,}={0,2})"
        ),
    ),
    "hugging-face-token": (("hf_",), re.compile(r"\b(hf_[A-Za-z]{34})\b")),
    "linear-api-key": (("lin_api_",), re.compile(r"\b(lin_api_[A-Za-z0-9]{40})\b")),
    "netrc-password": (("machine",), re.compile(r"(?i)\bmachine\s+\S+\s+login\s+\S+\s+password\s+(\S+)")),
    "new-relic-key": (("nrak-",), re.compile(r"\b(NRAK-[A-Z0-9]{27})\b")),
    "postman-api-key": (("pmak-",), re.compile(r"\b(PMAK-[a-f0-9]{24}-[a-f0-9]{34})\b")),
    "pulumi-token": (("pul-",), re.compile(r"\b(pul-[a-f0-9]{40})\b")),
    "sentry-token": (("sntry",), re.compile(r"\b(sntry[su]_[A-Za-z0-9+/=_-]{64,})")),
    "shopify-token": (("shp",), re.compile(r"\b(shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})\b")),
    "slack-app-token": (("xapp-",), re.compile(r"\b(xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+)")),
    "stripe-restricted-key": (("rk_live", "whsec_"), re.compile(r"\b((?:rk_live|whsec)_[A-Za-z0-9]{24,})")),
    "terraform-cloud-token": ((".atlasv1.",), re.compile(r"\b([A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,70})")),
    "vault-token": (("hvs.", "hvb."), re.compile(r"\b(hv[sb]\.[\w-]{90,})")),
    "environment-assignment": (
        ("key", "pass", "secret", "token"),
        re.compile(
            r"^\s*(?:export\s+|ENV\s+|ARG\s+|set\s+|-\s+)?[A-Z0-9_]*"
            r"(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY)[A-Z0-9_]*=([^\s\"'`]{8,})\s*$",
            re.MULTILINE,
        ),
    ),
}

GENERIC = ("base64-high-entropy-string", "hex-high-entropy-string")
"""Rules that know only that a string looks random: any other rule on the same value says more."""
BY_NAME = ("secret-keyword", "environment-assignment", "basic-auth-credentials", "netrc-password")
"""Rules that know only what a value is called: it may be weak, or no secret at all."""

CHECKSUM = re.compile(
    r"(?i)sha-?(1|224|256|384|512)|md5|blake2|integrity|checksum|digest|hash|revision|commit|etag|uuid|fingerprint"
)
"""Words beside which a random-looking string is no secret."""

_PLACEHOLDER = re.compile(
    r"(?i)example|sample|dummy|fake|changeme|change_me|placeholder|redacted"
    r"|your[-_ ]|my[-_]?(password|secret)"
    r"|^(test|tests|testing|none|null|true|false|todo|secret|password|passwd|pass|pwd|token|key|tiger|admin|root"
    r"|user|username|postgres|guest|default|string|value|foo|bar|baz|hunter2|letmein|qwerty)\d{0,4}$"
    r"|^(.)\3*$|x{6,}|\*{3,}|\.{3}|^[<{%$]|[>}]$|^0?123456|abcdef123|^(abc|test)[-_]?\d*$"
)


_NAME = re.compile(r"(?i)^[a-z_ .-]*(key|pass|pwd|secret|token)[a-z_ .-]*$")
"""A value that is itself the name of a secret, as in `HEADER_KEY = "api-key"`."""


def is_credential(rule: str, value: str) -> bool:
    """Whether what a pattern of TOKENS matched can be what the rule says."""
    if value.startswith("$") or "{{" in value:
        return False  # a template's hole
    if rule == "http-authorization":
        return bool(re.search(r"\d", value))
    if rule == "docker-registry-auth":
        try:
            return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        except binascii.Error:
            return False
    return True


def likeness(rule: str, value: str) -> str:
    """How much a found value looks like a real secret: strong, weak or placeholder."""
    if _PLACEHOLDER.search(value):
        return "placeholder"
    if rule not in BY_NAME:
        return "strong"
    if _NAME.search(value):
        return "placeholder"
    return "strong" if _is_password(value) or _is_random(value) else "weak"


def _is_password(value: str) -> bool:
    mixed = all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", r"\d"))
    special = re.search(r"\d", value) and re.search(r"[^\w\s.:/#-]", value)
    return len(value) >= 8 and " " not in value and bool(mixed or special)


def _is_random(value: str) -> bool:
    return bool(re.fullmatch(r"[\w+/=-]{20,}", value)) and len(re.findall(r"\d", value)) >= 4
