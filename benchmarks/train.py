"""The landing train beside two simpler orders: `python -m benchmarks.train [--phases 40] [--kill]`.

Three plans of independent phases on one base; a tenth is refused, some are approved late. Two checks run at
a time, each as long as is given. `serial` judges one phase after the other; `again` judges all at once, and
all over again when the head has moved: both are schedules that cost nothing themselves. `train` is the real
one over real git, with scripted builders and gate; with --kill it is cut off at random moments and started
again. Prints seconds and checks of each, and what is not as it must be.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from autopack.api.gate.v1 import gate_service_pb2, verdict_pb2
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import AutopackError
from benchmarks.project import print_machine
from tests.orchestrator_svc.conftest import Client, a_plan, an_orchestrator, git
from tests.orchestrator_svc.doubles import NEEDS_APPROVAL, REJECT, Script, doubles

AT_ONCE = 2
PLANS = 3
REFUSED_SHARE = 0.1
ASKED_SHARE = 0.05
APPROVAL_SECONDS = 1.0
BETWEEN_KILLS_SECONDS = (2.0, 6.0)
LIMIT_SECONDS = 900.0


@dataclass
class Machine:
    """Where checks run: so many at a time, each taking so long."""

    seconds: float
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    checks: int = 0

    async def check(self) -> None:
        """One check; one that is cancelled counts, since it has run."""
        async with self.slots:
            self.checks += 1
            await asyncio.sleep(self.seconds)


Fates = Mapping[tuple[str, str], "verdict_pb2.Decision"]
"""What the gate says of a phase, by run and phase; all else is accepted."""


def fates(phases: Mapping[str, list[str]], seed: int) -> Fates:
    """A tenth is refused, and a few must be approved."""
    chance = random.Random(seed)
    everything = [(run_id, phase_id) for run_id, names in phases.items() for phase_id in names]
    chosen = chance.sample(everything, round((REFUSED_SHARE + ASKED_SHARE) * len(everything)))
    refused = chosen[: round(REFUSED_SHARE * len(everything))]
    return {**dict.fromkeys(chosen, NEEDS_APPROVAL), **dict.fromkeys(refused, REJECT)}


async def serial(machine: Machine, phases: Mapping[str, list[str]], fate: Fates) -> None:
    """Each plan by itself, one phase after the other; who must be asked is judged again when approved."""

    async def plan(run_id: str, names: list[str]) -> None:
        for name in names:
            await machine.check()
            if fate.get((run_id, name)) == NEEDS_APPROVAL:
                await asyncio.sleep(APPROVAL_SECONDS)
                await machine.check()

    await asyncio.gather(*(plan(run_id, names) for run_id, names in phases.items()))


async def again(machine: Machine, phases: Mapping[str, list[str]], fate: Fates) -> None:
    """All phases of a plan at once, the first that is judged lands, and all others are judged again."""

    async def plan(run_id: str, names: list[str]) -> None:
        left = list(names)
        while left:
            judging = {asyncio.create_task(machine.check()): name for name in left}
            landed = False
            while judging and not landed:
                done, _ = await asyncio.wait(judging, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    name = judging.pop(task)
                    # A refusal does not move the head.
                    landed = fate.get((run_id, name)) != REJECT
                    left.remove(name)
                    if landed:
                        break
            for task in judging:
                task.cancel()
            await asyncio.gather(*judging, return_exceptions=True)

    await asyncio.gather(*(plan(run_id, names) for run_id, names in phases.items()))


async def train(
    machine: Machine, phases: Mapping[str, list[str]], fate: Fates, root: Path, chance: random.Random | None
) -> tuple[int, list[str]]:
    """The real thing; how often it was cut off, and what is not as it must be."""
    project = _project(root)

    async def check(request: gate_service_pb2.StartGateRequest) -> None:
        await machine.check()

    async with AsyncExitStack() as stack:
        script = Script(check=check, fate=fate)
        addresses = await stack.enter_async_context(doubles(script, root / "doubles"))
        kills, runs = 0, list[run_pb2.Run]()
        while not runs:
            orchestrator = an_orchestrator(root / "orchestrator", addresses, "", project, lease_seconds=1.0)
            async with orchestrator as client:
                for run_id, names in phases.items():
                    await client.submit(_plan(names), run_id)
                driving = asyncio.gather(*(_ended(client, run_id) for run_id in phases))
                limit = chance.uniform(*BETWEEN_KILLS_SECONDS) if chance else LIMIT_SECONDS
                try:
                    async with asyncio.timeout(limit):
                        runs = await driving
                except TimeoutError:
                    kills += 1
    return kills, [fault for run in runs for fault in _faults(project, run, fate)]


def _plan(names: list[str]) -> plan_pb2.Plan:
    plan = a_plan(*names)
    for phase in plan.phases:
        # One refusal each, as in the schedules that it stands beside.
        phase.budget.attempts = 1
    return plan


async def _ended(client: Client, run_id: str) -> run_pb2.Run:
    """The run when it has ended; the person who approves comes late."""
    while True:
        with suppress(AutopackError):
            run = await client.get(run_id)
            if run.HasField("end_time"):
                return run
            for phase in run.phases:
                if phase.state == run_pb2.PHASE_STATE_WAITING_APPROVAL:
                    await asyncio.sleep(APPROVAL_SECONDS)
                    await client.approve(phase.phase_id, phase.approval.digest, run_id)
        await asyncio.sleep(0.1)


def _faults(project: Path, run: run_pb2.Run, fate: Fates) -> list[str]:
    """Whether what landed is what the slots prescribe, and each tree the one that was judged."""
    kept = [phase for phase in run.phases if fate.get((run.run_id, phase.phase_id)) != REJECT]
    prescribed = [phase.phase_id for phase in sorted(kept, key=lambda phase: phase.slot)]
    form = "--format=%(trailers:key=Autopack-Phase,valueonly,separator=)"
    landed = git(project, "log", "--reverse", form, f"main..autopack/{run.run_id}").splitlines()
    found = [] if landed == prescribed else [f"{run.run_id}: landed {landed}, not {prescribed}"]
    return found + [
        f"{run.run_id}/{phase.phase_id}: another tree than was judged"
        for phase in kept
        if git(project, "rev-parse", f"{phase.commit}^{{tree}}") != phase.verdict.tree
    ]


def _followers(phases: Mapping[str, list[str]], fate: Fates) -> int:
    """Phases behind one that is refused or waits: these may have to be judged again."""
    return sum(
        len(names) - place - 1
        for run_id, names in phases.items()
        for place, name in enumerate(names)
        if (run_id, name) in fate
    )


def _project(root: Path) -> Path:
    project = root / "project"
    project.mkdir()
    (project / "README.md").write_text("A project.\n")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "Begin")
    return project


async def _compare(seconds: float, count: int, seed: int, kill: bool) -> None:
    phases = {f"r{plan}": [f"n{n}" for n in range(plan, count, PLANS)] for plan in range(PLANS)}
    fate = fates(phases, seed)
    print(f"checks of {seconds:g} s, {count} phases, followers of refusals: {_followers(phases, fate)}")
    for name, schedule in (("serial", serial), ("again", again)):
        machine = Machine(seconds)
        begun = time.monotonic()
        await schedule(machine, phases, fate)
        print(f"  {name}: {time.monotonic() - begun:.1f} s, {machine.checks} checks", flush=True)
    machine = Machine(seconds)
    with tempfile.TemporaryDirectory(prefix="autopack-train-") as root:
        begun = time.monotonic()
        kills, faults = await train(machine, phases, fate, Path(root), random.Random(seed) if kill else None)
        took = time.monotonic() - begun
    most = 1.5 * count + _followers(phases, fate)
    checks = f"{machine.checks} checks (at most {most:.0f})"
    print(f"  train: {took:.1f} s, {checks}, cut off {kills} times", flush=True)
    print(
        "".join(f"  NOT AS IT MUST BE: {fault}\n" for fault in faults) or "  history and trees as prescribed"
    )


def main() -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=40)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.05, 0.3, 3.0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kill", action="store_true")
    options = parser.parse_args()
    print_machine()
    for seconds in options.seconds:
        asyncio.run(_compare(seconds, options.phases, options.seed, options.kill))


if __name__ == "__main__":
    main()
