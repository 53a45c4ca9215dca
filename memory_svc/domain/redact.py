"""Takes secrets and the paths of machines out of text before any of it is kept."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from autopack.errors import Reason
from memory_svc.domain.records import DecisionRecord, RunRecord

SECRET = "[redacted]"

_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|CERTIFICATE)[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)",
    re.DOTALL,
)
_BEARER = re.compile(r"\b(bearer|basic|token)(\s+)[A-Za-z0-9+/_.=~-]{16,}", re.IGNORECASE)
# detect-secrets takes only what decodes to JSON, and a message may have cut it off.
_WEB_TOKEN = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?")
_URL_USER = re.compile(r"(?<=://)[^\s/@'\"]+(?=@)")
# What a key is called, then its value; detect-secrets asks for quotes around it, prose has none.
_ASSIGNED = re.compile(
    r"\b([\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\w.-]*)"
    r"(['\"]?\s*(?:[=:]|:=|=>)\s*)(['\"]?)([^\s'\",;]{6,})\3",
    re.IGNORECASE,
)
# The first directory of a path tells a machine's path from a route of a web application.
_MACHINE_PATH = re.compile(
    r"(?<![\w./~-])(?:file://)?"
    r"(?:~[\w-]*|/(?:home|Users)/[^/\s'\"`:,;()<>\]]+"
    r"|/(?:root|tmp|var|usr|opt|srv|mnt|media|run|proc|sys|dev|etc|data|work|workspaces?|workdir|builds?|app|github"
    r"|nix|private|Volumes|Library|Applications)(?=/)"
    r"|[A-Za-z]:\\(?:Users\\[^\\\s]+)?|\\\\[^\\\s]+)"
    r"((?:[/\\][^/\\\s'\"`:,;()<>\]]+)*)[/\\]?"
)


@cache
def _detectors() -> tuple[Callable[[str], Any], ...]:
    # Importing detect-secrets takes 0.2 s, so it waits until there is text to look at. Its entropy detectors
    # take commit ids for secrets; its keyword detector is replaced by one that reads prose.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    from detect_secrets.plugins.base import RegexBasedDetector

    classes: Iterable[type[RegexBasedDetector]] = get_mapping_from_secret_type_to_class().values()
    names_left_out = {"IPPublicDetector", "PrivateKeyDetector", "KeywordDetector"}
    return tuple(
        detector().analyze_string
        for detector in classes
        if issubclass(detector, RegexBasedDetector) and detector.__name__ not in names_left_out
    )


def redact(text: str) -> str:
    """The text without secrets, and with each machine's path cut to its last name."""
    text = _KEY_BLOCK.sub(SECRET, text)
    text = _WEB_TOKEN.sub(SECRET, _URL_USER.sub(SECRET, text))
    for detect in _detectors():
        for secret in sorted(set(detect(text)), key=len, reverse=True):
            text = text.replace(secret, SECRET)
    text = _BEARER.sub(rf"\1\2{SECRET}", text)
    text = _ASSIGNED.sub(rf"\1\2{SECRET}", text)
    return _MACHINE_PATH.sub(_last_name, text)


def _last_name(path: re.Match[str]) -> str:
    rest = re.split(r"[/\\]", path[1])
    return f"…/{rest[-1]}" if rest[-1] else "…"


def redact_record(record: RunRecord) -> RunRecord:
    """The record with every text in it redacted; ids and digests are left as they are."""
    return replace(
        record,
        plan_name=redact(record.plan_name),
        phases=tuple(
            replace(
                phase,
                goal=redact(phase.goal),
                checks=tuple(map(redact, phase.checks)),
                paths=tuple(redact("\n".join(phase.paths)).split("\n")) if phase.paths else (),
                decision=_redact_decision(phase.decision) if phase.decision else None,
                attempts=tuple(
                    replace(attempt, reasons=tuple(map(_redact_reason, attempt.reasons)))
                    for attempt in phase.attempts
                ),
            )
            for phase in record.phases
        ),
    )


def _redact_decision(decision: DecisionRecord) -> DecisionRecord:
    return replace(
        decision,
        title=redact(decision.title),
        context=redact(decision.context),
        decision=redact(decision.decision),
        alternatives=redact(decision.alternatives),
        consequences=redact(decision.consequences),
    )


def _redact_reason(reason: Reason) -> Reason:
    return replace(reason, message=redact(reason.message), fix=redact(reason.fix), path=redact(reason.path))
