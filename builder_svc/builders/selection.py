"""Gives the builder that a phase asks for; a new kind is one more case here and one more module."""

from typing import TYPE_CHECKING

from autopack.errors import FailedPrecondition, Reason
from autopack.gitstore.checkouts import Checkouts
from autopack.policy.availability import refuse_builder
from autopack.policy.plan import CommandBuilder as PlannedCommand
from autopack.policy.plan import NamedBuilder, Phase
from autopack.policy.plan import PatchBuilder as PlannedPatch
from autopack.policy.plan import RepairBuilder as PlannedRepair
from autopack.policy.policy import ModelBuilder as ModelSettings
from autopack.policy.policy import Policy
from autopack.sandbox import Sandboxes
from builder_svc.builders.command import CommandBuilder
from builder_svc.builders.patch import PatchBuilder
from builder_svc.builders.repair.repair import RepairBuilder
from builder_svc.builders.secrets import Secrets, host_and_port
from builder_svc.domain.builder import Builder

if TYPE_CHECKING:
    from builder_svc.builders.model.http import HttpClients


class Selection:
    """All that builders share in this process."""

    def __init__(
        self, sandboxes: Sandboxes, checkouts: Checkouts, secrets: Secrets, maximum_prompt_bytes: int
    ) -> None:
        self._sandboxes = sandboxes
        self._checkouts = checkouts
        self._secrets = secrets
        self._maximum_prompt_bytes = maximum_prompt_bytes
        self._clients: HttpClients | None = None

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
            case NamedBuilder(use=name):
                settings = policy.builders[name]
                if isinstance(settings, ModelSettings):
                    return self._model(settings)
        raise AssertionError(f"{phase.builder} counts as available and has no module")

    def _model(self, settings: ModelSettings) -> Builder:
        # httpx takes 400 ms to import: only who uses a model waits for it.
        from builder_svc.builders.model.endpoint import Endpoint
        from builder_svc.builders.model.http import HttpClients
        from builder_svc.builders.model.model import ModelBuilder

        host = host_and_port(settings.endpoint)
        if settings.hosts and host not in settings.hosts:
            message = f"the endpoint is at {host}, which is not among the builder's `hosts`"
            raise FailedPrecondition(Reason("HOST_NOT_ALLOWED", message, f"add {host} to its `hosts`"))
        keys = [self._secrets.reveal(name, settings.endpoint) for name in settings.secrets]
        self._clients = self._clients or HttpClients()
        endpoint = Endpoint(self._clients, settings.endpoint, settings.model, keys)
        return ModelBuilder(endpoint, self._maximum_prompt_bytes)

    async def close(self) -> None:
        """Give back sandboxes and connections."""
        await self._sandboxes.close()
        if self._clients is not None:
            await self._clients.close()
