"""What an orchestrator asks again after a restart, or in place of a dead one, is the same request."""

from auditor_svc import convert as audits
from autopack.api.auditor.v1.auditor_service_pb2 import StartAuditRequest
from autopack.api.builder.v1.builder_service_pb2 import StartBuildRequest
from autopack.api.gate.v1.gate_service_pb2 import StartGateRequest
from builder_svc import convert as builds
from gate_svc import convert as gates


def test_it_does_not_matter_where_the_asking_orchestrator_listens() -> None:
    for request, identity in (
        (StartAuditRequest, audits.identity),
        (StartBuildRequest, builds.identity),
        (StartGateRequest, gates.identity),
    ):
        first, second = (request(request_id="r/p/1", git_address=f"unix:/{place}") for place in "ab")
        assert identity(first) == identity(second)  # type: ignore[arg-type]  # each has its own type
        assert identity(first) != identity(request(request_id="r/p/2"))  # type: ignore[arg-type]
