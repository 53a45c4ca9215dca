"""The builder `model`: a conversation with a model, by tools where it takes them, within its budget."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from autopack.chat.client import Api, Chat, protocol
from autopack.chat.conversation import Answered, Question, Reply, Results, Said, Tool, Turn
from autopack.errors import InvalidInput, Reason, ResourceExhausted
from autopack.gitstore.write_path import Edit
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from builder_svc.builders.model.answer import ANSWER_SCHEMA, parse_answer
from builder_svc.builders.model.files import Files
from builder_svc.builders.model.material import Ranked, material, rank
from builder_svc.builders.model.outside import Outside
from builder_svc.builders.model.prompt import SYSTEM, SYSTEM_WITH_TOOLS, Prompt, compose, told
from builder_svc.builders.model.shortening import shortened
from builder_svc.builders.model.talk import (
    MAXIMUM_ANSWER_TOKENS,
    MINIMUM_ANSWER_TOKENS,
    ContextExceeded,
    Talk,
    ToolsRefused,
)
from builder_svc.builders.model.tools import Toolbox
from builder_svc.domain.builder import Work
from builder_svc.domain.purse import Purse

MINIMUM_LOOP_TOKENS = 30_000
"""With less, one question and its answer are all that there can be: no tools are offered."""
SHARE = 4
"""Part of the tokens that the first question may take where many are to follow."""
MAXIMUM_FIRST_CALLS = 5
"""Questions of half the material each, until the model can read one."""
MAXIMUM_TURNS = 60
MAXIMUM_MISSES = 2
"""Turns in a row that come to nothing, each told why, before the attempt is given up."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which model, and how much of the repository it is shown at first."""

    api: Api
    endpoint: str
    model: str
    maximum_prompt_bytes: int


class ModelBuilder:
    """Goal, material and earlier refusals in; edits of files in scope out."""

    kind = "model"

    def __init__(self, settings: Settings, keys: Sequence[str], outside: Callable[[Work], Outside]) -> None:
        """The first key, if there is one, is sent; all are kept out of records."""
        self._settings = settings
        self._keys = keys
        self._outside = outside

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises what `Talk.ask`, `parse_answer` and `Files` raise; InvalidInput SCOPE_TOO_LARGE,
        MODEL_DID_NOT_FINISH."""
        settings, record = self._settings, work.record
        record.secrets |= set(self._keys)
        record.settings = asdict(settings)
        # Off the loop: the SDK is imported here.
        key = self._keys[0] if self._keys else ""
        spoken = await asyncio.to_thread(protocol, settings.api, settings.endpoint, key)
        outside = self._outside(work)
        talk = Talk(Chat(spoken, settings.model, outside.line), Purse(work), outside)
        files = await asyncio.to_thread(Files, work)
        ranked = await asyncio.to_thread(rank, work, files.entries)
        conversation = Conversation(work, talk, files, ranked, settings.maximum_prompt_bytes)
        with span(names.MODEL_SPAN, {names.GEN_AI_REQUEST_MODEL: settings.model}) as current:
            try:
                if talk.tokens >= MINIMUM_LOOP_TOKENS:
                    try:
                        return await conversation.run(Toolbox(work, files, outside))
                    except ToolsRefused:
                        pass
                return await conversation.run(None)
            finally:
                current.set_attribute(names.GEN_AI_USAGE_INPUT_TOKENS, record.input_tokens)
                current.set_attribute(names.GEN_AI_USAGE_OUTPUT_TOKENS, record.output_tokens)


class Conversation:
    """The turns until the model says that it is done."""

    def __init__(
        self, work: Work, talk: Talk, files: Files, ranked: Ranked, maximum_prompt_bytes: int
    ) -> None:
        self._work = work
        self._talk = talk
        self._files = files
        self._ranked = ranked
        self._maximum_prompt_bytes = maximum_prompt_bytes
        self._results_room = maximum_prompt_bytes

    async def run(self, toolbox: Toolbox | None) -> Sequence[Edit]:
        """The change. Raises ToolsRefused only at the first turn."""
        tools = toolbox.tools if toolbox else ()
        turns, reply = await self._open(tools)
        misses = 0
        for _ in range(MAXIMUM_TURNS):
            calls = toolbox.repeatable(reply.calls) if toolbox else ()
            turns.append(Answered(reply.text, calls))
            if toolbox and reply.calls:
                results, failure = await toolbox.use(reply)
                turns.append(Results(results))
            else:
                try:
                    return await asyncio.to_thread(self._finish, reply)
                except InvalidInput as error:
                    if any(reason.code == "NO_CHANGE" for reason in error.reasons):
                        raise
                    failure = error
                    turns.append(Said(f"That was not taken over:\n{told(error.reasons)}"))
            misses = misses + 1 if failure else 0
            if failure and misses > MAXIMUM_MISSES:
                raise failure
            try:
                reply = await self._ask(tools, turns)
            except (ContextExceeded, ResourceExhausted):
                if failure:  # there is no room to mend it
                    raise failure from None
                raise
        raise InvalidInput(
            Reason(
                "MODEL_DID_NOT_FINISH",
                f"the model has not finished after {MAXIMUM_TURNS} turns",
                "ask for less in one phase, or use a stronger model",
            )
        )

    async def _open(self, tools: tuple[Tool, ...]) -> tuple[list[Turn], Reply]:
        """The first question, as long as budget, setting and model allow, and its answer."""
        room = min(self._maximum_prompt_bytes, self._talk.question_tokens() // (SHARE if tools else 1))
        too_long: ContextExceeded | None = None
        for _ in range(MAXIMUM_FIRST_CALLS):
            prompt = await asyncio.to_thread(self._prompt, room, with_tools=bool(tools))
            # With tools a model can read in parts what is too large to be shown.
            blind = not prompt.sees_scope and (not tools or too_long is not None)
            if blind and too_long:
                break
            turns: list[Turn] = [Said(prompt.user)]
            if not self._affordable(tools, turns) or (blind and room < self._maximum_prompt_bytes):
                raise self._talk.exhausted()
            if blind:
                raise _scope_too_large(room)
            try:
                return turns, await self._talk.ask(self._question(tools, turns))
            except ContextExceeded as error:
                too_long, room = error, prompt.fixed_size + prompt.material_size // 2
        assert too_long is not None
        if tools:  # their descriptions may be what is too much
            raise ToolsRefused(*too_long.reasons)
        raise too_long

    async def _ask(self, tools: tuple[Tool, ...], turns: list[Turn]) -> Reply:
        while True:
            try:
                return await self._talk.ask(self._question(tools, turns))
            except ContextExceeded:
                results = [each for turn in turns if isinstance(turn, Results) for each in turn.results]
                size = min(self._results_room, sum(len(result.text.encode()) for result in results))
                if size < MINIMUM_ANSWER_TOKENS:
                    raise
                self._results_room = size // 2

    def _affordable(self, tools: tuple[Tool, ...], turns: list[Turn]) -> bool:
        return self._talk.answer_tokens(self._question(tools, turns)) >= MINIMUM_ANSWER_TOKENS

    def _question(self, tools: tuple[Tool, ...], turns: list[Turn]) -> Question:
        system = SYSTEM_WITH_TOOLS if tools else SYSTEM
        kept = shortened(turns, self._results_room)
        return Question(system, kept, MAXIMUM_ANSWER_TOKENS, tools, None if tools else ANSWER_SCHEMA)

    def _finish(self, reply: Reply) -> Sequence[Edit]:
        """The change that an answer without calls ends with; it may bring edits in its text."""
        try:
            proposed = parse_answer(reply.text, cut_off=reply.cut_off)
        except InvalidInput as error:
            done = self._files.edits and error.reasons[0].code == "MODEL_ANSWER_INVALID"
            if not done or '"edits"' in reply.text:
                raise
        else:
            self._files.edit(proposed)
        return self._files.accepted()

    def _prompt(self, room: int, *, with_tools: bool) -> Prompt:
        phase = self._work.task.phase
        return compose(
            system=SYSTEM_WITH_TOOLS if with_tools else SYSTEM,
            goal=phase.goal,
            hints=phase.hints,
            paths=phase.scope.paths,
            feedback=self._work.task.feedback,
            material=material(self._work, self._ranked, room),
            room=room,
        )


def _scope_too_large(room: int) -> InvalidInput:
    message = f"no file in scope fits into a prompt of {room} bytes"
    return InvalidInput(
        Reason("SCOPE_TOO_LARGE", message, "narrow scope.paths to smaller files, or split them")
    )
