"""How every build goes, whatever the builder: base in, edits, the one write path, one commit out."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from autopack.errors import (
    AutopackError,
    FailedPrecondition,
    InvalidInput,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from autopack.gitstore.conflict_markers import find_conflict_markers
from autopack.gitstore.store import GitStore, Signature
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.paths import PathRules
from autopack.policy.plan import Phase
from autopack.policy.policy import Policy
from autopack.policy.prices import Price
from autopack.policy.read import policy_at
from builder_svc.domain.builder import Allowance, Builder, Record, Task, Work
from builder_svc.domain.money import price_of, require_price, within_money
from builder_svc.domain.recording import recorded
from builder_svc.domain.redaction import redacted_reasons
from builder_svc.domain.spending import Account, Spending, Spent

GRACE_SECONDS = 2.0
"""Beyond the allowance, for a builder that enforces its time itself to say how it ended."""
GIVE_PAUSES = (0.1, 0.5, 2.0, 5.0, 10.0)
"""Seconds between tries to hand a change over while its owner is away."""
AUTHOR = ("autopack-builder", "autopack-builder@localhost")
"""Of commits that only carry a change; landing makes its own."""
_COMMITTER_TIME = re.compile(rb"^committer .*> (\d+) [+-]\d{4}$", re.MULTILINE)
_REFUSED_PACKS = frozenset({"PACK_INVALID", "PACK_TOO_LARGE"})


class Copies(Protocol):
    """Moves git objects between this service's stores and the repositories' owner."""

    async def with_commits(self, project_id: str, git_address: str, *commits: str) -> GitStore:
        """The project's store, with these commits in it."""
        ...

    async def give(
        self, project_id: str, git_address: str, commit: str, base: str, request_id: str, upload_token: str
    ) -> None:
        """Hands a commit over to the owner, who has `base`."""
        ...


class Exchanges(Protocol):
    """Keeps what was exchanged with models and commands."""

    async def keep(self, project_id: str, request_id: str, document: bytes) -> str:
        """Store it durably; returns its SHA-256, hex."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a build ended: a commit, or reasons."""

    commit: str = ""
    reasons: tuple[Reason, ...] = ()
    exchange_digest: str = ""


class Building:
    """Carries out builds, a bounded number of each kind at a time."""

    def __init__(
        self,
        copies: Copies,
        exchanges: Exchanges,
        spending: Spending,
        select: Callable[[Phase, Policy], Builder],
        concurrency: int,
        clock: Callable[[], float],
        prices: Mapping[str, Price],
    ) -> None:
        """`select` gives the builder of a phase or raises AutopackError; `clock` gives seconds; `prices`
        are the operator's, by model."""
        self._copies = copies
        self._exchanges = exchanges
        self._spending = spending
        self._select = select
        self._concurrency = concurrency
        self._clock = clock
        self._prices = prices
        # By kind: a ready patch must not wait for models to answer.
        self._slots: dict[str, asyncio.Semaphore] = {}

    async def run(self, task: Task, record: Record) -> Outcome:
        """The build's end. A refusal is an outcome; what another service or the disk does wrong is raised.

        What was spent is on the record, also when this is cancelled; what an earlier start of the same
        build had spent when it was cut off is on it too, and is not given again.
        """
        before = await self._spending.of(task.request_id)
        record.seconds = before.seconds
        record.input_tokens, record.output_tokens = before.input_tokens, before.output_tokens
        task = replace(task, allowance=_left(task.allowance, before))
        account = Account(self._spending, task.request_id, record, self._clock)
        try:
            return await self._run(task, record, account)
        except BaseException:
            # It has no result that would tell, and may be started again.
            await account.keep()
            raise

    async def _run(self, task: Task, record: Record, account: Account) -> Outcome:
        store = await self._copies.with_commits(
            task.project_id, task.delivery.git_address, task.policy_commit, task.base
        )
        outcome = await self._outcome(task, store, record, account)
        if record.exchange:
            base_tree = await asyncio.to_thread(store.commit_tree, task.base)
            document = await asyncio.to_thread(recorded, task, base_tree, record, outcome.reasons)
            digest = await self._exchanges.keep(task.project_id, task.request_id, document)
            outcome = replace(outcome, exchange_digest=digest)
        return replace(outcome, reasons=redacted_reasons(outcome.reasons, record.secrets))

    async def _outcome(self, task: Task, store: GitStore, record: Record, account: Account) -> Outcome:
        try:
            if not task.allowance.seconds:
                raise ResourceExhausted(_no_time())
            policy = await asyncio.to_thread(policy_at, store, task.policy_commit)
            record.price = price_of(task.phase, policy, self._prices)
            require_price(task.phase, policy, record.price, task.allowance)
            task = replace(task, allowance=_left_of_money(task.allowance, record))
            builder = self._select(task.phase, policy)
            record.kind = builder.kind
            if builder.kind != "model":  # which keeps to the dollars by itself, call by call
                task = replace(task, allowance=within_money(task.allowance, record.price))
            rules = policy.path_rules(task.phase.scope.paths)
            edits = await self._edits(builder, Work(task, store, policy, rules, record, account))
            record.edits = tuple(edits)
            commit = await asyncio.to_thread(_commit, store, task, edits, rules)
        except AutopackError as error:
            return Outcome(reasons=error.reasons)
        try:
            await self._give(task, commit)
        except (InvalidInput, ResourceExhausted) as error:
            if error.reasons[0].code in _REFUSED_PACKS:
                return Outcome(reasons=error.reasons)
            raise
        return Outcome(commit)

    async def _give(self, task: Task, commit: str) -> None:
        """What was built may have been dear: an owner that is just restarting does not lose it."""
        where, token = task.delivery.git_address, task.delivery.upload_token
        for pause in (*GIVE_PAUSES, None):
            try:
                return await self._copies.give(
                    task.project_id, where, commit, task.base, task.request_id, token
                )
            except Unavailable:
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _edits(self, builder: Builder, work: Work) -> Sequence[Edit]:
        slots = self._slots.setdefault(builder.kind, asyncio.Semaphore(self._concurrency))
        async with slots, work.account.timed():
            limit = asyncio.timeout(work.task.allowance.seconds + GRACE_SECONDS)
            try:
                async with limit:
                    return await builder.build(work)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise FailedPrecondition(timed_out(work.task.allowance.seconds)) from None


def timed_out(seconds: int, output: str = "") -> Reason:
    """Why a build was stopped."""
    message = f"not done after {seconds} s" + (f"; its output ended with\n{output}" if output else "")
    return Reason("BUILD_TIMED_OUT", message, "raise budget.seconds, or ask for less in one phase")


def _left(allowance: Allowance, spent: Spent) -> Allowance:
    tokens = allowance.tokens - spent.input_tokens - spent.output_tokens
    return replace(allowance, seconds=max(0, int(allowance.seconds - spent.seconds)), tokens=max(0, tokens))


def _left_of_money(allowance: Allowance, record: Record) -> Allowance:
    """Without what an earlier start of the same build has spent."""
    if allowance.usd is None:
        return allowance
    return replace(allowance, usd=max(0.0, allowance.usd - (record.usd or 0.0)))


def _no_time() -> Reason:
    return Reason("BUDGET_EXHAUSTED", "no seconds are left for this phase", "raise budget.seconds")


def _commit(store: GitStore, task: Task, edits: Sequence[Edit], rules: PathRules) -> str:
    tree = apply_edits(store, task.base, edits, rules)
    marked = find_conflict_markers(store, task.base, edits)
    if marked:
        raise InvalidInput(*marked)
    _, data = store.read_object(bytes.fromhex(task.base))
    time = _COMMITTER_TIME.search(data)
    author = Signature(*AUTHOR, int(time[1]) if time else 0)
    return store.commit(tree=tree, parents=[task.base], message=task.request_id, author=author)
