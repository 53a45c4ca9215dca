"""The builder `patch`: a change that the plan brings along, as a diff or as whole files."""

import asyncio
from collections.abc import Sequence

from autopack.gitstore.planned_patch import planned_edits
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import PatchBuilder as PlannedPatch
from builder_svc.domain.builder import Work


class PatchBuilder:
    """Spends nothing and starts nothing."""

    kind = "patch"

    def __init__(self, planned: PlannedPatch) -> None:
        self._planned = planned

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises InvalidInput with what `planned_edits` finds."""
        return await asyncio.to_thread(planned_edits, work.store, work.task.base, self._planned)
