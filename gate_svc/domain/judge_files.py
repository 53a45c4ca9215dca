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

LISTED_LIMIT = 20
"""Files that become reasons; the rest is counted."""

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


def changed_judges(
    files: Iterable[ChangedFile], pinned: Callable[[str], bytes | None], policy: Policy
) -> tuple[str, ...]:
    """Paths among the changed files that decide and are no longer as the policy's commit has them.

    `pinned` gives a file's contents at that commit, None where it is absent: what an earlier phase of the
    same run has added is still new.
    """
    globs = (*policy.judge.paths, *policy.categories.get("test_harness", ()))
    return tuple(file.path for file in files if _alters(file, pinned, globs))


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
