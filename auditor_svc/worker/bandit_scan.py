"""bandit in process, without the command line: no configuration, no `# nosec`, no swallowed errors."""

import io
import logging
from typing import Any

from bandit.core.config import BanditConfig
from bandit.core.metrics import Metrics
from bandit.core.node_visitor import BanditNodeVisitor
from bandit.core.test_set import BanditTestSet
from bandit.core.tester import BanditTester

_FILE_NAME = "./module.py"
"""The same for every file: what bandit finds must not depend on names."""
_LEFT_OUT = {"B613"}  # bidirectional controls: the text rules find them in every kind of file
_WITHOUT_VALUE = {
    # bandit's own words for these quote the password.
    "B105": "Possible hardcoded password",
    "B106": "Possible hardcoded password in an argument",
    "B107": "Possible hardcoded password as a function's default",
}
_FEWEST_TESTS = 30
"""Without its entry points bandit has no tests and finds every file clean."""

logging.getLogger("bandit").setLevel(logging.CRITICAL)
_TESTS = BanditTestSet(BanditConfig(), {"exclude": _LEFT_OUT})
if len(_TESTS.plugins) < _FEWEST_TESTS:
    raise RuntimeError(f"bandit has loaded {len(_TESTS.plugins)} tests: it is not installed as it should be")


class _StrictTester(BanditTester):  # type: ignore[misc]  # bandit has no types
    """Raises where bandit would log that one of its tests failed and call the file clean."""

    @staticmethod
    def report_error(test: str, context: Any, error: Exception) -> None:
        raise RuntimeError(f"bandit's test {test} failed: {type(error).__name__}") from error


def scan(source: bytes) -> list[dict[str, Any]]:
    """What bandit finds. Raises SyntaxError or ValueError for what does not parse, RecursionError
    or MemoryError for what is nested too deeply.
    """
    metrics = Metrics()
    metrics.begin(_FILE_NAME)
    visitor = BanditNodeVisitor(_FILE_NAME, io.BytesIO(source), None, _TESTS, False, {}, metrics)
    visitor.tester = _StrictTester(_TESTS, False, {}, metrics)
    visitor.process(source)
    return [_detection(issue) for issue in visitor.tester.results]


def _detection(issue: Any) -> dict[str, Any]:
    # All lines of the statement, also where bandit points at one of its arguments: an argument
    # that changes makes it another finding.
    lines = [max(line, 1) for line in (*issue.linerange, issue.lineno)]
    return {
        "rule": issue.test_id,
        "name": issue.test.replace("_", "-"),
        "severity": [issue.severity, issue.confidence],
        "message": _WITHOUT_VALUE.get(issue.test_id, issue.text),
        "line": min(lines),
        "end_line": max(lines),
        "cwe": [f"CWE-{issue.cwe.id}"] if issue.cwe.id else [],
    }
