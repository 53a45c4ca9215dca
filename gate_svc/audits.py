"""Waits for the audit of a change at the auditor."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from autopack.api.auditor.v1.auditor_service_pb2 import WaitAuditRequest
from autopack.errors import NotFound, Unavailable
from autopack.rpc.errors import call
from gate_svc.convert import audit_from_proto
from gate_svc.domain.audit import AuditReport

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.auditor.v1.auditor_service_pb2_grpc import AuditorServiceAsyncStub

WAIT_SECONDS = 60.0
"""Of one call; it is made again as long as the audit runs."""
_PAUSE_SECONDS = 0.1


class Audits:
    """The auditor, as the gate needs it."""

    def __init__(
        self, stub: "AuditorServiceAsyncStub", patience_seconds: float, clock: Callable[[], float]
    ) -> None:
        """`patience_seconds`: how long the auditor may be away, or not yet know of an audit."""
        self._stub = stub
        self._patience_seconds = patience_seconds
        self._clock = clock

    async def wait(self, request_id: str) -> AuditReport | None:
        """The audit once it has ended; None where the auditor knows of none.

        Raises Unavailable where the auditor stays away.
        """
        since: float | None = None
        while True:
            try:
                request = WaitAuditRequest(request_id=request_id)
                answer = await call(self._stub.WaitAudit(request, timeout=WAIT_SECONDS))
                return audit_from_proto(answer.audit)
            except (NotFound, Unavailable) as error:
                if error.reasons[0].code == "DEADLINE_EXCEEDED":
                    since = None  # it is at work
                    continue
                since = self._clock() if since is None else since
                if self._clock() - since >= self._patience_seconds:
                    if isinstance(error, NotFound):
                        return None
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
