"""The builder `replay`: makes a phase's change again from what was recorded of it, with no network at all."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from autopack.chat.client import Api
from autopack.chat.conversation import ChatError, Fault
from autopack.chat.line import HttpAnswer, Line
from autopack.errors import AutopackError, FailedPrecondition, Reason
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import Check, Scope
from autopack.text import head, neutralise
from builder_svc.domain.builder import Record, Work
from builder_svc.domain.recording import Recording, described, read
from builder_svc.domain.redaction import REDACTED
from builder_svc.domain.spending import Account, Spent

Find = Callable[[str, str], Awaitable[bytes | None]]
"""Gives the recorded document of a build by project and request id."""
SHOWN_CHARACTERS = 80
MAXIMUM_CHAIN = 100
"""Replays of replays that are followed."""


class ReplayBuilder:
    """Feeds a recorded exchange back; every question must be the recorded one, or it says where it is not."""

    kind = "replay"

    def __init__(self, run_id: str, find: Find) -> None:
        self._run_id = run_id
        self._find = find

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises FailedPrecondition: NOT_RECORDED, RECORDING_UNREADABLE, REPLAY_DIVERGED; where the recorded
        build failed, its reasons."""
        run_id, phase, attempt = self._run_id, work.task.phase.id, work.task.attempt
        for _ in range(MAXIMUM_CHAIN):
            data = await self._find(work.task.project_id, f"{run_id}/{phase}/{attempt}/build")
            if data is None:
                raise _not_recorded(run_id, phase, attempt)
            recording = await asyncio.to_thread(read, data)
            if recording.kind != self.kind:
                break
            run_id = str(recording.settings["of"])
        work.record.settings = {"of": run_id}
        work.record.exchange.append({"replayed": f"{run_id}/{phase}/{attempt}/build"})
        await asyncio.to_thread(_require_same_inputs, recording, work)
        if recording.kind == "model":
            return await _converse(recording, work)
        # What a command or an agent did cannot be asked again: it is what it gave.
        if recording.edits is None:
            raise FailedPrecondition(*recording.reasons)
        for path in sorted(recording.redacted):
            raise _diverged(f"the change of {path}", "with a secret in it or too large", "not kept")
        return recording.edits


async def _converse(recording: Recording, work: Work) -> Sequence[Edit]:
    """The conversation once more, against its record."""
    from builder_svc.builders.model.model import ModelBuilder, Settings

    given = recording.settings
    settings = Settings(
        cast(Api, given["api"]), given["endpoint"], given["model"], given["maximum_prompt_bytes"]
    )
    past = Past(recording)
    record = Record(price=recording.price)
    # A later attempt may have been given another scope; what is made is held to the plan's all the same.
    scope = Scope(*(tuple(recording.phase["scope"][name]) for name in ("paths", "context")))
    again = replace(
        work,
        rules=work.policy.path_rules(scope.paths),
        task=replace(
            work.task,
            phase=replace(work.task.phase, scope=scope),
            feedback=recording.feedback,
            recalled=recording.recalled,
            allowance=recording.allowance,
        ),
        record=record,
        account=Account(_Nothing(), work.task.request_id, record, lambda: 0.0),
    )
    edits: tuple[Edit, ...] | None = None
    try:
        edits = tuple(await ModelBuilder(settings, (), lambda _: past).build(again))
    except AutopackError as error:
        if any(reason.code == "REPLAY_DIVERGED" for reason in error.reasons):
            raise
        if recording.edits is not None or error.reasons[0].code != recording.reasons[0].code:
            was = "a change" if recording.edits is not None else recording.reasons[0].code
            raise _diverged("the end", was, f"{error.reasons[0].code}: {error.reasons[0].message}") from error
        raise
    past.require_end()
    if recording.edits is None:
        raise _diverged("the end", recording.reasons[0].code, "a change")
    for before, after in zip(_by_path(recording.edits), _by_path(edits), strict=False):
        secret = before.path in recording.redacted and after == replace(before, contents=after.contents)
        if before != after and not (secret and _matches_bytes(before.contents, after.contents)):
            shown = _shown_difference(before.contents, after.contents)
            raise _diverged(f"the change of {before.path}", *shown)
    if len(recording.edits) != len(edits):
        raise _diverged("the change", f"{len(recording.edits)} files", f"{len(edits)} files")
    return edits


class Past:
    """The world as it was: see `Outside`."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._entries = iter(enumerate(recording.exchange, 1))
        self.line: Line = self

    async def post(self, url: str, headers: Mapping[str, str], body: dict[str, Any]) -> HttpAnswer:
        """The recorded answer to this question."""
        number, entry = self._next("a question to the model")
        if "request" not in entry:
            raise _diverged(f"step {number}", "a check", "a question to the model")
        if difference := _difference(entry["request"], body):
            where, was, now = difference
            raise _diverged(f"step {number}, in {where}", was, now)
        if fault := entry.get("fault"):
            raise ChatError(cast(Fault, fault), entry["error"], answered_bytes=entry["received"])
        if "status" not in entry:  # it was cut off here
            raise FailedPrecondition(*self._recording.reasons)
        return HttpAnswer(entry["status"], entry["response"], entry["retry_after"])

    async def check(self, check: Check, edits: Sequence[Edit]) -> str:
        """What the check said then: it may tell the time."""
        number, entry = self._next(f"the check {check.name}")
        if entry.get("check") != check.name:
            was = f"the check {entry['check']}" if "check" in entry else "a question to the model"
            raise _diverged(f"step {number}", was, f"the check {check.name}")
        return str(entry["result"])

    async def pause(self, seconds: float) -> None:
        """It is over already."""

    def require_end(self) -> None:
        """Raises FailedPrecondition REPLAY_DIVERGED where the recorded conversation went on."""
        for number, _ in self._entries:
            raise _diverged(f"step {number}", "another step", "the end")

    def _next(self, what: str) -> tuple[int, dict[str, Any]]:
        for numbered in self._entries:
            return numbered
        if self._recording.edits is None:  # a check was cut off, which left no entry
            raise FailedPrecondition(*self._recording.reasons)
        raise _diverged("the end of the recording", "the end", what)


class _Nothing:
    """A replay spends nothing: see `Spending`."""

    async def of(self, request_id: str) -> Spent:
        return Spent()

    async def keep(self, request_id: str, spent: Spent) -> None:
        return None


def _require_same_inputs(recording: Recording, work: Work) -> None:
    """Feedback and memory come from the record: they may tell times, and what was learnt since."""
    task = work.task
    was: dict[str, Any] = {
        "project": recording.project_id,
        "phase": recording.phase,
        "earlier refusals": [reason.code for reason in recording.feedback],
        "base tree": recording.base_tree,
    }
    now: dict[str, Any] = {
        "project": task.project_id,
        "phase": described(task.phase),
        "earlier refusals": [reason.code for reason in task.feedback],
        "base tree": work.store.commit_tree(task.base),
    }
    if task.attempt > 1:
        was["phase"], now["phase"] = ({**each, "scope": None} for each in (was["phase"], now["phase"]))
    if difference := _difference(was, now):
        raise _diverged(f"the inputs, in {difference[0]}", *difference[1:])


def _difference(was: Any, now: Any, where: str = "") -> tuple[str, str, str] | None:
    """Where two documents first differ, and how; what was redacted may have been anything."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            inside = f"{where}.{key}" if where else str(key)
            if found := _difference(was.get(key), now.get(key), inside):
                return found
        return None
    if isinstance(was, list) and isinstance(now, list):
        for index, (one, other) in enumerate(zip(was, now, strict=False)):
            if found := _difference(one, other, f"{where}[{index}]"):
                return found
        return None if len(was) == len(now) else (where, f"{len(was)} parts", f"{len(now)} parts")
    if isinstance(was, str) and isinstance(now, str):
        if was == now or (REDACTED in was and _matches(was, now)):
            return None
        return (where, *_shown_difference(was.encode(), now.encode()))
    return None if was == now else (where, str(was), str(now))


def _matches(redacted: str, text: str) -> bool:
    parts = map(re.escape, redacted.split(REDACTED))
    return re.fullmatch("(?s:.+?)".join(parts), text) is not None


def _matches_bytes(redacted: bytes | None, contents: bytes | None) -> bool:
    texts = [(each or b"").decode("utf-8", "surrogateescape") for each in (redacted, contents)]
    return _matches(*texts)


def _shown_difference(was: bytes | None, now: bytes | None) -> tuple[str, str]:
    """Both from a little before where they part."""
    if was is not None and now is not None and REDACTED.encode() in was:
        return "a text with a secret in it", "another text"
    if was is None or now is None:
        return ("no file" if was is None else "a file", "no file" if now is None else "a file")
    alike = next(
        (i for i, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now))
    )
    start = max(0, alike - 20)
    shown = [each[start : start + 2 * SHOWN_CHARACTERS] for each in (was, now)]
    return ascii(neutralise(shown[0])), ascii(neutralise(shown[1]))


def _by_path(edits: Sequence[Edit]) -> list[Edit]:
    return sorted(edits, key=lambda edit: edit.path)


def _diverged(where: str, was: str, now: str) -> FailedPrecondition:
    message = f"at {where}: was {head(was, 3 * SHOWN_CHARACTERS)}, is {head(now, 3 * SHOWN_CHARACTERS)}"
    fix = "an earlier step, the repository or Autopack itself is another one than then: see which"
    return FailedPrecondition(Reason("REPLAY_DIVERGED", message, fix))


def _not_recorded(run_id: str, phase: str, attempt: int) -> FailedPrecondition:
    message = f"attempt {attempt} of phase `{phase}` of the run {run_id!a} is not recorded in this builder"
    fix = (
        "models', agents', commands' and repairs' builds are recorded where they were built, by the phase's "
        "id; a ready patch stands in its own plan; `autopack replay RUN` needs a clone alone"
    )
    return FailedPrecondition(Reason("NOT_RECORDED", message, fix))
