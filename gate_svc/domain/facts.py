"""What a change is, from its files: its categories, how risky it looks, and what its contents say."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from autopack.policy import categories as path_categories
from autopack.policy.paths import matches_any_case
from autopack.policy.policy import Policy
from gate_svc.domain.change import ChangedFile, count_lines, net_deletion
from gate_svc.domain.content import refuse_contents
from gate_svc.domain.risk import RiskFacts
from gate_svc.domain.ruling import Ruling, refuse

CRITICAL = (
    "auth/",
    "authentication/",
    "authorization/",
    "security/",
    "crypto/",
    "secrets/",
    "migrations/",
    "deploy/",
    "terraform/",
    "k8s/",
    "helm/",
    "Dockerfile*",
    ".env*",
)
"""Where a small mistake does great harm, at any depth; what the policy wants approved joins them."""

_SOURCE = re.compile(r".*\.(pyi?|[jt]sx?|mjs|go|rs|java|kt|c|cc|cpp|h|hpp|cs|rb|php|swift|scala|sh|sql)")
_LICENCES = ("license", "licence", "copying", "notice")
CONTENT_REASONS_LIMIT = 100


def content_rulings(files: Iterable[ChangedFile]) -> tuple[Ruling, ...]:
    """What is refused for what the files hold."""
    reasons = [reason for file in files for reason in refuse_contents(file)]
    return tuple(refuse(reason) for reason in reasons[:CONTENT_REASONS_LIMIT])


def categories(
    paths: Sequence[str], judges: tuple[str, ...], policy: Policy, declared: str
) -> tuple[str, ...]:
    """Declared and found, sorted; test_harness is found where the judge is altered, and not for new tests."""
    found = set(path_categories.categories(paths, policy, declared)) - {"test_harness"}
    inputs = policy.environment.inputs
    if any(inputs and matches_any_case(inputs, path) for path in paths):
        found.add("dependency")
    if judges or declared == "test_harness":
        found.add("test_harness")
    return tuple(sorted(found))


def risk_facts(
    files: Sequence[ChangedFile],
    categories: tuple[str, ...],
    policy: Policy,
    findings: tuple[str, ...],
    unreached_lines: int = 0,
) -> RiskFacts:
    """What the risk is computed from."""
    counts = {file.path: count_lines(file) for file in files}
    tests = [file for file in files if matches_any_case(policy.judge.paths, file.path)]
    product = [file.path for file in files if file not in tests and _SOURCE.fullmatch(file.path.lower())]
    asked = (glob for name in policy.approvals.categories for glob in policy.categories.get(name, ()))
    critical = (*CRITICAL, *asked)
    return RiskFacts(
        added_lines=sum(count.added for count in counts.values()),
        deleted_lines=sum(count.deleted for count in counts.values()),
        net_deleted_lines=net_deletion(files),
        product_lines=sum(counts[path].added + counts[path].deleted for path in product),
        tests_changed=any(counts[file.path].added for file in tests),
        critical_paths=tuple(file.path for file in files if matches_any_case(critical, file.path)),
        categories=categories,
        licence_changed=any(PurePosixPath(file.path).name.lower().startswith(_LICENCES) for file in files),
        findings=findings,
        unreached_lines=unreached_lines,
    )
