"""Probes a change beyond its tests: once for each, in a run of its own beside the one that judges it."""

import asyncio
import hashlib
import hmac
import logging
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from autopack.errors import AutopackError, InvalidInput
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import Check
from gate_svc.candidate import Candidate
from gate_svc.checks import Checks, Place
from gate_svc.domain.change import ChangedFile
from gate_svc.domain.commands import Invocation, probing
from gate_svc.domain.judge_files import is_judge
from gate_svc.domain.probing.mutants import Instrumented, instrument
from gate_svc.domain.probing.probed import Probed, from_document, names, read_probed, to_document
from gate_svc.domain.test_diff.test_files import is_test_file
from gate_svc.reporters import BLIND, DIRECTORIES, PROBE
from gate_svc.storage.check_results import CheckResults

logger = logging.getLogger(__name__)

_BESIDE = ".autopack-probe"
"""Where what is put in place after the tests waits for it."""
_CALLS_SECONDS = 1.0
"""For the kept calls on each of head and base."""
_WITHOUT_TESTS = (
    "find . -xdev \\( -type d \\( -name tests -o -name test \\) -prune -o "
    "-type f \\( -name 'test_*.py' -o -name '*_test.py' -o -name conftest.py \\) \\) "
    "-exec rm -rf -- {} + 2>/dev/null || :"
)
"""Where calls are made again, nothing tells of tests."""
FILES_LIMIT = 20
BYTES_LIMIT = 1_000_000
"""Changed product files, and their bytes together, from which on a change is not probed."""


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """How one change is probed."""

    key: str
    files: Mapping[str, Instrumented]
    edits: tuple[Edit, ...]
    """The instrumented files, and beside them head's and base's."""
    added: tuple[str, ...]
    """Files that the base does not have."""
    seed: str
    possible: int
    seconds: float


class Probes:
    """The probes of all judgements."""

    def __init__(self, checks: Checks, results: CheckResults, secret: Callable[[], Awaitable[bytes]]) -> None:
        self._checks = checks
        self._results = results
        self._draw_by = secret
        self._secret = b""

    async def plan(self, candidate: Candidate, check: Check, head: str, base: str) -> ProbePlan | None:
        """How to probe a change by a check; None where there is nothing to probe. `head` and `base` stand for
        all that the check's outcome depends on."""
        rules = candidate.policy.judge.probe
        files = _product(candidate)
        if check.reports not in DIRECTORIES or not rules.seconds or not files:
            return None
        try:
            self._secret = self._secret or await self._draw_by()
        except AutopackError as error:
            logger.warning("no mutants can be drawn: %s", error)
            return None
        seed = hmac.digest(self._secret, candidate.change_digest.encode(), hashlib.sha256)
        return await asyncio.to_thread(_planned, candidate, files, seed, f"{head} {base}")

    async def known(self, plan: ProbePlan | None) -> Probed | None:
        """What an earlier probe of the same has shown."""
        document = await self._results.document(plan.key) if plan else None
        return from_document(document) if document else None

    async def run(self, plan: ProbePlan | None, owner: str, check: Check, place: Place) -> Probed | None:
        """Probes a change on its head; None where it tells nothing, which is never held against it."""
        if plan is None:
            return None
        try:
            report = await self._checks.aside(owner, check, _commanded(plan, check, place), place, plan.edits)
        except InvalidInput as error:
            logger.warning("a change could not be probed: %s", error)
            return None
        if report is None:
            return None
        probed = await asyncio.to_thread(read_probed, report, plan.files, plan.seed, plan.possible)
        if probed is not None:
            await self._results.put_document(plan.key, to_document(probed))
        return probed


def _product(candidate: Candidate) -> dict[str, ChangedFile]:
    """Changed files that are neither tests nor decide otherwise, where some are Python and all are small."""
    changed = {
        file.path: file
        for file in candidate.files
        if not is_judge(file.path, candidate.policy) and not is_test_file(file.path)
    }
    size = sum(len(each.new or b"") + len(each.old or b"") for each in changed.values())
    if len(changed) > FILES_LIMIT or size > BYTES_LIMIT:
        return {}
    return changed if any(path.endswith(".py") and each.new for path, each in changed.items()) else {}


def _planned(
    candidate: Candidate, files: Mapping[str, ChangedFile], seed: bytes, depends: str
) -> ProbePlan | None:
    rules = candidate.policy.judge.probe
    sources = {
        path: (each.old, each.new)
        for path, each in files.items()
        if path.endswith(".py") and each.new is not None
    }
    found, possible = instrument(sources, seed, rules.mutants)
    if not found:
        return None
    edits = [Edit(path, each.source) for path, each in found.items()]
    edits += [
        Edit(f"{_BESIDE}/{side}/{path}", contents)
        for path, each in files.items()
        for side, contents in (("head", each.new), ("base", each.old))
        if contents is not None and (side == "base" or path in found)
    ]
    digest = hashlib.sha256(repr((depends, seed, rules.mutants, rules.seconds, "probe/v1")).encode())
    return ProbePlan(
        key=digest.hexdigest(),
        files=found,
        edits=tuple(edits),
        added=tuple(path for path, each in files.items() if each.old is None),
        seed=seed.hex(),
        possible=possible,
        seconds=rules.seconds,
    )


def _commanded(plan: ProbePlan, check: Check, place: Place) -> Invocation:
    directories = f"{DIRECTORIES[check.reports]}:{BLIND}:{PROBE}"
    mutants = [mutant.number for each in plan.files.values() for mutant in each.mutants]
    settings = {
        "seconds": plan.seconds,
        "mutants": sorted(mutants),
        "names": sorted(set(names(plan.files))),
    }
    program = shlex.quote(str(PROBE / "autopack_calls.py"))
    gone = " ".join(shlex.quote(f"./{path}") for path in plan.added)
    again = [_WITHOUT_TESTS]
    again += [
        f"cp -R {_BESIDE}/{side}/. . 2>/dev/null && {removed}"
        f'python {program} {side} "$AUTOPACK_REPORTS" {_CALLS_SECONDS} >/dev/null 2>&1 || :'
        for side, removed in (("head", ""), ("base", f"rm -f -- {gone} && " if gone else ""))
    ]
    return probing(check, directories, place.environment.path, settings, again)
