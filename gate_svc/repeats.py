"""Runs tests again that fail on the head alone, or are in doubt there, to see whether they are flaky."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from gate_svc.background import Background
from gate_svc.checks import Checks
from gate_svc.domain.checking import CheckFacts, in_question
from gate_svc.domain.evidence import CheckRun
from gate_svc.domain.flakes import FIRST_RUNS, RUNS, SECONDS_LIMIT, Tally, broken, tally
from gate_svc.places import Planned, Runs


async def repeated(checks: Checks, owner: str, facts: CheckFacts, runs: Runs) -> Mapping[str, Tally]:
    """How often each test in question fails on head and base; empty where nothing is in question.

    How many runs there are, and how long each may take, depends on what they show alone.
    """
    names = in_question(facts)
    if not names or runs.base is None:
        return {}
    check = replace(facts.check, timeout=min(facts.check.timeout, SECONDS_LIMIT))
    files = tuple(sorted({name.partition("::")[0] for name in names})) if check.reports == "pytest" else ()
    async with Background[CheckRun]() as background:

        def again(planned: Planned, times: int) -> list[asyncio.Task[CheckRun]]:
            place = replace(planned.place, only=files)
            return [background.start(checks.again(owner, check, place)) for _ in range(times)]

        heads = [await run for run in again(runs.head, FIRST_RUNS)]
        if broken(names, heads):
            return tally(names, heads, ())
        more, bases = again(runs.head, RUNS - FIRST_RUNS), again(runs.base, RUNS)
        return tally(names, heads + [await run for run in more], [await run for run in bases])
