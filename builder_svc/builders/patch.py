"""The builder `patch`: a change that the plan brings along, as a diff or as whole files."""

import asyncio
from collections.abc import Sequence

from autopack.gitstore.patch import parse_patch
from autopack.gitstore.write_path import Edit
from autopack.policy.plan import PatchBuilder as PlannedPatch
from builder_svc.domain.builder import Work


class PatchBuilder:
    """Spends nothing and starts nothing."""

    kind = "patch"

    def __init__(self, planned: PlannedPatch) -> None:
        self._planned = planned

    async def build(self, work: Work) -> Sequence[Edit]:
        """Raises InvalidInput with what `parse_patch` finds."""
        if self._planned.diff:
            diff = self._planned.diff.encode()
            return await asyncio.to_thread(parse_patch, work.store, work.task.base, diff)
        return [
            Edit(path, None if contents is None else contents.encode())
            for path, contents in self._planned.files.items()
        ]
