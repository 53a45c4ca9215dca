"""On which trees the checks of a change run: the head and the base, each with the judge of the run's base."""

from dataclasses import dataclass, replace

from autopack.gitstore.store import GitStore
from autopack.policy.plan import Check
from autopack.policy.policy import SandboxRules
from autopack.sandbox import Sandbox
from gate_svc.candidate import Candidate
from gate_svc.checks import Place
from gate_svc.domain.keys import check_key
from gate_svc.environments import PreparedEnvironment
from gate_svc.judges import JudgedTree, Judges
from gate_svc.reporters import DIRECTORIES
from gate_svc.trees import Trees

BUG_FIX = "bug_fix"
"""The category of changes whose tests must fail without them."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of a check."""

    key: str
    """Digest of all that its outcome depends on."""
    place: Place


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs that a check takes."""

    head: Planned
    base: Planned | None
    """None where nothing is reported by test, so that nothing can be compared."""
    own: Planned | None = None
    """What the head has of tests that the run's base has not."""
    own_base: Planned | None = None
    """The same of the base: what earlier phases of the run have added."""
    teeth: Planned | None = None
    """What the head has of its own tests, on the base: for a bug fix."""
    changed: tuple[str, ...] = ()
    """Files of the judge that the head has otherwise than the run's base."""
    bug_fix: bool = False
    probed: Planned | None = None
    """The head as it is, for a probe of the change."""


@dataclass(frozen=True, slots=True)
class Places:
    """The trees of one change, prepared."""

    candidate: Candidate
    environments: tuple[PreparedEnvironment, PreparedEnvironment]
    """Head's and base's."""
    sandbox: Sandbox
    rules: SandboxRules
    machine: str
    trees: tuple[JudgedTree, JudgedTree]
    """Head and base as they are."""
    pinned: tuple[JudgedTree, JudgedTree] | None
    own: tuple[JudgedTree | None, JudgedTree | None]
    lent: JudgedTree | None = None

    def runs(self, check: Check) -> Runs:
        """Where a check runs. One that says nothing by test is run on the head alone."""
        head, base = self.candidate.tree, self.candidate.base_tree
        if self.pinned is None or check.reports not in DIRECTORIES:
            plain = self._planned(check, head, self.trees[0])
            if check.reports == "none":
                return Runs(plain, None)
            return Runs(plain, self._planned(check, base, self.trees[1]))
        own = [
            self._planned(check, tree, judged) if judged else None
            for tree, judged in zip((head, base), self.own, strict=True)
        ]
        return Runs(
            head=self._planned(check, head, self.pinned[0]),
            base=self._planned(check, base, self.pinned[1]),
            own=own[0],
            own_base=own[1],
            teeth=self._planned(check, base, self.lent) if self.lent else None,
            changed=self.pinned[0].changed,
            bug_fix=BUG_FIX in self.candidate.categories,
            probed=self._planned(check, head, self.trees[0]),
        )

    def _planned(self, check: Check, tree: str, judged: JudgedTree) -> Planned:
        only = judged.only if check.reports == "pytest" else ()
        environment = self.environments[tree != self.candidate.tree]
        key = check_key(
            check,
            tree,
            environment.digest + environment.contents,
            self.rules,
            self.sandbox.tier,
            self.machine,
            judged.digest,
            only,
        )
        place = Place(judged.tree, environment, self.sandbox, self.rules, judged.blinded, only)
        return Planned(key, place)


async def prepare_places(
    store: GitStore,
    run_base: str,
    candidate: Candidate,
    trees: Trees,
    judges: Judges,
    environments: tuple[PreparedEnvironment, PreparedEnvironment],
    sandbox: Sandbox,
    machine: str,
) -> Places:
    """Prepares the trees; with their judges only where a check has tests that the gate's reporters see."""
    both = (candidate.tree, candidate.base_tree)
    plain = [JudgedTree(tree, "") for tree in await trees.prepare(store, run_base, both)]
    places = Places(
        candidate,
        environments,
        sandbox,
        candidate.policy.sandbox,
        machine,
        (plain[0], plain[1]),
        None,
        (None, None),
    )
    if not any(check.reports in DIRECTORIES for check in candidate.checks):
        return places
    pinned = [
        await judges.pinned(store, run_base, tree, candidate.policy, each.tree)
        for tree, each in zip(both, plain, strict=True)
    ]
    own = [
        await judges.own(store, run_base, tree, candidate.policy, each.tree)
        for tree, each in zip(both, plain, strict=True)
    ]
    lent = None
    if BUG_FIX in candidate.categories and own[0] is not None:
        lent = await judges.lent(store, run_base, candidate.policy, plain[1].tree, candidate.tree, own[0])
    return replace(places, pinned=(pinned[0], pinned[1]), own=(own[0], own[1]), lent=lent)
