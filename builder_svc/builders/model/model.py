"""The builder `model`: one exchange with a model, within the tokens that are left."""

import asyncio
from collections.abc import Sequence

from autopack.errors import InvalidInput, Reason, ResourceExhausted
from autopack.gitstore.write_path import Edit
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from builder_svc.builders.model.answer import parse_answer
from builder_svc.builders.model.endpoint import ContextExceeded, Endpoint, Reply
from builder_svc.builders.model.material import ranked_material
from builder_svc.builders.model.prompt import Prompt, compose
from builder_svc.builders.model.resolution import resolve
from builder_svc.domain.builder import Work

MAXIMUM_ANSWER_TOKENS = 16_384
"""Asked of one answer: more than this some servers refuse outright."""
MINIMUM_ANSWER_TOKENS = 256
"""With less than this left a call is not worth its prompt."""
OVERHEAD_TOKENS = 700
"""What a server's chat template and the answer's schema may add to a prompt."""
MAXIMUM_CALLS = 4
"""Prompts of half the material each, until the model can read one."""


class ModelBuilder:
    """Goal, material and earlier refusals in; structured edits out."""

    kind = "model"

    def __init__(self, endpoint: Endpoint, maximum_prompt_bytes: int) -> None:
        self._endpoint = endpoint
        self._maximum_prompt_bytes = maximum_prompt_bytes

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises what `Endpoint.complete`, `parse_answer` and `resolve` raise; ResourceExhausted
        BUDGET_EXHAUSTED; InvalidInput SCOPE_TOO_LARGE."""
        with span(names.MODEL_SPAN, {names.GEN_AI_REQUEST_MODEL: self._endpoint.model}) as current:
            try:
                reply = await self._ask(work)
            finally:
                current.set_attribute(names.GEN_AI_USAGE_INPUT_TOKENS, work.record.input_tokens)
                current.set_attribute(names.GEN_AI_USAGE_OUTPUT_TOKENS, work.record.output_tokens)
        proposed = parse_answer(reply.text, cut_off=reply.cut_off)
        base, store = work.task.base, work.store
        return await asyncio.to_thread(resolve, proposed, work.rules, lambda path: store.read(base, path))

    async def _ask(self, work: Work) -> Reply:
        """One answer, from a prompt as long as budget, setting and model allow."""
        left = work.task.allowance.tokens - OVERHEAD_TOKENS
        for_answer = max(MINIMUM_ANSWER_TOKENS, min(MAXIMUM_ANSWER_TOKENS, left // 4))
        room = min(self._maximum_prompt_bytes, left - for_answer)
        too_long: ContextExceeded | None = None
        for _ in range(MAXIMUM_CALLS):
            prompt = await asyncio.to_thread(_prompt, work, room)
            # No byte makes more than one token, so what is reserved here cannot be exceeded.
            answer_tokens = min(MAXIMUM_ANSWER_TOKENS, left - prompt.size)
            if too_long and not prompt.sees_scope:
                raise too_long
            if answer_tokens < MINIMUM_ANSWER_TOKENS or (
                not prompt.sees_scope and room < self._maximum_prompt_bytes
            ):
                raise _exhausted(work.task.allowance.tokens)
            if not prompt.sees_scope:
                raise _scope_too_large(room)
            try:
                async with work.account.reserved(prompt.size + OVERHEAD_TOKENS, answer_tokens):
                    return await self._endpoint.complete(prompt, answer_tokens, work.record)
            except ContextExceeded as error:
                too_long, room = error, prompt.size - prompt.material_size // 2
        assert too_long is not None
        raise too_long


def _prompt(work: Work, room: int) -> Prompt:
    phase = work.task.phase
    return compose(
        goal=phase.goal,
        hints=phase.hints,
        paths=phase.scope.paths,
        feedback=work.task.feedback,
        material=ranked_material(work, room),
        room=room,
    )


def _exhausted(tokens: int) -> ResourceExhausted:
    message = f"{tokens} tokens are left: too few for a prompt with a file in scope and for an answer"
    return ResourceExhausted(
        Reason("BUDGET_EXHAUSTED", message, "raise budget.tokens in the plan or the policy")
    )


def _scope_too_large(room: int) -> InvalidInput:
    message = f"no file in scope fits into a prompt of {room} bytes"
    return InvalidInput(
        Reason("SCOPE_TOO_LARGE", message, "narrow scope.paths to smaller files, or split them")
    )
