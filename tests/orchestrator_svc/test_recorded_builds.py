"""A replay gives what the builders of an earlier run gave, on the commits that they built it on."""

from google.protobuf.timestamp_pb2 import Timestamp

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.rpc.errors import call
from tests.orchestrator_svc.conftest import Client, a_plan, git
from tests.orchestrator_svc.doubles import Script


async def replayed(client: Client, *phases: str, builds: list[messages.RecordedBuild]) -> run_pb2.Run:
    request = messages.SubmitRunRequest(
        request_id="replay",
        plan=a_plan(*phases),
        repository=run_pb2.Repository(path=str(client.repository)),
        run_id="again",
        replay=messages.Replay(submit_time=Timestamp(seconds=1_700_000_000), builds=builds),
    )
    await call(client.stub.SubmitRun(request))
    return await client.stopped("again")


async def test_a_train_that_went_again_on_a_moved_base_is_replayed_on_it(
    client: Client, script: Script
) -> None:
    """Its changes were built on the base before that one, and land on the other."""
    run = await client.run(a_plan("one"))
    change = run.phases[0].attempts[0].change
    (client.repository / "other.txt").write_text("other\n")
    git(client.repository, "add", "-A")
    git(client.repository, "commit", "-q", "-m", "Move")
    again = await replayed(
        client, "one", builds=[messages.RecordedBuild(phase_id="one", number=1, change=change)]
    )

    assert again.state == run_pb2.RUN_STATE_SUCCEEDED
    assert again.base == git(client.repository, "rev-parse", "main")
    assert client.landed("again") == ["one"]
    assert again.phases[0].attempts[0].change == change
    assert len(script.builds) == 1


async def test_what_was_not_recorded_has_diverged(client: Client, script: Script) -> None:
    again = await replayed(client, "one", builds=[])

    assert again.state == run_pb2.RUN_STATE_FAILED
    assert again.phases[0].reasons[0].code == "REPLAY_DIVERGED"
    assert script.builds == []
