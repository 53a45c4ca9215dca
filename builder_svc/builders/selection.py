"""Gives the builder that a phase asks for; a new kind is one more case here and one more module."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autopack.chat.address import host_and_port
from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.gitstore.checkouts import Checkouts
from autopack.policy.availability import refuse_builder
from autopack.policy.plan import CommandBuilder as PlannedCommand
from autopack.policy.plan import NamedBuilder, Phase
from autopack.policy.plan import PatchBuilder as PlannedPatch
from autopack.policy.plan import RepairBuilder as PlannedRepair
from autopack.policy.plan import ReplayBuilder as PlannedReplay
from autopack.policy.policy import AgentBuilder as AgentSettings
from autopack.policy.policy import ModelBuilder as ModelSettings
from autopack.policy.policy import Policy
from autopack.sandbox import Sandboxes
from builder_svc.builders.agent.agent import AgentBuilder
from builder_svc.builders.agent.installed import Installed
from builder_svc.builders.agent.proxy import canonical_target
from builder_svc.builders.command import CommandBuilder
from builder_svc.builders.patch import PatchBuilder
from builder_svc.builders.repair.repair import RepairBuilder
from builder_svc.builders.replay import Find, ReplayBuilder
from builder_svc.builders.secrets import Secrets
from builder_svc.domain.builder import Builder

if TYPE_CHECKING:
    from autopack.chat.network import Connections


class Selection:
    """All that builders share in this process."""

    def __init__(
        self,
        sandboxes: Sandboxes,
        checkouts: Checkouts,
        secrets: Secrets,
        maximum_prompt_bytes: int,
        agents: Installed,
        find: Find,
    ) -> None:
        """`find` gives what was recorded of a build."""
        self._sandboxes = sandboxes
        self._checkouts = checkouts
        self._secrets = secrets
        self._maximum_prompt_bytes = maximum_prompt_bytes
        self._agents = agents
        self._find = find
        self._connections: Connections | None = None

    def select(self, phase: Phase, policy: Policy) -> Builder:
        """Raises FailedPrecondition UNKNOWN_BUILDER, BUILDER_NOT_AVAILABLE, and what `Secrets` refuses."""
        if refusal := refuse_builder(phase, policy):
            raise FailedPrecondition(refusal)
        match phase.builder:
            case PlannedPatch() as planned:
                return PatchBuilder(planned)
            case PlannedCommand(run=line):
                return CommandBuilder(line, self._sandboxes.at_least, self._checkouts)
            case PlannedRepair():
                return RepairBuilder(self._sandboxes.at_least, self._checkouts)
            case PlannedReplay(of=run_id):
                return ReplayBuilder(run_id, self._find)
            case NamedBuilder(use=name):
                settings = policy.builders[name]
                if isinstance(settings, AgentSettings):
                    return self._agent(settings)
                return self._model(settings)
        raise AssertionError(f"{phase.builder} counts as available and has no module")

    def _model(self, settings: ModelSettings) -> Builder:
        # An HTTP client takes 400 ms to import: only who uses a model waits for it.
        from autopack.chat.network import Connections
        from builder_svc.builders.model.model import ModelBuilder, Settings
        from builder_svc.builders.model.outside import World

        _refuse_endpoint(settings.endpoint, settings.hosts or (host_and_port(settings.endpoint),))
        keys = [self._secrets.reveal(name, settings.endpoint) for name in settings.secrets]
        connections = self._connections = self._connections or Connections()
        chosen = Settings(settings.api, settings.endpoint, settings.model, self._maximum_prompt_bytes)
        return ModelBuilder(
            chosen, keys, lambda work: World(work, connections, self._sandboxes.at_least, self._checkouts)
        )

    def _agent(self, settings: AgentSettings) -> Builder:
        settings = replace(settings, hosts=tuple(map(_canonical_host, settings.hosts)))
        if settings.endpoint:
            _refuse_endpoint(settings.endpoint, settings.hosts)
        if settings.secrets and not settings.hosts:
            message = f"`{settings.secrets[0]}` may be sent nowhere: the agent has no `hosts`"
            raise FailedPrecondition(Reason("SECRET_NOT_GRANTED", message, "name the hosts that it is for"))
        # An agent can send what it has to wherever it gets.
        secrets = {
            name: self._secrets.reveal(name, f"https://{host}")
            for name in settings.secrets
            for host in settings.hosts
        }
        return AgentBuilder(settings, secrets, self._agents, self._sandboxes.at_least, self._checkouts)

    async def close(self) -> None:
        """Give back sandboxes and connections."""
        await self._sandboxes.close()
        if self._connections is not None:
            await self._connections.close()


def _refuse_endpoint(endpoint: str, hosts: Sequence[str]) -> None:
    host = host_and_port(endpoint)
    if host not in hosts:
        message = f"the endpoint is at {host}, which is not among the builder's `hosts`"
        raise FailedPrecondition(Reason("HOST_NOT_ALLOWED", message, f"add {host} to its `hosts`"))


def _canonical_host(host: str) -> str:
    try:
        return canonical_target(host)
    except ValueError as error:
        fix = "write HOST:PORT, as api.example.com:443, in the policy's builders"
        raise InvalidInput(Reason("ENDPOINT_INVALID", str(error), fix)) from error
