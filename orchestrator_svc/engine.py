"""The durable engine: DBOS remembers which runs this executor drives, and goes on after a crash.

A workflow here has no steps, because the rows are the log: driving a run again from its
rows is what recovery is (DEC-0002).
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes longer to import than all else here, and who only reads needs none of it
    from dbos import DBOSConfig

AT_ONCE = 500
"""Workflows that are forgotten together."""
log = logging.getLogger(__name__)


class Engine:
    """One executor on one database; DBOS allows one a process."""

    def __init__(self, database_url: str, executor_id: str, drive: Callable[[str], Awaitable[None]]) -> None:
        self._config: DBOSConfig = {
            "name": "autopack",
            "system_database_url": database_url,
            "executor_id": executor_id,
            # Rows carry all state, so any version may recover what another one left.
            "application_version": "1",
            "log_level": "WARNING",
            "use_listen_notify": False,
            # Nothing here waits for DBOS's messages; this is how long its thread takes to stop.
            "notification_listener_polling_interval_sec": 0.2,
        }
        self._drive = drive
        self._lock = asyncio.Lock()
        self._start_workflow: Callable[[str, str], None] | None = None

    @property
    def started(self) -> bool:
        """Whether runs are being driven."""
        return self._start_workflow is not None

    async def start(self) -> None:
        """Launches DBOS, which goes on with what this executor left; no effect when it runs."""
        async with self._lock:
            if self._start_workflow is None:
                self._start_workflow = await asyncio.to_thread(self._launch, asyncio.get_running_loop())

    def _launch(self, loop: asyncio.AbstractEventLoop) -> Callable[[str, str], None]:
        from dbos import DBOS, SetWorkflowID

        def drive_run(run_id: str) -> None:
            # In a thread of DBOS's: its asynchronous side would replace the default executor of our
            # loop by its own, and at its end leave threads behind that wait for a loop that is gone.
            try:
                asyncio.run_coroutine_threadsafe(self._driving(run_id), loop).result()
            except CancelledError:
                log.info("driving of %s was stopped; its rows say where to go on", run_id)

        DBOS(config=self._config)
        workflow = DBOS.workflow(name="drive_run")(drive_run)
        DBOS.launch()

        def start_workflow(run_id: str, workflow_id: str) -> None:
            with SetWorkflowID(workflow_id):
                DBOS.start_workflow(workflow, run_id)

        return start_workflow

    async def _driving(self, run_id: str) -> None:
        await self._drive(run_id)

    async def drive(self, run_id: str) -> None:
        """Has a run driven; the claim in its rows sees to it that only one who was asked does."""
        await self.start()
        if self._start_workflow is not None:
            # A new one each time: one that failed, or that a dead executor left, is never started again.
            await asyncio.to_thread(self._start_workflow, run_id, f"{run_id}:{uuid.uuid4()}")

    async def prune(self, before: float) -> None:
        """Forgets the workflows that ended before then."""
        async with self._lock:
            if self.started:
                await asyncio.to_thread(self._forget, before)

    @staticmethod
    def _forget(before: float) -> None:
        from dbos import DBOS

        until = datetime.fromtimestamp(before, UTC).isoformat()
        while old := DBOS.list_workflows(completed_before=until, limit=AT_ONCE, load_input=False):
            DBOS.delete_workflows([workflow.workflow_id for workflow in old])

    async def stop(self) -> None:
        """Stops DBOS; the drivers must have been stopped before."""
        async with self._lock:
            if self._start_workflow is not None:
                from dbos import DBOS

                self._start_workflow = None
                await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
