"""The shell line and environment by which a check runs and leaves its evidence behind."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autopack.policy.plan import Check

# Written by the reporters in gate_svc/reporters.
RECORDS = "autopack-tests.jsonl"
JUNIT = "autopack-junit.xml"
TAP = "autopack.tap"

# Errors at collection must not hide the other tests, nor one failure the next: a baseline is by test.
_PYTEST_OPTIONS = "-p autopack_pytest --continue-on-collection-errors --maxfail=0"

_RUN = 'status=0; sh -ec "$AUTOPACK_CHECK"{redirection} || status=$?'


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one check is run."""

    line: str
    environment: Mapping[str, str]
    report: str
    """Name of the report that it leaves; empty for none."""
    reporter: str
    """Which of the gate's reporters must be at hand; empty for none."""


def invocation(
    check: Check, reporters: Mapping[str, str], path: Sequence[str], only: Sequence[str] = ()
) -> Invocation:
    """How to run a check.

    `reporters` gives what is to be on PYTHONPATH for each reporter, `path` what the policy puts before PATH,
    relative to the work tree; `only` names the test files that pytest is to run, none: all.
    """
    kind, _, place = check.reports.partition(":")
    before = _path_line(path)
    match kind:
        case "pytest":
            environment = {"PYTHONPATH": reporters[kind], "PYTEST_ADDOPTS": _PYTEST_OPTIONS}
            if only:
                environment["AUTOPACK_ONLY"] = "\n".join(only)
            return Invocation(before + check.run, environment, RECORDS, kind)
        case "unittest":
            return Invocation(before + check.run, {"PYTHONPATH": reporters[kind]}, RECORDS, kind)
        case "junit":
            # What lies there already, committed perhaps, is not what this run says.
            file = shlex.quote(f"./{place}")
            lines = (
                f"rm -rf -- {file}",
                _RUN.format(redirection=""),
                f'if [ -f {file} ]; then cp -- {file} "$AUTOPACK_REPORTS/{JUNIT}"; fi',
                "exit $status",
            )
            return Invocation(before + "\n".join(lines), {"AUTOPACK_CHECK": check.run}, JUNIT, "")
        case "tap":
            report = f'"$AUTOPACK_REPORTS/{TAP}"'
            run = _RUN.format(redirection=f" >{report}")
            line = f"{before}{run}\ncat {report}\nexit $status"
            return Invocation(line, {"AUTOPACK_CHECK": check.run}, TAP, "")
        case _:
            return Invocation(before + check.run, {}, "", "")


def probing(
    check: Check, directories: str, path: Sequence[str], settings: Mapping[str, Any], then: Sequence[str]
) -> Invocation:
    """How to run a check on an instrumented product, and what is to be done then, whatever has come of it."""
    line = "\n".join((f'{_path_line(path)}sh -ec "$AUTOPACK_CHECK" >/dev/null 2>&1 || :', *then))
    environment = {
        "PYTHONPATH": directories,
        "AUTOPACK_CHECK": check.run,
        "AUTOPACK_PROBE": json.dumps(settings),
    }
    if check.reports == "pytest":
        environment["PYTEST_ADDOPTS"] = _PYTEST_OPTIONS
    return Invocation(line, environment, RECORDS, check.reports)


def _path_line(path: Sequence[str]) -> str:
    if not path:
        return ""
    directories = "".join(f'"$PWD"/{shlex.quote(each)}:' for each in path)
    return f'PATH={directories}"$PATH"; export PATH\n'
