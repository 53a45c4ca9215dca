"""How bad each analyzer's findings are in the one scale that policies speak of."""

import re

from auditor_svc.domain.findings import Severity

_LOW, _MEDIUM, _HIGH, _CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL

INVALID_SYNTAX = "invalid-syntax"
"""ruff's id for a file that does not parse."""

_BANDIT = {
    # (bandit's severity, bandit's confidence)
    ("HIGH", "HIGH"): _HIGH,
    ("HIGH", "MEDIUM"): _HIGH,
    ("HIGH", "LOW"): _MEDIUM,
    ("MEDIUM", "HIGH"): _MEDIUM,
    ("MEDIUM", "MEDIUM"): _MEDIUM,
    ("MEDIUM", "LOW"): _LOW,
    ("LOW", "HIGH"): _LOW,
    ("LOW", "MEDIUM"): _LOW,
    ("LOW", "LOW"): _LOW,
}

_RUFF = {
    # ruff gives no severities; these are what bandit gives to the rules that ruff took over
    # from it. A rule that is not named here is medium.
    **dict.fromkeys(
        ["S101", "S105", "S106", "S107", "S110", "S112", "S113", "S311", "S504", "S603", "S606", "S607"],
        _LOW,
    ),
    **dict.fromkeys(
        [
            "S201",
            "S304",
            "S312",
            "S321",
            "S324",
            "S501",
            "S502",
            "S505",
            "S507",
            "S602",
            "S605",
            "S609",
            "S701",
        ],
        _HIGH,
    ),
    INVALID_SYNTAX: _HIGH,
}
_RUFF_SEEMS_SAFE = re.compile(r"seems safe")
"""ruff's own words for a shell command that is a constant."""

_RUFF_CWE = {
    # Weaknesses by rule, as bandit names them for its rule of the same number; ruff names none.
    "S101": 703, "S102": 78, "S103": 732, "S104": 605, "S105": 259, "S106": 259, "S107": 259, "S108": 377,
    "S110": 703, "S112": 703, "S113": 400, "S201": 94, "S202": 22, "S301": 502, "S302": 502, "S303": 327,
    "S304": 327, "S305": 327, "S306": 377, "S307": 78, "S308": 79, "S310": 22, "S311": 330, "S312": 319,
    "S313": 20, "S314": 20, "S315": 20, "S316": 20, "S317": 20, "S318": 20, "S319": 20, "S321": 319,
    "S323": 295, "S324": 327, "S501": 295, "S502": 327, "S503": 327, "S504": 327, "S505": 326, "S506": 20,
    "S507": 295, "S508": 319, "S509": 319, "S601": 78, "S602": 78, "S603": 78, "S604": 78, "S605": 78,
    "S606": 78, "S607": 78, "S608": 89, "S609": 155, "S610": 89, "S611": 89, "S612": 94, "S701": 94,
    "S702": 80, "S704": 79,
}  # fmt: skip

_SECRETS = {
    # (what the rule knows, what the value looks like); a rule that is not named here knows the
    # exact format of one provider's credential.
    "private-key": {"strong": _CRITICAL},
    "secret-keyword": {"strong": _HIGH, "weak": _MEDIUM},
    "environment-assignment": {"strong": _HIGH, "weak": _MEDIUM},
    "basic-auth-credentials": {"strong": _HIGH, "weak": _MEDIUM},
    "base64-high-entropy-string": {"strong": _LOW},
    "hex-high-entropy-string": {"strong": _LOW},
}
_SECRETS_DEFAULT = {"strong": _CRITICAL, "weak": _HIGH}

_TEXT = {
    "conflict-marker": _HIGH,
    "bidirectional-control": _HIGH,
    "invisible-character": _MEDIUM,
    "control-character": _MEDIUM,
    "look-alike-letter": _MEDIUM,
}


def of_bandit(severity: str, confidence: str) -> Severity:
    """Raises KeyError for words that bandit does not have."""
    return _BANDIT[severity, confidence]


def of_ruff(rule_id: str, message: str, in_tests: bool) -> Severity:
    if rule_id == INVALID_SYNTAX and in_tests:
        return _MEDIUM  # a fixture may well be broken on purpose: for a person to say
    return _LOW if _RUFF_SEEMS_SAFE.search(message) else _RUFF.get(rule_id, _MEDIUM)


def cwe_of_ruff(rule_id: str) -> tuple[str, ...]:
    return (f"CWE-{_RUFF_CWE[rule_id]}",) if rule_id in _RUFF_CWE else ()


def of_secret(rule_id: str, likeness: str) -> Severity:
    """`likeness`: strong, weak, or placeholder for a value that nobody would use."""
    if likeness == "placeholder":
        return _LOW
    return _SECRETS.get(rule_id, _SECRETS_DEFAULT).get(likeness, _HIGH)


def of_text(rule_id: str) -> Severity:
    return _TEXT.get(rule_id, _MEDIUM)
