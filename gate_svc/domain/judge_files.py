"""Which files decide over a change, and which of them the change alters: then it is of category test_harness.

A new test is fine; what starts or configures the test run is not, since it could turn every outcome.
"""

import configparser
import tomllib
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Any

from autopack.errors import Reason
from autopack.policy.paths import matches_any_case
from autopack.policy.policy import Policy
from gate_svc.domain.change import ChangedFile
from gate_svc.domain.test_diff.compare import Loss, losses
from gate_svc.domain.text import one_line

LISTED_LIMIT = 20
"""Files that become reasons; the rest is counted."""

_RUN_AT_START = ("sitecustomize.py", "usercustomize.py")
_START_UP = frozenset(
    (
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "tox.ini",
        ".coveragerc",
    )
)
"""Read or run by a test run before the first test, wherever they are."""


def is_judge(path: str, policy: Policy) -> bool:
    """Whether a file decides over changes, so that the run's base says what is in it."""
    globs = (*policy.judge.paths, *policy.categories.get("test_harness", ()))
    return PurePosixPath(path).name.lower() in _START_UP or matches_any_case(globs, path)


def changed_judges(
    files: Iterable[ChangedFile], pinned: Callable[[str], bytes | None], policy: Policy
) -> tuple[str, ...]:
    """Paths among the changed files that decide and are no longer as the policy's commit has them.

    `pinned` gives a file's contents at that commit, None where it is absent: what an earlier phase of the
    same run has added is still new.
    """
    globs = (*policy.judge.paths, *policy.categories.get("test_harness", ()))
    return tuple(file.path for file in files if _alters(file, pinned, globs))


def harmless(
    files: Iterable[ChangedFile], pinned: Callable[[str], bytes | None], policy: Policy
) -> tuple[frozenset[str], tuple[Loss, ...]]:
    """The Python files of the judge among the changed ones, and what the judge loses by their change."""
    judged = [file for file in files if file.path.endswith(".py") and is_judge(file.path, policy)]
    judged = [file for file in judged if PurePosixPath(file.path).name.lower() not in _RUN_AT_START]
    before = {file.path: contents for file in judged if (contents := pinned(file.path)) is not None}
    after = {file.path: file.new for file in judged if file.new is not None}
    return frozenset(file.path for file in judged), losses(before, after)


def loss_reasons(found: tuple[Loss, ...]) -> tuple[Reason, ...]:
    """Why a person must look at what the judge loses."""
    fix = "keep what the tests of the base assert, or approve that they assert something else"
    reasons = [
        Reason("ASSERTION_CHANGED", one_line(each.message, 400), fix, path=each.path, line=each.line)
        if each.assertion
        else Reason("JUDGE_CHANGED", one_line(each.message, 400), fix, path=each.path, line=each.line)
        for each in found[:LISTED_LIMIT]
    ]
    if len(found) > LISTED_LIMIT:
        reasons.append(Reason("ASSERTION_CHANGED", f"{len(found) - LISTED_LIMIT} more of this kind", fix))
    return tuple(reasons)


def judge_reasons(paths: tuple[str, ...]) -> tuple[Reason, ...]:
    """Why a person must look at a change of the judge."""
    fix = "approve the change, or leave what decides over it alone; new tests need no approval"
    reasons = [
        Reason("JUDGE_CHANGED", "a file that decides over changes is itself changed", fix, path=path)
        for path in paths[:LISTED_LIMIT]
    ]
    if len(paths) > LISTED_LIMIT:
        reasons.append(Reason("JUDGE_CHANGED", f"{len(paths) - LISTED_LIMIT} more such files", fix))
    return tuple(reasons)


def _alters(file: ChangedFile, pinned: Callable[[str], bytes | None], globs: tuple[str, ...]) -> bool:
    name = PurePosixPath(file.path).name.lower()
    before = pinned(file.path)
    if name in _SETTINGS:
        return bool(_settings(name, before) != _settings(name, file.new))
    if before == file.new:
        return False  # it is put back
    return name in _START_UP or (before is not None and matches_any_case(globs, file.path))


def _pyproject(text: str) -> Any:
    tool = tomllib.loads(text).get("tool", {})
    return (
        {key: tool.get(key) for key in ("pytest", "coverage", "tox", "nox")}
        if isinstance(tool, dict)
        else tool
    )


def _setup_cfg(text: str) -> Any:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    return {
        name: dict(parser[name])
        for name in parser.sections()
        if name in ("tool:pytest", "pytest", "aliases") or name.startswith(("coverage:", "tox"))
    }


_SETTINGS: dict[str, Callable[[str], Any]] = {"pyproject.toml": _pyproject, "setup.cfg": _setup_cfg}
"""Files that hold other things too: only what they say on tests decides."""


def _settings(name: str, contents: bytes | None) -> Any:
    """What a file says on tests; for one that cannot be read, all of it."""
    try:
        return {key: value for key, value in _SETTINGS[name]((contents or b"").decode()).items() if value}
    except (ValueError, AttributeError, RecursionError, configparser.Error):
        return contents
