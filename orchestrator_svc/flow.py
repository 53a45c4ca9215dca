"""The flow of a run, stated once: build, audit, gate, land, along the landing train.

A driver reads the rows, asks the train what is due, has it done, and reads again. It keeps
nothing that the rows do not say, so it may die at any point and another goes on.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from autopack.gitstore.replay import replay
from orchestrator_svc.domain.refusal import did_not_fit
from orchestrator_svc.domain.run import Phase
from orchestrator_svc.domain.states import PhaseState
from orchestrator_svc.domain.train import Action, Build, Judge, Prediction, Settle, Skip, holds, next_actions
from orchestrator_svc.services import patiently
from orchestrator_svc.steps import Steps
from orchestrator_svc.storage.runs import Line
from orchestrator_svc.tracing import RunTrace

IN_JUDGEMENT = frozenset({PhaseState.AUDITING, PhaseState.GATING, PhaseState.LANDING})


@dataclass(slots=True)
class Flow:
    """Drives one claimed run until nothing is due."""

    steps: Steps
    trace: RunTrace
    window: int
    """Phases that are looked at ahead of the branch's head."""
    patience_seconds: float
    wake: asyncio.Event
    """Set when somebody else has changed the run's rows."""
    clock: Callable[[], float]
    _replayed: dict[tuple[str, str, str], Prediction] = field(default_factory=dict)

    async def drive(self) -> Line:
        """Drives until nothing is due.

        Returns:
            The line as it then stands: all ended, or waiting for a person.

        Raises:
            Halt: when the run cannot go on by a fault that no change is to blame for.
        """
        at_work: dict[Action, asyncio.Task[None]] = {}
        try:
            while True:
                self.wake.clear()
                line = await self.steps.rows.line(self.steps.run_id, self.window, self.clock())
                due = await self._due(line)
                for action in at_work.keys() - due.keys():
                    # The prediction that it worked on does not hold any more.
                    at_work[action].cancel()
                for action in due.keys() - at_work.keys():
                    at_work[action] = asyncio.create_task(self._do(action, line, due[action]))
                if not at_work:
                    return line
                await self._until_something_happens(at_work)
        finally:
            for task in at_work.values():
                task.cancel()
            await asyncio.gather(*at_work.values(), return_exceptions=True)

    async def _until_something_happens(self, at_work: dict[Action, asyncio.Task[None]]) -> None:
        woken = asyncio.create_task(self.wake.wait())
        try:
            await asyncio.wait({woken, *at_work.values()}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
        for action, task in list(at_work.items()):
            if task.done():
                del at_work[action]
                if not task.cancelled():
                    task.result()

    async def _due(self, line: Line) -> dict[Action, Phase]:
        judged = any(phase.state in IN_JUDGEMENT for phase in line.phases)
        predictions = await asyncio.to_thread(self._predict, line) if judged else {}
        phases = {phase.phase_id: phase for phase in line.phases}
        misfits = {
            phase.phase_id
            for phase in line.phases
            if phase.state is PhaseState.QUEUED and did_not_fit(phase.attempt)
        }
        actions = next_actions(line.phases, predictions, line.landed.keys(), line.lost, misfits)
        return {action: phases[action.phase_id] for action in actions}

    def _predict(self, line: Line) -> dict[str, Prediction]:
        store = self.steps.project.store
        predictions: dict[str, Prediction] = {}
        replays: dict[tuple[str, str, str], Prediction] = {}
        tree = store.commit_tree(line.run.head)
        for phase in line.phases:
            if line.lost & set(phase.depends_on):
                continue
            attempt = phase.attempt
            if phase.state not in IN_JUDGEMENT or attempt is None:
                break
            key = (attempt.base, attempt.change, tree)
            prediction = self._replayed.get(key)
            if prediction is None:
                replayed = replay(store, attempt.base, attempt.change, tree)
                prediction = Prediction(tree, replayed.tree, replayed.conflicts)
            replays[key] = prediction
            predictions[phase.phase_id] = prediction
            refused = holds(phase, prediction) and phase.judged and phase.judged.decision != "ACCEPT"
            if prediction.tree is None or refused:
                # What comes behind depends on what follows from this.
                break
            tree = prediction.tree
        self._replayed = replays
        return predictions

    async def _do(self, action: Action, line: Line, phase: Phase) -> None:
        first = True

        async def step() -> None:
            nonlocal first
            now = phase if first else await self.steps.rows.phase(self.steps.run_id, phase.phase_id)
            first = False
            await self._step(action, line, now)

        with self.trace.step(action, phase):
            await patiently(step, self.patience_seconds)

    async def _step(self, action: Action, line: Line, phase: Phase) -> None:
        """One effect; what is not in the state for it any more is left to the next reading."""
        steps, run, attempt = self.steps, line.run, phase.attempt
        match action:
            case Skip(dependency=dependency) if phase.state is PhaseState.QUEUED:
                await steps.skip(phase, dependency)
            case Build(on_head=on_head) if phase.state is PhaseState.QUEUED:
                base = run.head if on_head else _build_base(line, phase)
                if begun := await steps.begin_attempt(phase, base):
                    await steps.build(run, begun, begun.attempts[-1])
            case Build() if phase.state is PhaseState.BUILDING:
                await steps.build(run, phase, phase.attempts[-1])
            case Judge(prediction=prediction) if attempt and phase.state in IN_JUDGEMENT:
                await steps.judge(run, phase, attempt, prediction)
            case Settle(prediction=prediction) if attempt and phase.state in IN_JUDGEMENT:
                await steps.settle(run, phase, attempt, prediction)


def _build_base(line: Line, phase: Phase) -> str:
    """The commit of the dependency that landed last; the run's base where there is none."""
    landed = [line.landed[name] for name in phase.depends_on]
    return max(landed).commit if landed else line.run.base
