"""What a model may spend in one build: reserved before each call, whichever of its budgets is the nearest."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from autopack.errors import Reason, ResourceExhausted
from autopack.policy.prices import MILLION, Price
from builder_svc.domain.builder import Work


class Call:
    """One call: counts in full until it is known what it took."""

    def __init__(self, input_tokens: int, output_tokens: int) -> None:
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens

    def took(self, input_tokens: int | None, output_tokens: int | None) -> None:
        """Settles it; None leaves what was reserved."""
        self.input_tokens = self.input_tokens if input_tokens is None else input_tokens
        self.output_tokens = self.output_tokens if output_tokens is None else output_tokens


class Purse:
    """The allowance of one build, in tokens and dollars."""

    def __init__(self, work: Work) -> None:
        self._allowance = work.task.allowance
        self._record = work.record
        self._account = work.account
        # Without a known price there is no limit in dollars: see `money.require_price`.
        self._price = work.record.price or Price(0.0, 0.0)
        self._before = (work.record.input_tokens, work.record.output_tokens)

    @property
    def either_way(self) -> int:
        """Tokens that can be had even if all of them are of the dearer kind."""
        return self._bounded(self._tokens, self._micros, max(self._price.input, self._price.output))

    def question_tokens(self, answer_tokens: int) -> int:
        """How long a question can be that leaves so much for its answer; below 1: none can be paid."""
        micros = self._micros - answer_tokens * self._price.output
        return self._bounded(self._tokens - answer_tokens, micros, self._price.input)

    def answer_tokens(self, question_tokens: int) -> int:
        """How long an answer to so long a question can be; below 1: not even the question can be paid."""
        micros = self._micros - question_tokens * self._price.input
        return self._bounded(self._tokens - question_tokens, micros, self._price.output)

    @property
    def _tokens(self) -> int:
        return self._allowance.tokens - self._record.tokens + sum(self._before)

    @property
    def _micros(self) -> float:
        """Millionths of a dollar that are left."""
        if self._allowance.usd is None:
            return math.inf
        inwards = self._record.input_tokens - self._before[0]
        outwards = self._record.output_tokens - self._before[1]
        return (self._allowance.usd - self._price.usd(inwards, outwards)) * MILLION

    @staticmethod
    def _bounded(tokens: int, micros: float, rate: float) -> int:
        """As many of the tokens as the money is for at this rate (dollars a million)."""
        if micros < 0:
            return -1
        return int(min(tokens, micros / rate)) if rate else tokens

    @asynccontextmanager
    async def reserved(self, input_tokens: int, output_tokens: int) -> AsyncIterator[Call]:
        """Around a call; cut off, it counts as all that was reserved."""
        call = Call(input_tokens, output_tokens)
        async with self._account.reserved(input_tokens, output_tokens):
            try:
                yield call
            finally:
                self._record.input_tokens += call.input_tokens
                self._record.output_tokens += call.output_tokens

    def exhausted(self) -> ResourceExhausted:
        """That another call cannot be paid."""
        usd = self._allowance.usd
        given = f"{self._allowance.tokens} tokens" + (f" and {usd:g} dollars" if usd is not None else "")
        fields = "budget.tokens or budget.usd" if usd is not None else "budget.tokens"
        message = f"of {given} too little is left for a question and its answer"
        return ResourceExhausted(
            Reason("BUDGET_EXHAUSTED", message, f"raise {fields} in the plan or the policy")
        )
