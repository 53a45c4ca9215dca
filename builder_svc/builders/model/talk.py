"""Puts questions to a model within what may be spent; through outages, and with a code for every failure."""

from dataclasses import replace

from autopack.chat.client import Chat
from autopack.chat.conversation import ChatError, Fault, Question, Reply
from autopack.errors import (
    AutopackError,
    FailedPrecondition,
    InvalidInput,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from autopack.text import head, neutralise
from builder_svc.builders.model.outside import Outside
from builder_svc.domain.purse import Purse

MAXIMUM_ANSWER_TOKENS = 16_384
"""Asked of one answer: more than this some servers refuse outright."""
MINIMUM_ANSWER_TOKENS = 256
"""With less than this left a call is not worth its question."""
OVERHEAD_TOKENS = 700
"""What a server's chat template and the answer's schema may add to a question."""
OUTAGE_PAUSES = (0.5, 2.0, 8.0)
"""Seconds before a call is made again: a conversation is worth more than one call."""
MAXIMUM_WAIT = 15.0
"""Seconds that a server may ask for; for longer the build is given up, and costs no attempt."""


class ContextExceeded(InvalidInput):
    """The question is longer than the model reads."""


class ToolsRefused(InvalidInput):
    """The server takes no tools."""


class Talk:
    """One conversation, paid from one purse."""

    def __init__(self, chat: Chat, purse: Purse, outside: Outside) -> None:
        self._chat = chat
        self._purse = purse
        self._outside = outside
        self._counted: tuple[int, int] | None = None
        """Bytes of the last question, and the tokens that it and its answer came to."""

    @property
    def tokens(self) -> int:
        """That can be had, whichever way they go."""
        return self._purse.either_way

    def question_tokens(self) -> int:
        """How long a question may be that leaves room for a fair answer."""
        left = self._purse.either_way - OVERHEAD_TOKENS
        answer = max(MINIMUM_ANSWER_TOKENS, min(MAXIMUM_ANSWER_TOKENS, left // 4))
        return self._purse.question_tokens(answer) - OVERHEAD_TOKENS

    def exhausted(self) -> ResourceExhausted:
        """That another call cannot be paid."""
        return self._purse.exhausted()

    def answer_tokens(self, question: Question) -> int:
        """How long its answer could be; less than `MINIMUM_ANSWER_TOKENS`: it cannot be paid."""
        affordable = self._purse.answer_tokens(self._most_tokens(question))
        return min(question.maximum_tokens, affordable)

    async def ask(self, question: Question) -> Reply:
        """Raises ResourceExhausted BUDGET_EXHAUSTED before a call that cannot be paid; ContextExceeded,
        ToolsRefused; Unavailable BUILDER_UNAVAILABLE after the last try; else what `_REFUSALS` has."""
        for pause in (*OUTAGE_PAUSES, None):
            failure = await self._once(question)
            if isinstance(failure, Reply):
                return failure
            wait = failure.wait or 0.0
            if failure.fault != "outage" or pause is None or wait > MAXIMUM_WAIT:
                raise _refused(failure)
            await self._outside.pause(max(pause, wait))
        raise AssertionError("the last try ends above")

    async def _once(self, question: Question) -> Reply | ChatError:
        most, answer = self._most_tokens(question), self.answer_tokens(question)
        if answer < MINIMUM_ANSWER_TOKENS:
            raise self._purse.exhausted()
        async with self._purse.reserved(most, answer) as call:
            try:
                reply = await self._chat.ask(replace(question, maximum_tokens=answer))
            except ChatError as error:
                if error.answered_bytes is None:
                    call.took(0, 0)
                elif error.fault != "outage":  # else nobody knows how much was written
                    call.took(None, min(answer, error.answered_bytes))
                return error
            call.took(reply.input_tokens, reply.output_tokens or _bytes_of(reply))
            self._counted = question.size, call.input_tokens + call.output_tokens
        return reply

    def _most_tokens(self, question: Question) -> int:
        """No byte makes more than one token; what was counted once is not guessed again."""
        most = question.size + OVERHEAD_TOKENS
        if self._counted is None:
            return most
        size, tokens = self._counted
        return min(most, tokens + max(0, question.size - size) + OVERHEAD_TOKENS)


def _bytes_of(reply: Reply) -> int:
    return len(reply.text.encode()) + sum(len(call.arguments.encode()) for call in reply.calls)


_AGAIN = "try again; if it stays, check model and endpoint in the policy"
_REFUSALS: dict[Fault, tuple[type[AutopackError], Reason]] = {
    "outage": (
        Unavailable,
        Reason(
            "BUILDER_UNAVAILABLE",
            "",
            "try again later; check that the endpoint in the policy's builders is right and up",
        ),
    ),
    "access": (
        FailedPrecondition,
        Reason(
            "MODEL_ACCESS_REFUSED", "", "check the value of the secret that the policy names for this builder"
        ),
    ),
    "missing": (
        FailedPrecondition,
        Reason(
            "MODEL_NOT_FOUND", "", "check `model`, `api` and `endpoint` (it ends in /v1 for most servers)"
        ),
    ),
    "context": (
        ContextExceeded,
        Reason("MODEL_CONTEXT_EXCEEDED", "", "narrow the scope or use a model that reads more"),
    ),
    "tools": (ToolsRefused, Reason("MODEL_REQUEST_REFUSED", "", _AGAIN)),
    "refused": (InvalidInput, Reason("MODEL_REQUEST_REFUSED", "", _AGAIN)),
    "invalid": (InvalidInput, Reason("MODEL_RESPONSE_INVALID", "", _AGAIN)),
    "large": (InvalidInput, Reason("MODEL_RESPONSE_TOO_LARGE", "", _AGAIN)),
    "declined": (InvalidInput, Reason("MODEL_DECLINED", "", "change the goal, or name another model")),
}


def _refused(error: ChatError) -> AutopackError:
    kind, reason = _REFUSALS[error.fault]
    return kind(replace(reason, message=head(neutralise(error.message), 700)))
