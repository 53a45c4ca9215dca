"""The builder `agent`: a coding agent's command line in the sandbox; what it changes is the change."""

import asyncio
import json
import shlex
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from autopack.errors import FailedPrecondition, InvalidInput, Reason, ResourceExhausted, Unavailable
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.write_path import Edit
from autopack.policy.paths import matches
from autopack.policy.policy import AgentBuilder as AgentSettings
from autopack.sandbox.port import Command, Limits, Result, Sandbox
from autopack.telemetry import names
from autopack.telemetry.tracing import span
from autopack.text import neutralise, tail
from builder_svc.builders.agent import inside
from builder_svc.builders.agent.adapter import Adapter
from builder_svc.builders.agent.installed import Installed
from builder_svc.builders.agent.prompt import agent_prompt
from builder_svc.builders.agent.proxy import FilteringProxy, is_loopback
from builder_svc.builders.agent.report import Said, read_report
from builder_svc.builders.ignored import base_file, without_ignored
from builder_svc.builders.readable_file import readable_file
from builder_svc.domain.builder import Work
from builder_svc.domain.building import timed_out

TIER = "namespaces"
"""The only one in which a command can have one way out and no other."""
BYTES_PER_TOKEN = 8
"""That an agent may send: requests have about four, so that who sends more has spent what it may."""
UNPRIVILEGED_PORT = 1024
MAXIMUM_REPORT_BYTES = 50_000_000
SHOWN_CHARACTERS = 4_000
"""Of the output's end, in a reason."""
KEPT_CHARACTERS = 200_000
"""Of the ends of output and report, in the exchange that is recorded."""
_INSIDE = Path(inside.__file__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run of the agent ended."""

    result: Result
    said: Said | None
    """None: the adapter names no report."""
    report: bytes | None
    change: tuple[Edit, ...]
    away: str
    """Why it seems that its provider is away, where it has made no change; else empty."""

    @property
    def well(self) -> bool:
        """Whether it did what it does, also where that changed nothing."""
        return self.result.exit_code == 0 and (self.said is None or self.said.ended_well)


class AgentBuilder:
    """Starts the agent with the goal, the named secrets and the way to the named hosts, and nothing else."""

    kind = "agent"

    def __init__(
        self,
        settings: AgentSettings,
        secrets: Mapping[str, str],
        installed: Installed,
        sandbox: Callable[[str], Awaitable[Sandbox]],
        checkouts: Checkouts,
    ) -> None:
        """`secrets` by the name of their variable; `sandbox` gives one of at least a tier."""
        self._settings = settings
        self._secrets = secrets
        self._installed = installed
        self._sandbox = sandbox
        self._checkouts = checkouts

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises FailedPrecondition AGENT_FAILED, BUILD_TIMED_OUT and what `Installed.adapter` raises;
        ResourceExhausted BUDGET_EXHAUSTED; Unavailable BUILDER_UNAVAILABLE for an outage; InvalidInput
        SECRET_IN_CHANGE and what `Workspace.run` and `Workspace.changes` refuse."""
        tokens = work.task.allowance.tokens
        if not tokens:
            raise _exhausted(tokens)
        adapter = await asyncio.to_thread(self._installed.adapter, self._settings.adapter)
        work.record.secrets |= set(self._secrets.values())
        meter = _Meter(work)
        proxy = FilteringProxy(self._settings.hosts, BYTES_PER_TOKEN * tokens, meter.passed)
        prompt = await asyncio.to_thread(agent_prompt, work)
        ended = await self._run(work, adapter, prompt, proxy)
        meter.settle(ended, proxy)
        self._keep(work, adapter, prompt, ended, proxy)
        _require_success(ended, proxy, work)
        await asyncio.to_thread(self._refuse_secrets, ended.change)
        return ended.change

    async def _run(self, work: Work, adapter: Adapter, prompt: str, proxy: FilteringProxy) -> Ended:
        sandbox = await self._sandbox(TIER)
        checkout = await asyncio.to_thread(self._checkouts.get, work.store, work.task.base)
        async with readable_file("prompt.md", prompt) as prompt_file:
            socket = prompt_file.with_name("proxy.sock")
            start = await asyncio.to_thread(self._start, adapter, socket)
            async with (
                readable_file("start.json", json.dumps(start)) as start_file,
                proxy.serving(socket),
                sandbox.open(checkout) as workspace,
            ):
                command = self._command(work, adapter, prompt_file, start_file, socket)
                limits = Limits(
                    seconds=work.task.allowance.seconds,
                    memory_mb=work.policy.sandbox.memory_mb,
                    processes=work.policy.sandbox.processes,
                )
                with span(names.SANDBOX_SPAN, {names.SANDBOX_TIER: sandbox.tier}) as current:
                    result = await workspace.run(command, limits)
                    if result.exit_code is not None:
                        current.set_attribute(names.EXIT_CODE, result.exit_code)
                report, said = None, None
                if adapter.report:
                    report = await workspace.read_report(adapter.report.file, MAXIMUM_REPORT_BYTES)
                    said = await asyncio.to_thread(read_report, adapter.report, report)
                changes = await workspace.changes() if result.exit_code == 0 else ()
        kept = await asyncio.to_thread(without_ignored, changes, lambda path: base_file(work, path))
        change = tuple(edit for edit in kept if not _is_note(adapter, work, edit))
        ended = Ended(result, said, report, change, "")
        return ended if ended.well and change else replace(ended, away=_away(adapter, ended, proxy))

    def _start(self, adapter: Adapter, socket: Path) -> inside.Start:
        hosts = self._settings.hosts
        # A sandbox may not listen below 1024: agents ask the proxy for what is there.
        local = [host for host in hosts if is_loopback(host) and _port(host) >= UNPRIVILEGED_PORT]
        return inside.Start(
            line=adapter.run,
            path=self._installed.path(),
            socket=str(socket) if hosts else "",
            tunnels=[("::1" if host[0] == "[" else "127.0.0.1", _port(host), host) for host in local],
        )

    def _command(self, work: Work, adapter: Adapter, prompt: Path, start: Path, socket: Path) -> Command:
        environment = {
            **adapter.environment,
            "AUTOPACK_PROMPT": str(prompt),
            "AUTOPACK_PHASE": work.task.phase.id,
            "AUTOPACK_ATTEMPT": str(work.task.attempt),
            "AUTOPACK_MODEL": self._settings.model,
            "AUTOPACK_ENDPOINT": self._settings.endpoint,
            "AUTOPACK_SECONDS": str(work.task.allowance.seconds),
            "AUTOPACK_TOKENS": str(work.task.allowance.tokens),
            **self._secrets,
        }
        # At their own paths, as the programs in them expect.
        shown = (prompt, start, socket, _INSIDE, *self._installed.directories)
        line = shlex.join([sys.executable, "-I", "-S", str(_INSIDE), str(start)])
        return Command(
            f"exec {line}",
            MappingProxyType(environment),
            read_only=MappingProxyType({str(path): path for path in shown}),
        )

    def _keep(self, work: Work, adapter: Adapter, prompt: str, ended: Ended, proxy: FilteringProxy) -> None:
        result = ended.result
        work.record.exchange.append(
            {
                "adapter": self._settings.adapter,
                "command": adapter.run,
                "model": self._settings.model,
                "endpoint": self._settings.endpoint,
                "prompt": prompt,
                "exit_code": result.exit_code,
                "signal": result.signal,
                "limit": result.limit,
                "output": tail(neutralise(result.output), KEPT_CHARACTERS),
                "output_truncated": result.output_truncated,
                "report": _text(ended.report),
                "hosts": proxy.record(),
            }
        )

    def _refuse_secrets(self, change: Sequence[Edit]) -> None:
        """An agent that has read a prepared text may try to carry its secret out by the change itself."""
        values = [value.encode() for value in self._secrets.values()]
        reasons = [
            Reason(
                "SECRET_IN_CHANGE",
                "the change has the value of a secret that was given to the agent",
                "replace that secret if this output was shown to anybody; see what led the agent to do it",
                path=edit.path,
            )
            for edit in change
            if any(value in (edit.contents or b"") or value in edit.path.encode() for value in values)
        ]
        if reasons:
            raise InvalidInput(*reasons)


class _Meter:
    """Counts what passes as the tokens that it can at most be, until the agent has said what it was."""

    def __init__(self, work: Work) -> None:
        self._record = work.record
        self._granted = work.task.allowance.tokens
        self._before = work.record.input_tokens, work.record.output_tokens

    def passed(self, sent: int, received: int) -> None:
        inwards = min(sent, self._granted)
        self._count(inwards, min(received, self._granted - inwards))

    def settle(self, ended: Ended, proxy: FilteringProxy) -> None:
        """An agent's word counts as far as what it has sent does not belie it; nobody charges an outage."""
        least, said = proxy.sent // BYTES_PER_TOKEN, ended.said
        if said is not None and said.input_tokens is not None and said.output_tokens is not None:
            self._count(max(said.input_tokens, least), said.output_tokens)
        elif ended.away:
            self._count(least, 0)

    def _count(self, inwards: int, outwards: int) -> None:
        self._record.input_tokens = self._before[0] + inwards
        self._record.output_tokens = self._before[1] + outwards


def _require_success(ended: Ended, proxy: FilteringProxy, work: Work) -> None:
    result = ended.result
    output = tail(neutralise(result.output[-4 * SHOWN_CHARACTERS :]), SHOWN_CHARACTERS).strip()
    ending = f"; its output ended with\n{output}" if output else " and printed nothing"
    if ended.away:
        message = f"the agent's provider is away ({ended.away}){ending}"
        fix = "try again later; check the builder's `hosts` and `endpoint` in the policy"
        raise Unavailable(Reason("BUILDER_UNAVAILABLE", message, fix))
    if proxy.exhausted:
        raise _exhausted(work.task.allowance.tokens)
    if result.limit == "time":
        raise FailedPrecondition(timed_out(work.task.allowance.seconds, output))
    if ended.well:
        return  # whether it has changed anything is seen by the one write path
    if result.limit:
        how = f"went over its limit of {result.limit}"
    elif result.exit_code:
        how = f"ended with {_status(result)}"
    else:
        how = f"did not end well (it says {ended.said.end if ended.said else 'nothing'})"
    if proxy.refused:
        ending = f"; it was kept from reaching {', '.join(proxy.refused[:10])}{ending}"
    fix = "see its output; what it may reach is in the builder's `hosts`, how it is started in its adapter"
    raise FailedPrecondition(Reason("AGENT_FAILED", f"the agent {how}{ending}", fix))


def _away(adapter: Adapter, ended: Ended, proxy: FilteringProxy) -> str:
    said = ended.result.output + (ended.report or b"")
    return proxy.unreachable or next((mark for mark in adapter.outage if mark.encode() in said), "")


def _status(result: Result) -> str:
    return f"exit status {result.exit_code}" if result.signal is None else f"signal {result.signal}"


def _exhausted(tokens: int) -> ResourceExhausted:
    message = f"the agent has sent more than {tokens} tokens can be" if tokens else "no tokens are left"
    return ResourceExhausted(
        Reason("BUDGET_EXHAUSTED", message, "raise budget.tokens in the plan or the policy")
    )


def _is_note(adapter: Adapter, work: Work, edit: Edit) -> bool:
    return matches(adapter.leaves, edit.path) and base_file(work, edit.path) is None


def _port(host: str) -> int:
    return int(host.rpartition(":")[2])


def _text(content: bytes | None) -> str | None:
    return None if content is None else tail(neutralise(content[-4 * KEPT_CHARACTERS :]), KEPT_CHARACTERS)
